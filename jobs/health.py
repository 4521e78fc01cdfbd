"""The job that looks at every part of the product. Safe to run twice, at once, late, or to die midway."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs.base import job
from services.integrations.clients import outside
from services.operations.health import rounds


@job
def probe_parts() -> None:
    """One round, unless this minute had one already."""
    rounds.run_round(transaction, get_settings(), outside(), clock=utc_now)
