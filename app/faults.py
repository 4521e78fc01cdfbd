"""Errors of the product itself: noticed wherever they are logged or end a thread, counted by fingerprint, and written in sets.

Whoever meets an error pays a few microseconds: it is counted in memory, and a thread of its own writes what was counted every couple of
seconds. While PostgreSQL is away it is kept; what this module itself cannot do is said once on standard error and never counted.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol

import structlog
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisSlow
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from app import correlation, db, fault_trace
from app.clock import utc_now
from app.errors import DomainError
from app.masking import mask_message, readable
from app.release import release

EVERY_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 30.0
_PATIENCE_AT_EXIT_SECONDS = 3.0
# What is kept while PostgreSQL is away. A group without an example still counts.
_MOST_GROUPS, _MOST_EXAMPLES, _MOST_KNOWN_WAYS = 1000, 200, 2000
_LEVELS = frozenset({"error", "critical"})
_GRAVE = logging.ERROR
_SEEN = "_inet_fault_noted"
# Ended by whom it was for, or by ourselves: nobody has to look.
_NO_FAULTS = frozenset(
    {"starlette.requests.ClientDisconnect", "starlette.websockets.WebSocketDisconnect", "asyncio.exceptions.CancelledError"}
)
# PostgreSQL's classes of being away: connection lost, shutting down, starting up.
_AWAY_STATES = ("08", "57P")

log = structlog.get_logger(__name__)


@dataclass
class Fault:
    """What is known of one fingerprint since it was written last. `example` is masked; None when there was no room for one."""

    fingerprint: str
    kind: str
    place: str
    process: str
    release: str
    first_at: datetime
    last_at: datetime
    hours: dict[datetime, int] = field(default_factory=dict)
    example: dict[str, Any] | None = None
    is_sent_on: bool = False

    @property
    def count(self) -> int:
        return sum(self.hours.values())

    @property
    def message(self) -> str:
        trace = (self.example or {}).get("trace") or [{}]
        return str(trace[0].get("message", ""))

    def take_in(self, other: Fault) -> None:
        """Count the other's as well; the newer example stays."""
        for hour, count in other.hours.items():
            self.hours[hour] = self.hours.get(hour, 0) + count
        if self.example is None or (other.example is not None and other.last_at > self.last_at):
            self.example, self.is_sent_on = other.example, other.is_sent_on
        self.first_at, self.last_at = min(self.first_at, other.first_at), max(self.last_at, other.last_at)


class Keep(Protocol):
    """Writes a set of faults in the transaction it is given (services/operations/errors.py)."""

    def __call__(self, session: Session, batch: Sequence[Fault], *, now: datetime) -> None: ...


class Recorder:
    """Counts faults of one process, and hands them on. All of it may be called from any thread, also the event loop's."""

    def __init__(self, process: str = "", *, clock: Callable[[], datetime] = utc_now) -> None:
        self.process = process
        self.keep: Keep | None = None
        self.send_on: Callable[[Fault], None] | None = None
        self.finish: Callable[[], object] | None = None
        self._clock = clock
        self._lock = threading.RLock()
        self._pending: dict[str, Fault] = {}
        self._ways: dict[tuple[object, ...], tuple[str, str]] = {}
        self._dropped = 0
        # True in a thread that is recording: whatever fails meanwhile is not recorded.
        self._is_at_it = threading.local()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._has_complained = False

    def note(self, error: BaseException, *, event: str = "", facts: Mapping[str, Any] | None = None) -> None:
        """Count an error. Never raises, never waits for anything outside this process; the same exception is counted once."""
        if getattr(self._is_at_it, "now", False):
            return
        self._is_at_it.now = True
        try:
            error = fault_trace.innermost(error)
            if is_fault(error) and not _noted_before(error):
                self._count(error, event, facts or {})
        except Exception as own:
            self._complain(own)
        finally:
            self._is_at_it.now = False

    def _count(self, error: BaseException, event: str, facts: Mapping[str, Any]) -> None:
        fingerprint, place = self._known(error, event)
        now = self._clock()
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self._lock:
            fault = self._pending.get(fingerprint)
            if fault is None:
                if len(self._pending) >= _MOST_GROUPS:
                    self._dropped += 1
                    return
                kind = fault_trace.kind_of(error)
                fault = self._pending[fingerprint] = Fault(fingerprint, kind, place, self.process, release(), now, now)
            fault.hours[hour] = fault.hours.get(hour, 0) + 1
            fault.last_at = now
            needs_example = fault.example is None and len(self._pending) <= _MOST_EXAMPLES
        if needs_example:
            # Outside of the lock: it takes a millisecond, and only the first of a set pays it.
            fault.example = self._example(error, event, facts, now)
        self._wake()

    def _known(self, error: BaseException, event: str) -> tuple[str, str]:
        if error.__traceback__ is None:
            return fault_trace.fingerprint(error, otherwise=event)
        way = fault_trace.way_of(error)
        found = self._ways.get(way)
        if found is None:
            if len(self._ways) >= _MOST_KNOWN_WAYS:
                self._ways.clear()
            found = self._ways[way] = fault_trace.fingerprint(error)
        return found

    def _example(self, error: BaseException, event: str, facts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        where = next(((name, facts[name]) for name in ("job", "route", "path", "thread") if facts.get(name)), ("", ""))
        return {
            "trace": fault_trace.trace_of(error),
            "event": readable(event)[:120],
            "where": where[0],
            "name": mask_message(str(where[1]))[:200],
            "correlation_id": str(facts.get("correlation_id") or correlation.current())[:64],
            "release": release(),
            "process": self.process,
            "at": now.astimezone(UTC).isoformat(),
        }

    def flush(self) -> bool:
        """Hand on what was counted. False when PostgreSQL is away: it is kept, and tried again."""
        with self._lock:
            batch, self._pending = list(self._pending.values()), {}
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._say(f"{dropped} errors of more than {_MOST_GROUPS} kinds were not counted.")
        if not batch:
            return True
        self._is_at_it.now = True
        try:
            self._send_on(batch)
            return self.keep is None or self._write(self.keep, batch)
        finally:
            self._is_at_it.now = False

    def _send_on(self, batch: Sequence[Fault]) -> None:
        for fault in batch:
            if self.send_on is not None and fault.example is not None and not fault.is_sent_on:
                fault.is_sent_on = True
                try:
                    self.send_on(fault)
                except Exception as own:
                    self._complain(own)

    def _write(self, keep: Keep, batch: list[Fault]) -> bool:
        for is_second_try in (False, True):
            try:
                with db.transaction() as session:
                    keep(session, batch, now=self._clock())
                return True
            except Exception as own:
                if is_away(own):
                    self._put_back(batch)
                    return False
                self._complain(own)
                if not is_second_try:
                    # Something in an example that does not fit: the counts are worth more.
                    for fault in batch:
                        fault.example = None
        return True

    def _put_back(self, batch: Sequence[Fault]) -> None:
        with self._lock:
            newer, self._pending = self._pending, {fault.fingerprint: fault for fault in batch}
            for fingerprint, fault in newer.items():
                if (older := self._pending.get(fingerprint)) is not None:
                    older.take_in(fault)
                elif len(self._pending) < _MOST_GROUPS:
                    self._pending[fingerprint] = fault
                else:
                    self._dropped += fault.count
            for fault in list(self._pending.values())[_MOST_EXAMPLES:]:
                fault.example = None

    def _wake(self) -> None:
        if (self.keep is None and self.send_on is None) or (self._thread is not None and self._thread.is_alive()) or self._stop.is_set():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = EVERY_SECONDS
        while not self._stop.wait(pause):
            pause = EVERY_SECONDS if self.flush() else min(pause * 2, _LONGEST_PAUSE_SECONDS)
        self.flush()

    def stop(self, patience_seconds: float = _PATIENCE_AT_EXIT_SECONDS) -> None:
        """Hand on what is left, for at most so long; nothing is recorded in the background afterwards."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(patience_seconds)
        if self.finish is not None:
            self.finish()

    def be_reborn(self) -> None:
        """In a forked child: its parent's counts are the parent's, and its thread is not here."""
        self._lock, self._pending, self._dropped = threading.RLock(), {}, 0
        self._thread, self._stop, self._is_at_it = None, threading.Event(), threading.local()

    def _complain(self, own: BaseException) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._say(f"errors cannot be recorded ({fault_trace.kind_of(own)}: {fault_trace.message_of(own)[:200]}); said once.")

    @staticmethod
    def _say(words: str) -> None:
        with contextlib.suppress(Exception):
            sys.stderr.write(f"inet: {words}\n")


def is_fault(error: BaseException) -> bool:
    """Whether somebody has to look at it: no refusal, no client that left, no server that is away (health and alarms tell of those)."""
    if not isinstance(error, Exception) or isinstance(error, DomainError | RedisAway | RedisSlow):
        return False
    return fault_trace.kind_of(error) not in _NO_FAULTS and not is_away(error)


def is_away(error: BaseException) -> bool:
    """Whether PostgreSQL could not be reached, went away in the middle, or has no connection left."""
    if isinstance(error, PoolTimeout | InvalidatePoolError):
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return isinstance(error, DBAPIError) and error.connection_invalidated
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or str(state).startswith(_AWAY_STATES)


def _noted_before(error: BaseException) -> bool:
    """Whoever logs an error and raises it again has it logged again further out."""
    try:
        if getattr(error, _SEEN, False):
            return True
        setattr(error, _SEEN, True)
    except Exception:
        return False
    return False


recorder = Recorder()
"""This process's."""
_is_ready = False


def begin(process: str, *, is_service: bool) -> None:
    """Name the process. One of the product's own (`is_service`) also records what ends its threads and itself."""
    global _is_ready
    recorder.process = process
    if _is_ready:
        return
    _is_ready = True
    os.register_at_fork(after_in_child=recorder.be_reborn)
    atexit.register(recorder.stop)
    if is_service:
        threading.excepthook = _on_thread
        sys.excepthook = _on_end


def keep_with(keep: Keep) -> None:
    """Have faults written by `keep` from now on: whoever composes the process names it."""
    recorder.keep = keep


def send_on_with(send: Callable[[Fault], None], *, finish: Callable[[], object]) -> None:
    """Have the example of each fault handed to `send` as well, on the recording thread; `finish` is called when the process ends."""
    recorder.send_on, recorder.finish = send, finish


def capture(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: whatever is logged at ERROR or worse with an exception is a fault."""
    if event.get("level") in _LEVELS and (given := event.get("exc_info")):
        error = _exception_in(given)
        if error is not None:
            recorder.note(error, event=str(event.get("event", "")), facts=event)
    return event


def _exception_in(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if len(given) > 1 and isinstance(given[1], BaseException) else None
    return sys.exc_info()[1]


class Listener(logging.Handler):
    """Hears what libraries log of their own: the event loop, uvicorn, NiceGUI, RQ. Our own lines pass `capture`."""

    def __init__(self) -> None:
        super().__init__(_GRAVE)

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, dict) or not record.exc_info:
            return
        error = _exception_in(record.exc_info)
        if error is not None:
            recorder.note(error, event=record.name)


def _on_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or isinstance(ended.exc_value, SystemExit):
        return
    name = ended.thread.name if ended.thread is not None else "?"
    log.error("thread.failed", thread=name, exc_info=ended.exc_value)


def _on_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("process.failed", exc_info=error.with_traceback(trace))
