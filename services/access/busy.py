"""Which gateways have something to fetch, told by Redis so that an idle router poll never touches PostgreSQL.

`VALID` says that the set is complete; without it (a flush, a fresh start) polls fall back to PostgreSQL until the sweep has rebuilt it.
A writer adds after its commit. A reader removes a slug only if its version did not change since before it looked into PostgreSQL,
so a grant written meanwhile is never hidden. A ring lost between commit and add is found by the sweep within seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from app.db import after_commit
from services.access.models import ON_OFFER, Gateway, Grant

BUSY, VERSIONS, VALID, SEEN = "fas:busy", "fas:versions", "fas:valid", "fas:seen"
_VALID_SECONDS = 60
_REMOVE_IF_UNCHANGED = """
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') == ARGV[2] then return redis.call('SREM', KEYS[1], ARGV[1]) end
return 0
"""


def mark_busy(session: Session, slug: str) -> None:
    """After the commit, let the router's next poll look into PostgreSQL."""

    def ring() -> None:
        pipeline = redis.client().pipeline(transaction=True)
        pipeline.hincrby(VERSIONS, slug, 1)
        pipeline.sadd(BUSY, slug)
        pipeline.execute()

    after_commit(session, ring, key=f"busy:{slug}")


def version(slug: str) -> bytes | None:
    """Taken before PostgreSQL is asked, and handed to `mark_idle`; None when Redis is away."""
    try:
        found = redis.client().hget(VERSIONS, slug)
    except redis.Away:
        return None
    return found if isinstance(found, bytes) else b""


def last_seen(slug: str) -> tuple[datetime, str] | None:
    """When this router last asked, and as what it named itself; None when Redis does not know."""
    try:
        found = redis.client().hget(SEEN, slug)
    except redis.Away:
        return None
    return _read_seen(found) if isinstance(found, bytes) else None


def _read_seen(value: bytes) -> tuple[datetime, str]:
    at, _, agent = value.decode("ascii", "replace").partition("|")
    return datetime.fromtimestamp(int(at), UTC), agent


def mark_idle(slug: str, seen_version: bytes) -> None:
    redis.client().eval(_REMOVE_IF_UNCHANGED, 2, BUSY, VERSIONS, slug, seen_version)


def rebuild(session: Session) -> int:
    """Add every gateway that has grants on offer and say that the set is complete. Answers how many there are."""
    slugs = session.exec(
        select(Gateway.slug).join(Grant, col(Grant.gateway_id) == Gateway.id).where(col(Grant.state).in_(ON_OFFER)).distinct()
    ).all()
    pipeline = redis.client().pipeline(transaction=True)
    if slugs:
        pipeline.sadd(BUSY, *slugs)
    pipeline.set(VALID, b"1", ex=_VALID_SECONDS)
    pipeline.execute()
    return len(slugs)


def keep_seen(session: Session) -> int:
    """Write what Redis knows of the routers' last polls to PostgreSQL, all in one statement. Answers how many."""
    held: dict[bytes, bytes] = redis.client().hgetall(SEEN)  # type: ignore[assignment]  # bytes: replies are not decoded
    rows = [(slug.decode(), *_read_seen(value)) for slug, value in held.items()]
    if not rows:
        return 0
    columns = (sa.column("slug", sa.String), sa.column("at", sa.DateTime(timezone=True)), sa.column("version", sa.String))
    values = sa.values(*columns, name="seen")
    seen = values.data([(slug, at, _version_in(agent)) for slug, at, agent in rows])
    session.execute(
        sa.update(Gateway)
        .where(col(Gateway.slug) == seen.c.slug, sa.or_(col(Gateway.last_poll_at).is_(None), col(Gateway.last_poll_at) < seen.c.at))
        .values(last_poll_at=seen.c.at, version=sa.func.coalesce(seen.c.version, Gateway.version))
    )
    return len(rows)


def _version_in(agent: str) -> str | None:
    """The openNDS version in authmon's User-Agent, which may be empty or quoted (opennds.md §4.1)."""
    found = re.search(r"NDS:([0-9A-Za-z.]{1,32});", agent)
    return found.group(1) if found else None
