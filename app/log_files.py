"""Logs as files that stay small: they turn over by size and by day, are forgotten after a while, and never break whoever writes them."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

MAX_BYTES = 32 * 1024 * 1024
# After a write that failed (the disk is full) the next tries wait this long.
_REST_SECONDS = 5.0
_OURS = re.compile(r"[a-z]+-[\w.-]+-\d+(?:\.\d{8}-\d{6}-\d+)?\.log")
_HOST = re.compile(r"[^\w.-]+")


def say_once(words: str) -> None:
    """To standard error, if there is anybody to hear it."""
    with contextlib.suppress(Exception):
        sys.stderr.write(f"inet: {words}\n")


class DailyFiles(logging.Handler):
    """One file a process, `web-host-123.log`: no two processes share one. It is set aside when it is full or the day is over.

    A fork gets a file of its own. What cannot be written is lost: that is said once, and again after it went well meanwhile.
    """

    def __init__(
        self, directory: Path, kind: str, *, keep_days: int, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._directory, self._kind, self._keep, self._most, self._clock = directory, kind, timedelta(days=keep_days), max_bytes, clock
        self._host = _HOST.sub("-", socket.gethostname())[:60] or "host"
        self._file: int | None = None
        self._pid = self._day = self._size = 0
        self._rests_until = 0.0
        self._is_told = False

    @property
    def path(self) -> Path:
        """The file of this process."""
        return self._directory / f"{self._kind}-{self._host}-{os.getpid()}.log"

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "replace")
        except Exception:
            self.handleError(record)
            return
        now = self._clock()
        if now < self._rests_until:
            return
        try:
            self._write(line, now)
            self._is_told = False
        except OSError as error:
            self._give_up(error, now)

    def _write(self, line: bytes, now: float) -> None:
        if self._file is None or self._pid != os.getpid():
            self._open(now)
        elif self._size + len(line) > self._most or int(now // 86400) != self._day:
            self._set_aside(now)
            self._open(now)
        assert self._file is not None
        # Unbuffered: one call a line, nothing waits in memory and nothing is half kept after a full disk.
        self._size += os.write(self._file, line)

    def _open(self, now: float) -> None:
        if self._pid == os.getpid():
            self._close()
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self.path
        with contextlib.suppress(FileNotFoundError):
            if int(path.stat().st_mtime // 86400) != int(now // 86400) or path.stat().st_size >= self._most:
                # A process of this number wrote it before.
                self._set_aside(now)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._pid, self._day, self._size = os.getpid(), int(now // 86400), os.fstat(self._file).st_size
        forget_old(self._directory, datetime.fromtimestamp(now, UTC) - self._keep)

    def _set_aside(self, now: float) -> None:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
        for number in range(1000):
            aside = self.path.with_suffix(f".{stamp}-{number}.log")
            if not aside.exists():
                with contextlib.suppress(FileNotFoundError):
                    self.path.rename(aside)
                return

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = None

    def _give_up(self, error: OSError, now: float) -> None:
        self._close()
        self._rests_until = now + _REST_SECONDS
        if not self._is_told:
            self._is_told = True
            say_once(f"the log in {self._directory} cannot be written ({error.strerror}); the process goes on without it.")

    def handleError(self, record: logging.LogRecord) -> None:
        # Not the library's way, which writes the record's arguments as they are.
        say_once(f"a log line of {record.name} cannot be put into words.")

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._close()
        super().close()


def forget_old(directory: Path, before: datetime) -> int:
    """Remove the files of `DailyFiles` that nobody has written since `before`. Answers how many; those of others are left alone."""
    removed = 0
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            with contextlib.suppress(OSError):
                if _OURS.fullmatch(path.name) and path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    removed += 1
    return removed


class BoundedFile:
    """Bytes of another program, kept in `name`, `name.1`, `name.2` …: the newest in the first, none larger than `max_bytes`."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self._path, self._most, self._keep = path, max_bytes, keep
        self._lock = threading.Lock()
        self._file: int | None = None
        self._size = 0
        self._rests_until = 0.0
        self._is_told = False

    def write(self, line: bytes) -> None:
        """Append; what cannot be written is lost and said once, so that the program that speaks is never held up."""
        with self._lock:
            if time.monotonic() < self._rests_until:
                return
            try:
                if self._file is None:
                    self._open()
                if self._size and self._size + len(line) > self._most:
                    self._turn()
                assert self._file is not None
                self._size += os.write(self._file, line)
                self._is_told = False
            except OSError as error:
                self._close()
                self._rests_until = time.monotonic() + _REST_SECONDS
                if not self._is_told:
                    self._is_told = True
                    say_once(f"the log {self._path} cannot be written ({error.strerror}).")

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._size = os.fstat(self._file).st_size

    def _turn(self) -> None:
        self._close()
        for number in range(self._keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._older(number).replace(self._older(number + 1))
        if self._keep:
            with contextlib.suppress(FileNotFoundError):
                self._path.replace(self._older(1))
        else:
            self._path.unlink(missing_ok=True)
        self._open()

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = None

    def close(self) -> None:
        with self._lock:
            self._close()
