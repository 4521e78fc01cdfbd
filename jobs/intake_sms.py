"""Jobs of inbound texts."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.tickets import sms_intake


@job
def read(inbound_id: int) -> None:
    """Read one text; harmless to repeat."""
    sms_intake.read(transaction, inbound_id, clock=utc_now)


@job
def sweep() -> None:
    """Find the texts whose ring was lost."""
    with transaction() as session:
        sms_intake.sweep(session, now=utc_now())
