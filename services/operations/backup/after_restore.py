"""What must be said anew in rows that come from another time: before anybody reads them in their new place."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app import redis
from app.direct import direct_engine
from services.accounts.permissions import Principal
from services.apps import sync_epoch
from services.audit import service as audit
from services.operations.backup.checking import Facts

_LEASES = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name IN ('lease_until', 'porta_lease_until')
"""


def make_fit(url: str, facts: Facts, *, actor: Principal, now: datetime) -> None:
    """All in one transaction, in the database that is not live yet.

    Who was logged in is logged out; work that somebody was at is free again; processes of that time are gone; phones are told everything
    anew; and the audit says who brought which state back.
    """
    with direct_engine(url) as engine, Session(engine) as session, session.begin():
        session.execute(sa.text("UPDATE staff SET session_epoch = session_epoch + 1"))
        for table, column in session.execute(sa.text(_LEASES)).all():
            session.execute(sa.text(f"UPDATE {table} SET {column} = NULL WHERE {column} IS NOT NULL"))  # noqa: S608 - from the catalogue
        session.execute(sa.text("DELETE FROM running_process"))
        _settle_backups(session, facts, now=now)
        audit.record(
            session,
            actor,
            "backup.restore",
            target=("backup", facts.name),
            now=now,
            after={"snapshot_at": facts.snapshot_at, "release": facts.release, "payments": facts.content["rows"].get("payment", 0)},
        )
        sync_epoch.restart(session, actor=actor, now=now)


def _settle_backups(session: Session, facts: Facts, *, now: datetime) -> None:
    """The one that was restored was under way in its own snapshot, and has just been proven."""
    own = {"name": facts.name, "at": facts.snapshot_at, "now": now}
    session.execute(
        sa.text(
            "UPDATE backup SET state = 'verified', snapshot_at = CAST(:at AS timestamptz), ended_at = :now, verified_at = :now"
            " WHERE state = 'running' AND file_name = :name"
        ),
        own,
    )
    why = "It was under way when the database was restored."
    session.execute(
        sa.text("UPDATE backup SET state = 'failed', ended_at = :now, error = :why WHERE state = 'running'"), {"now": now, "why": why}
    )


def empty_redis() -> bool:
    """Queues, caches, sessions and polls speak of rows that are no more. False when Redis does not answer."""
    try:
        redis.client().flushdb()
    except redis.Away:
        return False
    return True
