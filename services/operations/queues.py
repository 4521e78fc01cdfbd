"""How many jobs wait in each queue, and since when the oldest does: read from Redis, which may be away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app import redis
from app.queue import QUEUES, QueueName
from services.accounts.permissions import Permission, Principal

# How long the oldest job may wait before people are told: what each queue is for (shared/design.md, "Processes").
PATIENCE: dict[QueueName, timedelta] = {
    "urgent": timedelta(seconds=30),
    "default": timedelta(minutes=2),
    "triage": timedelta(minutes=10),
    "bulk": timedelta(minutes=30),
}


@dataclass(frozen=True)
class QueueView:
    """A queue as it stands. `oldest_seconds` is None when nothing waits."""

    name: QueueName
    waiting: int
    oldest_seconds: float | None

    @property
    def is_old(self) -> bool:
        return self.oldest_seconds is not None and self.oldest_seconds > PATIENCE[self.name].total_seconds()


def waiting(*, now: datetime, names: Sequence[QueueName] = QUEUES) -> tuple[QueueView, ...]:
    """Every queue, in the order of urgency. Raises redis.RedisError or OSError when Redis is away."""
    client = redis.client()
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(f"rq:queue:{name}")
            pipe.lindex(f"rq:queue:{name}", 0)
        answers = pipe.execute()
    depths, heads = answers[::2], answers[1::2]
    with client.pipeline(transaction=False) as pipe:
        for head in heads:
            pipe.hget(f"rq:job:{(head or b'-').decode()}", "enqueued_at")
        since = pipe.execute()
    return tuple(QueueView(name, depth, _age(head, at, now)) for name, depth, head, at in zip(names, depths, heads, since, strict=True))


def _age(head: bytes | None, enqueued_at: bytes | None, now: datetime) -> float | None:
    if head is None:
        return None
    try:
        at = datetime.fromisoformat((enqueued_at or b"").decode())
    except ValueError:
        return 0.0  # its entry is gone: the next worker that looks drops it
    return max(0.0, (now - (at if at.tzinfo else at.replace(tzinfo=UTC))).total_seconds())


def list_queues(*, actor: Principal, now: datetime) -> tuple[QueueView, ...] | None:
    """The queues for people; None when Redis does not answer. Raises Forbidden."""
    actor.require(Permission.JOBS_READ)
    try:
        return waiting(now=now)
    except redis.Away:
        return None
