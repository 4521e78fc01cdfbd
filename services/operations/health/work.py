"""Probes of the product's own work: processes that beat, queues that move, back-ups that were proven."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from app import redis
from app.queue import QUEUES
from services.operations.backup_models import Backup, BackupState
from services.operations.health.reading import Ground, Reading, degraded, down, first_line, off, well
from services.operations.models import ProcessKind, RunningProcess
from services.operations.processes import SILENT_AFTER
from services.operations.queues import PATIENCE, QueueView, waiting

# A queue that is this many times later than it may be is not slow but standing.
_FAR_TOO_OLD = 10
_OLD_BACKUP_PERIODS, _FAR_TOO_OLD_BACKUP_PERIODS = 2, 7
_NEEDED_QUEUES = frozenset({"urgent", "default"})


@dataclass(frozen=True)
class Process:
    """A process that beat lately and was not stopped."""

    kind: ProcessKind
    serves: str


def alive(connection: sa.Connection) -> list[Process]:
    """Those that beat lately, by PostgreSQL's clock, which they beat by: one machine's clock that is off kills nobody."""
    query = sa.select(col(RunningProcess.kind), col(RunningProcess.serves)).where(
        col(RunningProcess.stopped_at).is_(None), col(RunningProcess.beat_at) > sa.func.clock_timestamp() - SILENT_AFTER
    )
    return [Process(*row) for row in connection.execute(query)]


def workers(ground: Ground) -> Reading:
    """Every queue has somebody who empties it."""
    try:
        with ground.connected() as connection:
            return judge_workers(alive(connection))
    except sa.exc.SQLAlchemyError as error:
        return down(f"not known: {first_line(error)}", "See PostgreSQL.")


def judge_workers(processes: Iterable[Process]) -> Reading:
    served = [set(re.findall(r"\w+", process.serves)) for process in processes if process.kind is ProcessKind.WORKER]
    numbers = {queue: sum(not queues or queue in queues for queues in served) for queue in QUEUES}
    idle = [queue for queue, number in numbers.items() if not number]
    if not served:
        return down("none runs", "Start `inet worker`; see its log for why it ended.")
    if _NEEDED_QUEUES & set(idle):
        return down(f"nobody empties {_listed(idle)}", f"Start `inet worker {' '.join(idle)}`.")
    if idle:
        return degraded(f"nobody empties {_listed(idle)}", f"Start `inet worker {' '.join(idle)}`.")
    return well(f"{len(served)} {'runs' if len(served) == 1 else 'run'}: " + ", ".join(f"{queue} {n}" for queue, n in numbers.items()))


def scheduler(ground: Ground) -> Reading:
    """One beats, who rings for what is due."""
    try:
        with ground.connected() as connection:
            return judge_scheduler(alive(connection))
    except sa.exc.SQLAlchemyError as error:
        return down(f"not known: {first_line(error)}", "See PostgreSQL.")


def judge_scheduler(processes: Iterable[Process]) -> Reading:
    number = sum(process.kind is ProcessKind.SCHEDULER for process in processes)
    if not number:
        return down("none runs", "Start `inet scheduler`; see its log for why it ended.")
    return well("one runs" if number == 1 else f"{number} run, one of them acts")


def queues(ground: Ground) -> Reading:
    """How many jobs wait, and the oldest of them for how long."""
    try:
        return judge_queues(waiting(now=ground.now))
    except redis.Away:
        return degraded("not known: Redis does not answer", "See Redis. Nothing is lost: what is due stands in PostgreSQL.")


def judge_queues(views: Sequence[QueueView]) -> Reading:
    said = ", ".join(
        f"{view.name} {view.waiting}" + (f" (oldest {view.oldest_seconds:.0f} s)" if view.oldest_seconds else "") for view in views
    )
    old = [view for view in views if view.is_old]
    if not old:
        return well(said)
    advice = f"Start more workers for {_listed([view.name for view in old])}; see on the jobs page what takes long."
    stands = any((view.oldest_seconds or 0) > _FAR_TOO_OLD * PATIENCE[view.name].total_seconds() for view in old)
    return down(said, advice) if stands else degraded(said, advice)


def backups(ground: Ground) -> Reading:
    """The newest one that was proven by restoring it."""
    hours = ground.settings.backup_hours
    try:
        with ground.connected() as connection:
            proven = connection.execute(
                sa.select(sa.func.max(col(Backup.snapshot_at))).where(
                    col(Backup.state) == BackupState.VERIFIED, col(Backup.removed_at).is_(None)
                )
            ).scalar_one()
    except sa.exc.SQLAlchemyError as error:
        return down(f"not known: {first_line(error)}", "See PostgreSQL.")
    return judge_backups(proven, hours=hours, is_production=ground.settings.env == "production", now=ground.now)


def judge_backups(proven_at: datetime | None, *, hours: int, is_production: bool, now: datetime) -> Reading:
    advice = "Run `inet backup`, and see on the back-ups page why it did not happen by itself."
    if not hours:
        return off("none is made by itself (INET_BACKUP_HOURS)")
    if proven_at is None:
        return degraded("none was ever proven by restoring it", advice) if is_production else off("none was made yet")
    age = now - proven_at
    said = f"the newest proven one is {age.total_seconds() / 3600:.0f} hours old"
    if age > timedelta(hours=hours) * _FAR_TOO_OLD_BACKUP_PERIODS:
        return down(said, advice)
    if age > timedelta(hours=hours) * _OLD_BACKUP_PERIODS:
        return degraded(said, advice)
    return well(said)


def _listed(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
