"""Jobs of the vouchers context."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.integrations.clients import outside
from services.vouchers import service, settlement, stock, stock_watch


@job
def settle_voucher(voucher_id: int) -> None:
    settlement.settle_voucher(transaction, voucher_id, outside(), clock=utc_now)


@job
def sweep() -> None:
    """Find the vouchers that PortaBilling is owed something for."""
    with transaction() as session:
        settlement.ring_due(session, now=utc_now())


@job
def keep_stock() -> None:
    """Fill up what is held of each package, and warn of what stays low."""
    with transaction() as session:
        stock.top_up(session, now=utc_now())
        stock_watch.watch(session, now=utc_now())


@job
def expire() -> None:
    with transaction() as session:
        service.expire_vouchers(session, now=utc_now())
