"""The very hot question "what is sold?": kept in Redis by the gateway it is asked at, gone with any change of a package."""

from __future__ import annotations

from typing import cast

from sqlmodel import Session

from app import redis
from app.db import after_commit

_KEY = "price-lists"
# A list says itself until when it is good; what nobody asks for any more goes with the whole.
_GONE_AFTER_SECONDS = 60


def keep(field: str, answer: bytes) -> None:
    with redis.client().pipeline(transaction=False) as pipe:
        pipe.hset(_KEY, field, cast("str", answer))
        pipe.expire(_KEY, _GONE_AFTER_SECONDS)
        pipe.execute()


async def ask(fields: list[str]) -> list[bytes | None]:
    """The kept answers, in the order of the questions."""
    found = await redis.async_client().hmget(_KEY, fields)
    return cast("list[bytes | None]", found)


def forget(session: Session) -> None:
    """Drop the kept lists once the change stands. A lost drop costs at most a list's few seconds of life."""
    after_commit(session, lambda: redis.client().delete(_KEY), key=_KEY)
