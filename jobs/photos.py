"""Jobs of photos: what phones left undone."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.photos import storage, sweeping


@job
def sweep() -> None:
    """Finish what arrived whole, forget what was given up; harmless to repeat."""
    sweeping.sweep(transaction, storage.store(), clock=utc_now)
