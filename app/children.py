"""Starting, finding and ending child processes, so that nothing is left behind when we end, however we end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import psutil

LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LIMIT_BYTES = 10 * 1024 * 1024


class StartRefused(Exception):
    """Something on this machine keeps us from starting; the message says in one sentence what, and what to do."""


_requests: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], list[str], dict[str, object]]] = queue.SimpleQueue()
_spawner_lock = threading.Lock()
_spawner_pid = 0


def spawn(
    command: Sequence[str],
    *,
    parent_death_signal: signal.Signals,
    identity: str = "-",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own (no terminal Ctrl-C reaches it); it gets `parent_death_signal` when we die.

    stderr goes where stdout goes. `identity` is the launcher's (app/launch.py).
    """
    arguments = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(parent_death_signal)), identity, *command]
    options: dict[str, object] = {
        "stdin": subprocess.DEVNULL,
        "stdout": stdout,
        "stderr": subprocess.STDOUT,
        "env": dict(env) if env is not None else None,
        "cwd": cwd,
        "start_new_session": True,
    }
    future: Future[subprocess.Popen[bytes]] = Future()
    _ensure_spawner()
    _requests.put((future, arguments, options))
    return future.result()


def _ensure_spawner() -> None:
    # The kernel ties the parent-death signal to the *thread* that forked, so one thread that lives as long as we do forks all.
    global _spawner_pid
    with _spawner_lock:
        if _spawner_pid != os.getpid():
            _spawner_pid = os.getpid()
            threading.Thread(target=_spawn_forever, name="spawner", daemon=True).start()


def _spawn_forever() -> None:
    while True:
        future, arguments, options = _requests.get()
        try:
            future.set_result(subprocess.Popen(arguments, **options))  # type: ignore[call-overload]  # noqa: S603
        except BaseException as error:
            future.set_exception(error)


def family(pid: int) -> list[int]:
    """`pid`, its descendants, and whatever is left of the session it led (an orphaned work horse); the leader first."""
    found: dict[int, None] = {}
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        if leader.status() != psutil.STATUS_ZOMBIE:
            found[pid] = None
        found |= dict.fromkeys(child.pid for child in leader.children(recursive=True))
    for other in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(other) == pid and other != pid:
                found[other] = None
    return list(found)


def signal_all(pids: Iterable[int], signal_number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def kill_family(pid: int) -> None:
    """SIGKILL `pid` and all that belongs to it; returns when they are gone or after 5 s. The caller reaps `pid` itself."""
    deadline = time.monotonic() + 5
    while alive := [member for member in family(pid) if _is_alive(member)]:
        signal_all(alive, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def end_orphan(pid_file: Path, *, program: str, mark: str, stop_signal: signal.Signals, patience_seconds: float = 15) -> None:
    """Wait for, and at last kill, the `program` that an earlier, killed INET left running with `mark` on its command line.

    Call it only while holding the directory's lock: that makes anything still running there an orphan. A pid file whose
    number now belongs to another program is removed, since it would make the next start refuse.
    """
    try:
        pid = int(pid_file.read_text(encoding="utf-8").split()[0])
        process = psutil.Process(pid)
        ours = process.name() == program and any(mark in part for part in process.cmdline())
    except (OSError, ValueError, IndexError, psutil.Error):
        return
    if not ours:
        pid_file.unlink(missing_ok=True)
        return
    with contextlib.suppress(psutil.Error):
        process.send_signal(stop_signal)
        process.wait(patience_seconds)
    kill_family(pid)


class DirectoryLock:
    """Holds a directory for this process. The kernel drops the lock when we die, so a stale one cannot exist."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "inet.lock"
        self._directory = directory
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises StartRefused when the directory cannot be written or another INET holds it."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            file = open(self._path, "a+", encoding="ascii")  # noqa: SIM115 - kept open as long as the lock is held
        except OSError as error:
            raise StartRefused(
                f"The data directory {self._directory} cannot be written ({error.strerror}); make it writable or choose another"
                " with --data-dir."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise StartRefused(
                f"The data directory {self._directory} is in use by another INET (process {holder}); stop that one or choose"
                " another with --data-dir."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    @property
    def held(self) -> bool:
        """Whether this object holds the directory."""
        return self._file is not None

    @property
    def held_elsewhere(self) -> bool:
        """Whether another process holds this directory now."""
        try:
            with open(self._path, encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False


def open_log(path: Path) -> IO[bytes]:
    """`path` opened for appending; one that has grown past 10 MiB is set aside as `.1` first."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_name(path.name + ".1"))
    return open(path, "ab")


def last_line(path: Path) -> str:
    """The last line of a log that says something, for the one sentence that tells why a start failed."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace")[-4000:].splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
