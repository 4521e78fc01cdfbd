"""Who else has the same thing open right now. A courtesy, kept in Redis alone: while Redis is away, nobody is said to be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson

from app import redis
from services.accounts.permissions import Permission, Principal

# Whoever does not say so again is gone after this; pages say it well within.
LASTS_SECONDS = 20
EVERY_SECONDS = 6.0
Subject = Literal["ticket", "payment", "refund", "finding"]


@dataclass(frozen=True)
class Present:
    name: str
    is_writing: bool = False


def here(subject: Subject, subject_id: int, *, actor: Principal, is_writing: bool = False, at: float) -> tuple[Present, ...]:
    """Say that `actor` is here (`at`: seconds since the epoch), and hear who else is.

    The page has asked for the right to see the subject. Raises Forbidden; never for an absent Redis.
    """
    actor.require(Permission.SELF_EDIT)
    said = orjson.dumps({"name": actor.name, "writing": is_writing, "at": at})
    key = _key(subject, subject_id)
    try:
        with redis.client().pipeline(transaction=False) as pipe:
            pipe.hset(key, str(actor.id), said)
            pipe.expire(key, LASTS_SECONDS)
            pipe.hgetall(key)
            found = pipe.execute()[-1]
    except redis.Away:
        return ()
    return _others(found, but=actor.id, at=at)


def gone(subject: Subject, subject_id: int, *, actor: Principal) -> None:
    """The page was left."""
    try:
        redis.client().hdel(_key(subject, subject_id), str(actor.id))
    except redis.Away:
        return


def _others(found: dict[bytes, bytes], *, but: int, at: float) -> tuple[Present, ...]:
    said = [orjson.loads(value) for key, value in found.items() if key != str(but).encode()]
    return tuple(
        sorted(
            (Present(str(one["name"]), bool(one["writing"])) for one in said if at - float(one["at"]) <= LASTS_SECONDS),
            key=lambda one: (not one.is_writing, one.name),
        )
    )


def _key(subject: Subject, subject_id: int) -> str:
    return f"inet:here:{subject}:{subject_id}"
