"""Jobs of the notifications context."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.integrations.clients import outside
from services.notifications import outbox, pushes, reports


@job
def send(message_id: int) -> None:
    outbox.send(transaction, message_id, outside(), clock=utc_now)


@job
def send_pushes() -> None:
    pushes.send_due(transaction, outside(), clock=utc_now)


@job
def sweep() -> None:
    with transaction() as session:
        outbox.ring_due(session, now=utc_now())
    with transaction() as session:
        reports.match_waiting(session, now=utc_now())
