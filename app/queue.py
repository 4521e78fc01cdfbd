"""The doorbell: after the commit, ask a worker to look at a row at once. Jobs are named by text, so services know no RQ and no jobs."""

from __future__ import annotations

from typing import Literal

from rq import Queue
from sqlmodel import Session

from app import correlation, redis
from app.db import after_commit

QueueName = Literal["urgent", "default", "triage", "bulk"]
QUEUES: tuple[QueueName, ...] = ("urgent", "default", "triage", "bulk")
_FAILURE_TTL_SECONDS = 7 * 24 * 3600


def ring(session: Session, job: str, *args: int | str, queue: QueueName = "default") -> None:
    """Enqueue `job` (dotted name under `jobs`) once `session`'s transaction stands. Lost rings are found by the sweeps."""
    sent = correlation.current()
    after_commit(session, lambda: enqueue(job, *args, queue=queue, correlation_id=sent))


def enqueue(job: str, *args: int | str, queue: QueueName = "default", correlation_id: str = "") -> None:
    """Enqueue at once. Raises redis.RedisError when Redis is away."""
    Queue(queue, connection=redis.client()).enqueue(
        job,
        args=args,
        job_timeout=120,
        result_ttl=0,
        failure_ttl=_FAILURE_TTL_SECONDS,
        meta={"correlation_id": correlation_id or correlation.current()},
    )
