"""Jobs of the money desk: what time alone earns."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.payments.clearing.lapse import lapse

_BATCH, _MOST_BATCHES = 500, 40


@job
def lapse_unused() -> None:
    """Safe to run twice, at once, and to die in the middle: each batch stands or falls as a whole, and what is left comes the next time."""
    for _ in range(_MOST_BATCHES):
        with transaction() as session:
            if lapse(session, now=utc_now(), batch=_BATCH) < _BATCH:
                return
