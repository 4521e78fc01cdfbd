"""Who else has a ticket open right now. A courtesy, kept in Redis alone: while Redis is away, nobody is said to be there."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from app import redis
from services.accounts.permissions import Permission, Principal

# Whoever does not say so again is gone after this; pages say it well within.
LASTS_SECONDS = 20
EVERY_SECONDS = 6.0


@dataclass(frozen=True)
class Present:
    name: str
    is_writing: bool


def here(ticket_id: int, *, actor: Principal, is_writing: bool, at: float) -> tuple[Present, ...]:
    """Say that `actor` is here (`at`: seconds since the epoch), and hear who else is. Raises Forbidden; never for an absent Redis."""
    actor.require(Permission.TICKETS_READ)
    said = orjson.dumps({"name": actor.name, "writing": is_writing, "at": at})
    try:
        with redis.client().pipeline(transaction=False) as pipe:
            pipe.hset(_key(ticket_id), str(actor.id), said)
            pipe.expire(_key(ticket_id), LASTS_SECONDS)
            pipe.hgetall(_key(ticket_id))
            found = pipe.execute()[-1]
    except redis.Away:
        return ()
    return _others(found, but=actor.id, at=at)


def gone(ticket_id: int, *, actor: Principal) -> None:
    """The page was left."""
    try:
        redis.client().hdel(_key(ticket_id), str(actor.id))
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


def _key(ticket_id: int) -> str:
    return f"inet:ticket-here:{ticket_id}"
