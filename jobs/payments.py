"""Jobs of the payments context. Each is safe to run twice, at once, late, or to die midway."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.integrations.clients import outside
from services.payments import process, refunds, strays


@job
def advance_payment(payment_id: int) -> None:
    process.advance(transaction, payment_id, outside(), clock=utc_now)


@job
def look_for_strays(payment_id: int) -> None:
    strays.look_for_strays(transaction, payment_id, outside(), clock=utc_now)


@job
def send_refund(refund_id: int) -> None:
    refunds.send_refund(transaction, refund_id, outside(), clock=utc_now)


@job
def sweep() -> None:
    """Find every payment, refund and second session that is due."""
    with transaction() as session:
        process.ring_due(session, now=utc_now())
    with transaction() as session:
        refunds.ring_due(session, now=utc_now())
    with transaction() as session:
        strays.ring_due(session, now=utc_now())
