"""Jobs of voucher batches."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.integrations.clients import outside
from services.vouchers.batches import making, registering, tails


@job
def work(batch_id: int, after: int = 0) -> None:
    """Whatever the batch waits for: to be made, to be taken away, or the next of its vouchers to be registered in PortaBilling."""
    making.make(transaction, batch_id, clock=utc_now)
    making.take_away(transaction, batch_id, clock=utc_now)
    registering.register(transaction, batch_id, outside(), clock=utc_now, after=after)


@job
def sweep() -> None:
    """Find the batches of which something is due."""
    with transaction() as session:
        making.ring_due(session, now=utc_now())


@job
def fill_tails() -> None:
    """Vouchers that were made before they could be found by the end of their code."""
    tails.fill(transaction)
