"""Which gateways have something to fetch, told by Redis so that an idle router poll never touches PostgreSQL.

`VALID` says that the set is complete; without it (a flush, a fresh start) polls fall back to PostgreSQL until the sweep has rebuilt it.
A writer adds after its commit. A reader removes a slug only if its version did not change since before it looked into PostgreSQL,
so a grant written meanwhile is never hidden. A ring lost between commit and add is found by the sweep within seconds.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from app.db import after_commit
from services.access.models import ON_OFFER, Gateway, Grant

BUSY, VERSIONS, VALID, SEEN = "fas:busy", "fas:versions", "fas:valid", "fas:seen"
# Any text; another one than before says that a gateway was added, changed or removed. Web processes then read the list anew.
EDITION = "fas:edition"
# How often each slug asked for its grants, a hash for each minute: two routers under one slug show as twice the polls.
POLLS = "fas:polls:"
POLLS_KEPT_SECONDS = 900
# When each router first sent a customer: only for whoever sets it up and waits for that.
REDIRECTED = "fas:redirected"
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


def gateways_changed(session: Session) -> None:
    """After the commit, let every web process read the list of gateways anew. A lost word is made good by `rebuild`."""
    after_commit(session, lambda: redis.client().set(EDITION, secrets.token_hex(8)), key=EDITION)


def polls_in_minute(minute: int) -> dict[str, int]:
    """How often each slug asked for its grants in that minute (Unix time // 60), kept for a quarter of an hour. Raises redis.RedisError."""
    held: dict[bytes, bytes] = redis.client().hgetall(f"{POLLS}{minute}")  # type: ignore[assignment]  # bytes: replies are not decoded
    return {slug.decode(): int(polls) for slug, polls in held.items()}


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


def polls_last_minute(slug: str, *, now: datetime) -> int | None:
    """How often this router asked in the minute before this one; None when Redis does not know."""
    try:
        found = redis.client().hget(f"{POLLS}{int(now.timestamp()) // 60 - 1}", slug)
    except redis.Away:
        return None
    return int(found) if found is not None else None


def first_redirect(slug: str) -> datetime | None:
    """When a customer was first seen to be sent by this router, as long as Redis remembers; None when it does not."""
    try:
        found = redis.client().hget(REDIRECTED, slug)
    except redis.Away:
        return None
    return datetime.fromtimestamp(int(found), UTC) if found is not None else None


def all_last_seen() -> dict[str, datetime]:
    """When each router last asked, as far as Redis knows. Raises redis.RedisError."""
    held: dict[bytes, bytes] = redis.client().hgetall(SEEN)  # type: ignore[assignment]  # bytes: replies are not decoded
    return {slug.decode(): _read_seen(value)[0] for slug, value in held.items()}


def mark_idle(slug: str, seen_version: bytes) -> None:
    redis.client().eval(_REMOVE_IF_UNCHANGED, 2, BUSY, VERSIONS, slug, seen_version)


def rebuild(session: Session) -> int:
    """Add every gateway that has grants on offer and say that the set is complete. Answers how many there are.

    The list of gateways gets the edition that belongs to what it says: whose word of a change was lost is heard now.
    """
    edition = _edition_of(session)
    slugs = session.exec(
        select(Gateway.slug).join(Grant, col(Grant.gateway_id) == Gateway.id).where(col(Grant.state).in_(ON_OFFER)).distinct()
    ).all()
    pipeline = redis.client().pipeline(transaction=True)
    if slugs:
        pipeline.sadd(BUSY, *slugs)
    pipeline.set(VALID, b"1", ex=_VALID_SECONDS)
    pipeline.set(EDITION, edition)
    pipeline.execute()
    return len(slugs)


def _edition_of(session: Session) -> str:
    who = (Gateway.id, Gateway.slug, Gateway.gateway_name, Gateway.gateway_hash, Gateway.level)
    # One that is missing must not look like the next one in its place.
    told = sa.func.concat_ws("|", *who, Gateway.faskey_sealed, sa.func.coalesce(Gateway.faskey_next_sealed, "-"), Gateway.mac)
    digests = sa.select(sa.func.count(), sa.func.sum(sa.func.hashtextextended(told, 0))).select_from(Gateway)
    number, digest = session.execute(digests).one()
    return f"{number}:{digest}"


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
