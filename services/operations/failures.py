"""Failed runs for people: what was said, and running the job again with the same arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import Conflict, NotFound
from app.events import publish
from app.queue import QUEUES, QueueName
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import Listing, Slice, count, fetch, pick
from services.operations import periodic
from services.operations.models import JobFailure
from services.operations.periodic_desk import RUN_JOB, ring_now
from services.operations.runs import TOPIC

_TIMEOUT_SECONDS = 120
_SORTS: dict[str, Sequence[Any]] = {"failed_at": (col(JobFailure.failed_at), col(JobFailure.id))}


class FailureUnknown(NotFound):
    code, title = "job_failure_unknown", "No such failure"
    message = "There is no failed run under that number; old ones are cleared away."


class FailureRetried(Conflict):
    code, title = "job_failure_retried", "It was run again already"
    message = "Somebody had this job run again before you. If it failed once more, that is a failure of its own."


@dataclass(frozen=True)
class FailureFilter:
    """`job` is a dotted name."""

    job: str | None = None


def list_failures(session: Session, *, actor: Principal, wanted: FailureFilter, part: Slice) -> Listing[JobFailure]:
    """Newest first. Raises Forbidden."""
    actor.require(Permission.JOBS_READ)
    query = pick(JobFailure)
    counted = pick(col(JobFailure.id))
    if wanted.job:
        query, counted = (one.where(col(JobFailure.job) == wanted.job) for one in (query, counted))
    rows = fetch(session, query, part, sorts=_SORTS, default_sort="failed_at")
    total, is_estimate = count(session, counted, whole_table=None if wanted.job else "job_failure", part=part)
    return Listing(tuple(row[0] for row in rows), total, is_estimate)


def failing_jobs(session: Session, *, actor: Principal) -> tuple[str, ...]:
    """The dotted names of all jobs of which a failure is kept. Raises Forbidden."""
    actor.require(Permission.JOBS_READ)
    return tuple(session.execute(sa.select(col(JobFailure.job)).distinct().order_by(col(JobFailure.job))).scalars())


def one_failure(session: Session, *, actor: Principal, failure_id: int) -> JobFailure:
    """Raises Forbidden or FailureUnknown."""
    actor.require(Permission.JOBS_READ)
    found = session.get(JobFailure, failure_id)
    if found is None:
        raise FailureUnknown
    return found


def retry(session: Session, *, actor: Principal, failure_id: int, now: datetime) -> JobFailure:
    """Ring for the job again with the same arguments; every job is safe to run twice.

    Raises Forbidden, FailureUnknown, FailureRetried or QueueAway.
    """
    actor.require(Permission.JOBS_EDIT)
    failure = session.get(JobFailure, failure_id, with_for_update=True, populate_existing=True)
    if failure is None:
        raise FailureUnknown
    if failure.retried_at is not None:
        raise FailureRetried
    failure.retried_at, failure.retried_by = now, actor.label[:120]
    session.flush()
    audit.record(session, actor, "job.retry", target=("job", failure.job), now=now, after={"failure": failure.id})
    publish(session, TOPIC, None)
    _ring(failure)
    return failure


def _ring(failure: JobFailure) -> None:
    line = next((line for line in periodic.declared().values() if line.job == failure.job and not failure.arguments), None)
    if line is not None:
        # A run of the schedule is repeated as one: never beside another, and noted as its last.
        ring_now(RUN_JOB, line.id, queue=line.queue, timeout_seconds=line.timeout_seconds)
        return
    queue: QueueName = next((name for name in QUEUES if name == failure.queue), "default")
    ring_now(failure.job, *failure.arguments, queue=queue, timeout_seconds=_TIMEOUT_SECONDS)
