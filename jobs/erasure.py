"""Jobs of accounts that were deleted."""

from __future__ import annotations

from app.db import transaction
from jobs.base import job
from services.tickets import forgetting


@job
def forget_files() -> None:
    forgetting.sweep(transaction)
