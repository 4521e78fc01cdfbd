"""Jobs of retention."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.operations.retention import removing, standing


@job
def clean_up() -> None:
    """Take away what is past its period, for two minutes at most; what is left is taken the next time."""
    removing.clean_up(transaction, clock=utc_now)
    with transaction() as session:
        standing.note_missing_files(session, now=utc_now())
