"""Jobs of the access context: what time alone does, and the routers' polls written in batches."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.access import busy, sweeps


@job
def sweep_grants() -> None:
    """Give up unanswered offers, and make sure that Redis knows every router with something to fetch."""
    with transaction() as session:
        sweeps.give_up_offers(session, now=utc_now())
    with transaction() as session:
        busy.rebuild(session)


@job
def sweep_sessions() -> None:
    with transaction() as session:
        sweeps.end_overdue(session, now=utc_now())
    with transaction() as session:
        sweeps.expire_entitlements(session, now=utc_now())


@job
def keep_polls() -> None:
    with transaction() as session:
        busy.keep_seen(session)
