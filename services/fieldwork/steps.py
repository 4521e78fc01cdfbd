"""What every step of a technician's work has in common: it stands in the ticket's history, with when and where the phone says it was.

Deadlines go by when it reached us: a phone's clock is no witness. When it happened is kept beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.clock import isoformat
from services.accounts.permissions import Permission, Principal
from services.tickets import changes, locks
from services.tickets.errors import TicketAlreadyClosed
from services.tickets.models import Ticket, TicketEvent


@dataclass(frozen=True)
class Place:
    """Where a phone says that it was; `accuracy` in metres."""

    latitude: float
    longitude: float
    accuracy: float | None = None

    def as_json(self) -> dict[str, float | None]:
        return {"latitude": self.latitude, "longitude": self.longitude, "accuracy": self.accuracy}


@dataclass(frozen=True)
class Worker:
    """Who works in the field, when it happened by their phone (set right), and when it reached us."""

    actor: Principal
    happened: datetime
    now: datetime


def ticket_to_work_on(session: Session, worker: Worker, ticket_id: int) -> Ticket:
    """The ticket, locked. Raises Forbidden, TicketNotFound or TicketMerged."""
    worker.actor.require(Permission.TICKETS_EDIT)
    named = session.get(Ticket, ticket_id)
    return locks.one(session, actor=worker.actor, reference=named.reference if named is not None else "")


def require_open(ticket: Ticket) -> None:
    """Raises TicketAlreadyClosed."""
    if not ticket.is_open:
        raise TicketAlreadyClosed


def note_step(session: Session, ticket: Ticket, kind: str, data: Mapping[str, Any], *, worker: Worker) -> TicketEvent:
    """Write it into the history."""
    said = {**data, "happened_at": isoformat(worker.happened)}
    return changes.record(session, ticket, kind, said, who=changes.by(worker.actor), now=worker.now)
