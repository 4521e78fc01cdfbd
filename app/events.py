"""News for open console pages, over Redis pub/sub after the commit. Lost news costs a stale page until its next refresh, nothing more."""

from __future__ import annotations

import orjson
from sqlmodel import Session

from app import redis
from app.db import after_commit

CHANNEL = "inet:events"


def publish(session: Session, topic: str, row_id: int | None) -> None:
    """Tell `topic`'s listeners that a row changed, once the transaction stands."""
    news = orjson.dumps({"topic": topic, "id": row_id})
    after_commit(session, lambda: redis.client().publish(CHANNEL, news), key=f"publish:{topic}:{row_id}")
