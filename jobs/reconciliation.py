"""Jobs of the reconciliation. Each is safe to run twice, at once, late, or to die midway."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.integrations.clients import outside
from services.payments.reconciliation import fixes, foreign, runs


@job
def run(run_id: int) -> None:
    runs.run(transaction, run_id, outside(), clock=utc_now)


@job
def carry_out(finding_id: int) -> None:
    """The calls to outside services of an accepted finding."""
    fixes.carry_out(transaction, finding_id, outside(), clock=utc_now)


@job
def sweep() -> None:
    """Order the night's run, find the runs that are due, and earn what was given for foreign money and is used."""
    now = utc_now()
    with transaction() as session:
        runs.start_nightly(session, now=now)
    with transaction() as session:
        runs.ring_due(session, now=now)
    with transaction() as session:
        foreign.earn(session, now=now)
