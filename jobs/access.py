"""Jobs of the access context: what time alone does, and the routers' polls written in batches."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.access import agent, busy, gateway_keys, sweeps
from services.network import gateway_watch


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


@job
def watch_gateways() -> None:
    """Alarms of gateways; orders that no router fetched; keys that were replaced a day ago."""
    with transaction() as session:
        gateway_watch.watch(session, now=utc_now())
    with transaction() as session:
        agent.give_up_orders(session, now=utc_now())
        gateway_keys.forget_former_keys(session, now=utc_now())
