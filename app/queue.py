"""The doorbell: after the commit, ask a worker to look at a row at once. Jobs are named by text, so services know no RQ and no jobs.

A ring that still waits is not rung again: whoever takes it looks after this ring's commit. So what waits is at most one ring for each row,
however long the workers are behind and however often sweeps and impatient customers ring meanwhile; else a queue that was ever long would
grow by itself.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Literal

from rq import Queue
from sqlmodel import Session

from app import correlation, redis, tracing
from app.db import after_commit

QueueName = Literal["urgent", "default", "triage", "bulk"]
QUEUES: tuple[QueueName, ...] = ("urgent", "default", "triage", "bulk")
_TIMEOUT_SECONDS = 120
_FAILURE_TTL_SECONDS = 7 * 24 * 3600
# Only so that the keys of what was rung once do not stay for ever.
_BELL_SECONDS = 3600
# Is the job of the last such ring still in the list? A worker takes it out before it begins. Between this and the enqueuing another may
# ring: one look too many, and none too few.
_UNLESS_IT_WAITS = """
local last = redis.call('GET', KEYS[1])
if last and redis.call('LPOS', KEYS[2], last) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


def ring(session: Session, job: str, *args: int | str, queue: QueueName = "default", timeout_seconds: int = _TIMEOUT_SECONDS) -> None:
    """Enqueue `job` (dotted name under `jobs`) once `session`'s transaction stands. Lost rings are found by the sweeps."""
    sent = correlation.current()
    after_commit(session, lambda: enqueue(job, *args, queue=queue, correlation_id=sent, timeout_seconds=timeout_seconds))


def enqueue(
    job: str,
    *args: int | str,
    queue: QueueName = "default",
    correlation_id: str = "",
    timeout_seconds: int = _TIMEOUT_SECONDS,
) -> None:
    """Enqueue at once, unless the same still waits; a worker ends it after `timeout_seconds`.

    Raises redis.RedisError when Redis is away.
    """
    client = redis.client()
    waiting, rung = Queue(queue, connection=client), str(uuid.uuid4())
    bell = "bell:" + hashlib.sha256(repr((queue, job, args)).encode()).hexdigest()
    if not client.eval(_UNLESS_IT_WAITS, 2, bell, waiting.key, rung, _BELL_SECONDS):
        return
    waiting.enqueue(
        job,
        args=args,
        job_id=rung,
        job_timeout=timeout_seconds,
        result_ttl=0,
        failure_ttl=_FAILURE_TTL_SECONDS,
        meta={"correlation_id": correlation_id or correlation.current(), **tracing.carried()},
    )
