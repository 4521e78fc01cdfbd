"""Jobs about the product's own errors. Safe to run twice, at once, late, or to die midway."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.operations import error_alerts


@job
def watch() -> None:
    """End the alarm of too many errors when it is calm again."""
    with transaction() as session:
        error_alerts.watch(session, now=utc_now())
