"""Noticing that work does not happen: no worker of a queue, no scheduler, jobs that wait too long, run too rarely or fail again and again.

A job cannot notice that no worker runs. So every process looks, each from its beating thread, and one of them at a time by a slot
claimed in PostgreSQL: whichever processes die, the others go on looking.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from app import redis
from app.db import Begin
from app.queue import QUEUES, QueueName
from services.network.alarm_models import AlarmKind
from services.network.alarms import end_alarms_except, raise_alarms
from services.operations import periodic, queues
from services.operations.models import PeriodicJob, ProcessKind, RunningProcess
from services.operations.periodic import Line
from services.operations.processes import alive
from services.operations.queues import QueueView

GRACE = timedelta(seconds=60)
_PERIODS = 3
# After a long stop everything that is due is rung at once; by then also the slowest of it has had its turn.
_CATCH_UP = timedelta(minutes=10)
_FEWEST_FAILURES = 3
# Longer without a look than this, and the product or PostgreSQL stood still meanwhile: nobody is late because of that.
_GAP = timedelta(seconds=60)
SCHEDULE = "schedule"
"""The subject of the one alarm that stands for all jobs when Redis is the cause."""


@dataclass(frozen=True)
class _Look:
    """The slot of a look is claimed like that of a job."""

    id: str = "watch-jobs"
    job: str = "services.operations.watch"
    seconds: int = 15
    queue: QueueName = "urgent"
    what: str = "Whether jobs run"
    timeout_seconds: int = 30


class Watch:
    """One process's look at the others. It says nothing about a time that it has not seen itself."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._last: datetime | None = None

    def look(self, begin: Begin, *, now: datetime) -> bool:
        """Look, if it is this process's turn; whether it was. `now` is PostgreSQL's clock."""
        if self._since is None or self._last is None or now - self._last > _GAP:
            self._since = now
        self._last = now
        with begin() as session:
            turn = periodic.claim(session, _Look(), now=now)
        if turn is None:
            return False
        try:
            waiting: tuple[QueueView, ...] | None = queues.waiting(now=now)
        except redis.Away:
            waiting = None
        with begin() as session:
            check(session, waiting=waiting, watched=now - self._since, now=now)
            periodic.end_run(session, turn, took_ms=0, error=None)
        return True


def check(session: Session, *, waiting: Sequence[QueueView] | None, watched: timedelta, now: datetime) -> None:
    """Raise the alarms that are due and end those that are over. `waiting` is None when Redis is away; `watched` is how long we look."""
    periodic.keep_rows(session, now=now)
    absent = absent_processes(session, watched=watched, now=now)
    _stand(session, AlarmKind.PROCESS_ABSENT, absent, now=now)
    if waiting is not None:
        _stand(session, AlarmKind.QUEUE_OLD, _old(waiting), now=now)
    lines = periodic.declared()
    if lines:
        _check_periodic(session, lines.values(), absent, is_redis_away=waiting is None, watched=watched, now=now)


def _stand(session: Session, kind: AlarmKind, messages: dict[str, str], *, now: datetime) -> None:
    end_alarms_except(session, kind, list(messages), now=now)
    raise_alarms(session, kind, messages, now=now)


def absent_processes(session: Session, *, watched: timedelta, now: datetime) -> dict[str, str]:
    """What runs nowhere: `scheduler` and `worker-<queue>`, with a sentence each. What was never there is given time to come up first."""
    living = alive(session, now=now)
    served = _served(living)
    there = {"scheduler"} if any(one.kind is ProcessKind.SCHEDULER for one in living) else set()
    there |= {f"worker-{queue}" for queue in served}
    ever = _ever(session)
    found = {}
    for name in ("scheduler", *(f"worker-{queue}" for queue in QUEUES)):
        if name not in there and watched > (GRACE if name in ever else _CATCH_UP):
            found[name] = _absent_words(name)
    return found


def _served(processes: Iterable[RunningProcess]) -> set[str]:
    return {queue for one in processes if one.kind is ProcessKind.WORKER for queue in one.serves.split(",")}


def _ever(session: Session) -> set[str]:
    row = RunningProcess
    known = session.execute(
        sa.select(col(row.kind), col(row.serves)).where(col(row.kind).in_([ProcessKind.WORKER, ProcessKind.SCHEDULER])).distinct()
    ).all()
    names = {"scheduler" for kind, _ in known if kind is ProcessKind.SCHEDULER}
    return names | {f"worker-{queue}" for kind, serves in known if kind is ProcessKind.WORKER for queue in serves.split(",")}


def _absent_words(name: str) -> str:
    if name == "scheduler":
        return "No scheduler runs: nothing periodic is begun, and what a lost ring left is not found again."
    return f"No worker serves the queue {name.removeprefix('worker-')}: what is rung for there waits."


def _old(waiting: Sequence[QueueView]) -> dict[str, str]:
    return {
        view.name: f"The oldest of {view.waiting:,} jobs in the queue {view.name} has waited for more than "
        f"{queues.PATIENCE[view.name].total_seconds():.0f} s."
        for view in waiting
        if view.is_old
    }


def _check_periodic(
    session: Session, lines: Iterable[Line], absent: dict[str, str], *, is_redis_away: bool, watched: timedelta, now: datetime
) -> None:
    rows = {row.id: row for row in session.execute(sa.select(PeriodicJob)).scalars()}
    missed, failing = {}, {}
    for line in lines:
        row = rows.get(line.id)
        if row is None:
            continue
        if row.failures_in_a_row >= too_many_failures(line):
            failing[line.id] = f"{line.what}: failed {row.failures_in_a_row} times in a row. {row.last_error}"
        # With no process that could have run it the cause has an alarm of its own.
        is_explained = "scheduler" in absent or f"worker-{line.queue}" in absent
        if not is_explained and watched > _due_after(line, at_most=_CATCH_UP) and is_late(line, row, now=now):
            missed[line.id] = f"{line.what}: {_last_words(row)}; it should run every {line.seconds} s."
    if is_redis_away and missed:
        missed = {SCHEDULE: "Redis does not answer, so nothing periodic runs."}
    _stand(session, AlarmKind.JOB_FAILING, failing, now=now)
    _stand(session, AlarmKind.JOB_MISSED, missed, now=now)


def too_many_failures(line: Line) -> int:
    """How many failures in a row are told of: at least three, and those of a minute."""
    return max(_FEWEST_FAILURES, math.ceil(60 / line.seconds))


def is_late(line: Line, row: PeriodicJob, *, now: datetime) -> bool:
    """Whether no run ended within three periods and a minute, though the job is neither paused nor running."""
    if row.paused_at is not None or is_running(line, row, now=now):
        return False
    since = max(row.first_seen_at, row.last_ended_at or row.first_seen_at)
    return now - since > _due_after(line)


def _due_after(line: Line, at_most: timedelta = timedelta.max) -> timedelta:
    return min(_PERIODS * timedelta(seconds=line.seconds), at_most - GRACE) + GRACE


def is_running(line: Line, row: PeriodicJob, *, now: datetime) -> bool:
    """Whether a run began and did not end, and is not older than its time-out."""
    if row.last_started_at is None or (row.last_ended_at is not None and row.last_ended_at >= row.last_started_at):
        return False
    return now - row.last_started_at <= timedelta(seconds=line.timeout_seconds) + GRACE


def _last_words(row: PeriodicJob) -> str:
    return "it never ran" if row.last_ended_at is None else f"it last ended at {row.last_ended_at:%Y-%m-%d %H:%M:%S} UTC"
