"""Jobs of closing: what silence has made due."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.tickets import closure


@job
def sweep() -> None:
    """Safe to run twice, at once, and to die in the middle: each batch stands or falls as a whole."""
    closure.sweep(transaction, now=utc_now())
