"""Jobs of the accounts."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.accounts import idempotency


@job
def forget_answers() -> None:
    """Delete the answers of repeated writes that are older than they are kept, until a batch comes up short."""
    while True:
        with transaction() as session:
            if idempotency.forget_old(session, now=utc_now()) < idempotency.BATCH:
                return
