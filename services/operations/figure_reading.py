"""Reads the figures when they are asked for, not too often, and never longer than whoever asks can wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
import structlog

from app import redis
from app.clock import Clock, utc_now
from app.db import Begin, transaction
from services.operations.figures import GROUPS, Figure, Group, waiting_jobs

log = structlog.get_logger(__name__)
WAIT_SECONDS = 3.0
_STATEMENT_SECONDS = 2
_QUEUES_SECONDS = 5.0
# What did not answer is left alone for this long.
_PAUSE_SECONDS = 10.0


class _Turn:
    """Work on a thread of its own, once at a time: who asks while it is under way waits for the same."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work, self._name = work, name
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        with self._guard:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def ended_by(self, deadline: float) -> bool:
        assert self._thread is not None
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()


class FigureReader:
    """One a process. What was read a moment ago is shown again; what cannot be read is left out, and `is_up` says so."""

    def __init__(
        self,
        begin: Begin = transaction,
        *,
        groups: Sequence[Group] = GROUPS,
        clock: Clock = utc_now,
        ticks: Callable[[], float] = time.monotonic,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._begin, self._groups, self._clock, self._ticks, self._wait = begin, groups, clock, ticks, wait_seconds
        self._held: dict[str, tuple[float, tuple[Figure, ...]]] = {}
        self._queues: tuple[Figure, ...] = ()
        self._put_off_until, self._queues_put_off_until = float("-inf"), float("-inf")
        # Redis is tried again and again by its client before it is given up: PostgreSQL's figures do not wait for that.
        self._turns = (_Turn(self._read_groups, "figures"), _Turn(self._read_queues, "figures-queues"))
        self.is_up = False

    def read(self) -> list[Figure]:
        """The figures as of now or a moment ago. Blocks for `wait_seconds` at most."""
        for turn in self._turns:
            turn.begin()
        deadline = time.monotonic() + self._wait
        of_groups, of_queues = (turn.ended_by(deadline) for turn in self._turns)
        if not of_groups:
            # Nobody could tell how old what is held will be by then: it is not shown.
            self.is_up = False
        found = [figure for _, figures in list(self._held.values()) for figure in figures] if self.is_up else []
        return [*found, *(self._queues if of_queues else ())]

    def _read_groups(self) -> None:
        now = self._ticks()
        if now < self._put_off_until:
            return
        due = [group for group in self._groups if now - self._held.get(group.name, (float("-inf"), ()))[0] >= group.seconds]
        try:
            for group in due:
                self._held[group.name] = (now, self._read_group(group))
            self.is_up = True
        except Exception as error:
            # PostgreSQL away or slow; or a fault of ours in one figure, which must not leave old ones standing for new.
            log.warning("figures.not_read", error=type(error).__name__, exc_info=not isinstance(error, sa.exc.SQLAlchemyError))
            self._put_off_until, self.is_up = self._ticks() + _PAUSE_SECONDS, False
            self._held.clear()

    def _read_group(self, group: Group) -> tuple[Figure, ...]:
        with self._begin() as session:
            # Of this transaction alone, so it holds behind a pooler too.
            session.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'"))
            return tuple(group.read(session, now=self._clock()))

    def _read_queues(self) -> None:
        if self._ticks() < self._queues_put_off_until:
            return
        try:
            self._queues, pause = tuple(waiting_jobs(now=self._clock())), _QUEUES_SECONDS
        except redis.Away:
            self._queues, pause = (), _PAUSE_SECONDS
        self._queues_put_off_until = self._ticks() + pause


reader = FigureReader()
