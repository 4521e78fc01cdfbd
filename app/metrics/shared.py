"""How the processes of one machine show their figures together: each leaves them in a directory, whoever is asked adds them up.

A process counts in memory and writes its figures every few seconds to `<kind>-<number>.json`, whole and by renaming. It holds a kernel
lock on `<kind>-<number>.live` as long as it lives: that lock cannot outlive it, however it dies, and no process number is compared, so a
number that was given anew misleads nobody, and containers may share the directory. Whoever starts or is asked for figures first buries
the dead: their counters are added to `totals.json`, their gauges and files are gone. A number is used again then, so the directory never
holds more than the processes that ran at one time. Where the directory cannot be used, a process shows its own figures alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from app.metrics.families import Family, Sum, counted, plain

_LOCK_SECONDS = 1.0
_LIVE, _FIGURES, _FRESH = ".live", ".json", ".fresh"
_TOTALS = "totals.json"
_MOST_PROCESSES = 1000
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError)


class Busy(OSError):
    """Another process holds the directory longer than any work in it takes."""


class SharedFigures:
    """This process's place in the directory. Thread-safe; a full or unwritable disk is never an error of the caller."""

    def __init__(self, directory: Path, kind: str) -> None:
        self.directory, self.kind = directory, kind
        self.name = f"{kind}-1"
        """Which of the processes of its kind this is: the lowest number that was free. Stays when the process is gone and another comes."""
        self._guard = threading.Lock()
        self._place: int | None = None
        self._generation = ""
        self._others: list[list[Family]] = []

    @property
    def is_shared(self) -> bool:
        """Whether others can see this process's figures."""
        return self._place is not None

    def write(self, families: Sequence[Family]) -> bool:
        """Leave the figures for others; whether that was possible. The first time, and when its place is gone, it takes a place."""
        with self._guard:
            try:
                with self._whole_directory():
                    self._write(families)
            except OSError:
                return False
            return True

    def together(self, families: Sequence[Family]) -> Sum:
        """The figures of all processes here, with `families` as this one's. What was shown once is never shown smaller afterwards:
        this process's are left for the others before anybody reads them here.
        """
        with self._guard:
            with contextlib.suppress(OSError), self._whole_directory():
                with contextlib.suppress(OSError):
                    self._write(families)
                with contextlib.suppress(OSError):
                    self._bury()
                self._others = self._read_others()
            total = Sum()
            for other in [*self._others, list(families)]:
                with contextlib.suppress(*_UNREADABLE):
                    total.add(other)
            return total

    def leave(self) -> None:
        """Give the place up; what was written last is counted on among the dead."""
        with self._guard:
            self._drop()

    def forget(self) -> None:
        """In a forked child: the place is the parent's."""
        self._guard = threading.Lock()
        self._drop()

    def _drop(self) -> None:
        if self._place is not None:
            with contextlib.suppress(OSError):
                os.close(self._place)
        self._place = None

    @contextlib.contextmanager
    def _whole_directory(self) -> Iterator[None]:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _is_locked(descriptor):
                if time.monotonic() > deadline:
                    raise Busy(self.directory)
                time.sleep(0.005)
            yield
        finally:
            os.close(descriptor)

    def _write(self, families: Sequence[Family]) -> None:
        if not self._holds_place():
            self._take_place()
        self._replace(self.name + _FIGURES, {"generation": self._generation, "families": families})

    def _holds_place(self) -> bool:
        """Somebody may have emptied the directory."""
        if self._place is None:
            return False
        try:
            there = os.stat(self.directory / (self.name + _LIVE))
        except OSError:
            return False
        return there.st_ino == os.fstat(self._place).st_ino

    def _take_place(self) -> None:
        self._drop()
        self._bury()
        for number in range(1, _MOST_PROCESSES):
            name = f"{self.kind}-{number}"
            with contextlib.suppress(FileExistsError):
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._place = os.open(self.directory / (name + _LIVE), flags, 0o600)
                fcntl.flock(self._place, fcntl.LOCK_EX)
                self.name, self._generation = name, secrets.token_hex(8)
                return
        raise Busy(self.directory)

    def _bury(self) -> None:
        """Add what the dead counted to the totals and remove what they left. Dying half-way through counts nothing twice."""
        dead = self._dead()
        if not dead:
            return
        totals = _load(self.directory / _TOTALS)
        buried, total = set(totals.get("buried", ())), Sum()
        with contextlib.suppress(*_UNREADABLE):
            total.add(totals.get("families", []))
        seen = []
        for name in dead:
            left = _load(self.directory / (name + _FIGURES))
            if left and left.get("generation") not in buried:
                with contextlib.suppress(*_UNREADABLE):
                    total.add(counted(left["families"]))
            seen.append(left.get("generation"))
        # Only those whose files are still there need be remembered.
        self._replace(_TOTALS, {"buried": seen, "families": plain(total.metrics())})
        for name in dead:
            for ending in (_FIGURES, _FRESH, _LIVE):
                (self.directory / (name + ending)).unlink(missing_ok=True)

    def _dead(self) -> list[str]:
        names = {path.stem for ending in (_LIVE, _FIGURES) for path in self.directory.glob(f"*-*{ending}")}
        return sorted(name for name in names if not _lives(self.directory / (name + _LIVE)))

    def _read_others(self) -> list[list[Family]]:
        totals = _load(self.directory / _TOTALS)
        buried, found = totals.get("buried", ()), [totals.get("families", [])]
        for path in sorted(self.directory.glob(f"*-*{_FIGURES}")):
            left = _load(path)
            if left.get("generation") in (*buried, self._generation):
                continue
            families = left.get("families", [])
            # One that could not be buried (a full disk) has counted, and has nothing under way.
            found.append(families if _lives(path.with_suffix(_LIVE)) else counted(families))
        return found

    def _replace(self, name: str, content: dict[str, Any]) -> None:
        fresh = self.directory / (name.removesuffix(_FIGURES) + _FRESH)
        try:
            fresh.write_bytes(orjson.dumps(content))
            fresh.replace(self.directory / name)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(place: Path) -> bool:
    """Whether a process holds the lock of this place."""
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # not ours to judge
    try:
        return not _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _load(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is not there or was damaged (a power cut)."""
    try:
        content = orjson.loads(path.read_bytes())
    except _UNREADABLE:
        return {}
    return content if isinstance(content, dict) else {}
