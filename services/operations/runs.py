"""How jobs fared, counted in this process's memory and written now and then; a failure is written at once.

A job on the payment path pays for a few additions under a lock, never for a statement.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app import correlation
from app.db import Begin
from app.events import publish
from app.logs import mask
from services.operations.models import JobFailure, JobHour
from services.operations.periodic import DATABASE_AWAY, ERROR_LENGTH, Claim, end_run

TOPIC = "jobs"
TRACE_LENGTH = 20_000
_ARGUMENT_LENGTH = 80
# A job that fails every few seconds says all there is to say with these; the rest is counted only.
_TOLD_IN_AN_HOUR = 20
_KEPT = 200
log = structlog.get_logger(__name__)


@dataclass
class Tally:
    """A job within an hour."""

    runs: int = 0
    failures: int = 0
    total_ms: float = 0.0
    longest_ms: float = 0.0

    def add(self, other: Tally) -> None:
        self.runs += other.runs
        self.failures += other.failures
        self.total_ms += other.total_ms
        self.longest_ms = max(self.longest_ms, other.longest_ms)


class Recorder:
    """What is not written yet. Thread-safe: the worker's thread notes, its beating thread writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, int], Tally] = {}
        self._told: dict[tuple[str, int], int] = {}
        self._late: deque[Callable[[Session], None]] = deque(maxlen=_KEPT)

    def note(self, job: str, *, took_ms: float, failed: bool, now: datetime) -> None:
        """Count one run of `job` (its dotted name)."""
        key = job, int(now.timestamp()) // 3600
        with self._lock:
            tally = self._tallies.get(key)
            if tally is None:
                tally = self._tallies[key] = Tally()
            tally.runs += 1
            tally.failures += failed
            tally.total_ms += took_ms
            tally.longest_ms = max(tally.longest_ms, took_ms)

    def failed(self, begin: Begin, failure: JobFailure) -> None:
        """Write a failure now, or with the next flush if PostgreSQL does not answer. Of very many within an hour only the first."""
        key = failure.job, int(failure.failed_at.timestamp()) // 3600
        with self._lock:
            self._told = {held: count for held, count in self._told.items() if held[1] >= key[1] - 1}
            self._told[key] = self._told.get(key, 0) + 1
            if self._told[key] > _TOLD_IN_AN_HOUR:
                return
        values = failure.model_dump(exclude={"id"})

        def write(session: Session) -> None:
            session.add(JobFailure(**values))
            publish(session, TOPIC, None)

        self._now_or_later(begin, write)

    def ended(self, begin: Begin, run: Claim, *, took_ms: int, error: str | None) -> None:
        """Write how a periodic run ended, now or with the next flush: the next run may wait for it."""
        self._now_or_later(begin, lambda session: end_run(session, run, took_ms=took_ms, error=error))

    def _now_or_later(self, begin: Begin, write: Callable[[Session], None]) -> None:
        try:
            with begin() as session:
                write(session)
        except DATABASE_AWAY:
            with self._lock:
                self._late.append(write)

    def flush(self, begin: Begin) -> int:
        """Write what was counted, in one statement, and what could not be written before. Answers how many jobs' hours were written.

        Raises what the database raises; nothing is forgotten then.
        """
        with self._lock:
            tallies, self._tallies = self._tallies, {}
            late = list(self._late)
            self._late.clear()
        if not tallies and not late:
            return 0
        try:
            with begin() as session:
                for write in late:
                    write(session)
                if tallies:
                    _add(session, tallies)
        except BaseException:
            with self._lock:
                for key, tally in tallies.items():
                    self._tallies.setdefault(key, Tally()).add(tally)
                self._late.extendleft(reversed(late))
            raise
        return len(tallies)


def _add(session: Session, tallies: dict[tuple[str, int], Tally]) -> None:
    rows = [
        {
            "job": job[:120],
            "hour": datetime.fromtimestamp(hour * 3600, UTC),
            "runs": tally.runs,
            "failures": tally.failures,
            "total_ms": round(tally.total_ms),
            "longest_ms": round(tally.longest_ms),
        }
        # In one order everywhere, so that two workers never wait for each other in a circle.
        for (job, hour), tally in sorted(tallies.items())
    ]
    statement = insert(JobHour).values(rows)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["job", "hour"],
            set_={
                "runs": col(JobHour.runs) + new.runs,
                "failures": col(JobHour.failures) + new.failures,
                "total_ms": col(JobHour.total_ms) + new.total_ms,
                "longest_ms": sa.func.greatest(col(JobHour.longest_ms), new.longest_ms),
            },
        )
    )


def failure_of(job: str, arguments: Sequence[object], queue: str, error: BaseException, *, took_ms: float, now: datetime) -> JobFailure:
    """The row that tells of a failed run: its trace masked, its arguments as they were rung with."""
    trace = "".join(traceback.format_exception(error))
    return JobFailure(
        job=job[:120],
        arguments=[_plain(argument) for argument in arguments],
        queue=queue[:20],
        failed_at=now,
        took_ms=round(took_ms),
        error=words_of(error),
        # The end says what happened; the beginning of a very long one is the worker's own frames.
        trace=mask(trace)[-TRACE_LENGTH:],
        correlation_id=correlation.current()[:64],
    )


def words_of(error: BaseException) -> str:
    """The kind of an error and its first line, masked."""
    text = str(error).strip().splitlines()
    return mask(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__)[:ERROR_LENGTH]


def _plain(argument: object) -> object:
    if argument is None or isinstance(argument, bool | int | float):
        return argument
    return mask(str(argument))[:_ARGUMENT_LENGTH]


@dataclass(frozen=True)
class HourOfJob:
    """A job within one hour; `mean_ms` is 0 where it did not run."""

    hour: datetime
    runs: int
    failures: int
    mean_ms: int
    longest_ms: int


def trends(session: Session, jobs: Sequence[str], *, hours: int, now: datetime) -> dict[str, tuple[HourOfJob, ...]]:
    """The hours in which these jobs ran, oldest first, of the last `hours`."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    row = JobHour
    rows = session.execute(
        sa.select(col(row.job), col(row.hour), col(row.runs), col(row.failures), col(row.total_ms), col(row.longest_ms))
        .where(col(row.hour) >= since, col(row.job).in_(jobs))
        .order_by(col(row.job), col(row.hour))
    ).all()
    found: dict[str, list[HourOfJob]] = {}
    for job, hour, runs, failures, total_ms, longest_ms in rows:
        found.setdefault(job, []).append(HourOfJob(hour, runs, failures, round(total_ms / max(runs, 1)), longest_ms))
    return {job: tuple(hours_of) for job, hours_of in found.items()}


recorder = Recorder()
"""This process's."""
