"""Jobs of the SLA: warnings, breaches and escalations whose moment has come."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.tickets.sla import ticks


@job
def tick() -> None:
    """Safe to run twice, at once, and to die in the middle: each batch stands or falls as a whole."""
    ticks.run(transaction, now=utc_now())
