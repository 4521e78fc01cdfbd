"""The schedule for people: how each periodic job fares, pausing and resuming it, and running it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import redis as redis_library
import sqlalchemy as sa
from sqlmodel import Session

from app.errors import Conflict, InvalidInput, NotFound, Unavailable
from app.events import publish
from app.queue import QueueName, enqueue
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.operations import periodic, watch
from services.operations.models import PeriodicJob, RunOutcome
from services.operations.periodic import Line
from services.operations.runs import TOPIC, HourOfJob, trends

RUN_JOB = "jobs.by_hand.run"
REASON_LENGTH = 300
_FEWEST_LETTERS = 3
_TREND_HOURS = 48


class JobUnknown(NotFound):
    code, title = "job_unknown", "No such job"
    message = "There is no periodic job of that name in the schedule."


class JobPaused(Conflict):
    code, title = "job_paused", "It is paused already"
    message = "Somebody paused this job before you."


class JobNotPaused(Conflict):
    code, title = "job_not_paused", "It is not paused"
    message = "This job is not paused."


class JobRuns(Conflict):
    code, title = "job_runs", "It is running"
    message = "A run of this job is under way. Wait until it has ended."


class QueueAway(Unavailable):
    code, title = "queue_away", "The queue does not answer"
    message = "Redis does not answer, so nothing can be rung for. Nothing was changed; try again in a minute."


@dataclass(frozen=True)
class PeriodicView:
    """A line of the schedule with how it fares. `hours` are those of the last two days in which it ran."""

    line: Line
    row: PeriodicJob
    is_late: bool
    is_running: bool
    is_failing: bool
    next_at: datetime | None
    hours: tuple[HourOfJob, ...] = ()

    @property
    def is_paused(self) -> bool:
        return self.row.paused_at is not None


def list_periodic(session: Session, *, actor: Principal, now: datetime, hours: int = _TREND_HOURS) -> tuple[PeriodicView, ...]:
    """The whole schedule, what needs a look first, then in its own order. Raises Forbidden."""
    actor.require(Permission.JOBS_READ)
    rows = {row.id: row for row in session.execute(sa.select(PeriodicJob)).scalars()}
    lines = periodic.declared()
    past = trends(session, sorted({line.job for line in lines.values()}), hours=hours, now=now)
    views = [_view(line, rows.get(line.id), past.get(line.job, ()), now=now) for line in lines.values()]
    return tuple(sorted(views, key=lambda view: not (view.is_late or view.is_failing)))


def one_periodic(session: Session, *, actor: Principal, job_id: str, now: datetime) -> PeriodicView:
    """One line. Raises Forbidden or JobUnknown."""
    actor.require(Permission.JOBS_READ)
    line = _line(job_id)
    past = trends(session, [line.job], hours=_TREND_HOURS, now=now)
    return _view(line, session.get(PeriodicJob, job_id, populate_existing=True), past.get(line.job, ()), now=now)


def _line(job_id: str) -> Line:
    line = periodic.declared().get(job_id)
    if line is None:
        raise JobUnknown
    return line


def _view(line: Line, row: PeriodicJob | None, hours: tuple[HourOfJob, ...], *, now: datetime) -> PeriodicView:
    row = row or PeriodicJob(id=line.id, first_seen_at=now)
    return PeriodicView(
        line=line,
        row=row,
        is_late=watch.is_late(line, row, now=now),
        is_running=watch.is_running(line, row, now=now),
        is_failing=row.last_outcome is RunOutcome.FAILED,
        next_at=None if row.paused_at is not None else next_at(line, row, now=now),
        hours=hours,
    )


def next_at(line: Line, row: PeriodicJob, *, now: datetime) -> datetime:
    """When the next run is due: as soon as a slot begins that had none."""
    slot = int(now.timestamp()) // line.seconds
    begins = datetime.fromtimestamp((slot + (row.run_slot >= slot)) * line.seconds, now.tzinfo)
    return max(begins, now)


def pause(session: Session, *, actor: Principal, job_id: str, reason: str, now: datetime) -> PeriodicView:
    """Let no further run begin; one under way goes on. Raises Forbidden, JobUnknown, JobPaused, or InvalidInput at `reason`."""
    actor.require(Permission.JOBS_EDIT)
    _line(job_id)
    said = reason.strip()
    if not _FEWEST_LETTERS <= len(said) <= REASON_LENGTH:
        raise InvalidInput("Say in a few words why it is paused.", field="reason")
    row = _locked(session, job_id, now=now)
    if row.paused_at is not None:
        raise JobPaused
    row.paused_at, row.paused_by, row.pause_reason = now, actor.label[:120], said
    session.flush()
    audit.record(session, actor, "job.pause", target=("job", job_id), now=now, after={"reason": said})
    publish(session, TOPIC, None)
    return one_periodic(session, actor=actor, job_id=job_id, now=now)


def resume(session: Session, *, actor: Principal, job_id: str, now: datetime) -> PeriodicView:
    """Let it run again, from its next slot on. Raises Forbidden, JobUnknown or JobNotPaused."""
    actor.require(Permission.JOBS_EDIT)
    _line(job_id)
    row = _locked(session, job_id, now=now)
    if row.paused_at is None:
        raise JobNotPaused
    before = {"reason": row.pause_reason}
    row.paused_at, row.paused_by, row.pause_reason = None, "", ""
    # It is expected from now on, as if it were new: nobody missed a run while it was paused.
    row.first_seen_at = now
    session.flush()
    audit.record(session, actor, "job.resume", target=("job", job_id), now=now, before=before)
    publish(session, TOPIC, None)
    return one_periodic(session, actor=actor, job_id=job_id, now=now)


def run_now(session: Session, *, actor: Principal, job_id: str, now: datetime) -> PeriodicView:
    """Have a worker run it at once, also when it is paused. Raises Forbidden, JobUnknown, JobRuns or QueueAway."""
    actor.require(Permission.JOBS_EDIT)
    line = _line(job_id)
    if watch.is_running(line, _locked(session, job_id, now=now), now=now):
        raise JobRuns
    audit.record(session, actor, "job.run", target=("job", job_id), now=now)
    publish(session, TOPIC, None)
    # Before the commit, so that a ring that is lost is said: no sweep looks for what a person asked for.
    ring_now(RUN_JOB, job_id, queue=line.queue, timeout_seconds=line.timeout_seconds)
    return one_periodic(session, actor=actor, job_id=job_id, now=now)


def ring_now(job: str, *args: int | str, queue: QueueName, timeout_seconds: int) -> None:
    """Enqueue at once. Raises QueueAway."""
    try:
        enqueue(job, *args, queue=queue, timeout_seconds=timeout_seconds)
    except (redis_library.RedisError, OSError) as error:
        raise QueueAway from error


def _locked(session: Session, job_id: str, *, now: datetime) -> PeriodicJob:
    periodic.keep_rows(session, now=now)
    return session.get_one(PeriodicJob, job_id, with_for_update=True, populate_existing=True)
