"""For who goes there: the own tickets in the order in which they are best seen to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.console.dashboards.figures import Figure, Weight, What
from services.console.dashboards.help_desk import tickets, tonight
from services.fieldwork.worklist import Errand, work_list
from services.tickets.queries import TicketFilter
from services.tickets.sight import sees_all

_SHOWN = 12


@dataclass(frozen=True)
class FieldPart:
    """The first `errands` of the day, as the app orders them for a phone whose position nobody knows."""

    figures: tuple[Figure, ...]
    errands: tuple[Errand, ...]


def is_for(actor: Principal) -> bool:
    return actor.may(Permission.TICKETS_READ) and not sees_all(actor)


def load(session: Session, *, actor: Principal, now: datetime) -> FieldPart:
    """Raises Forbidden."""
    found = work_list(session, actor=actor, position=None, now=now)
    figures = (
        tickets(session, actor, What.LATE, TicketFilter(is_undone=True, due_before=now), Weight.WRONG),
        tickets(session, actor, What.TONIGHT, TicketFilter(is_undone=True, due_before=tonight(now))),
        tickets(session, actor, What.UNDONE, TicketFilter(is_undone=True)),
    )
    return FieldPart(figures, found.errands[:_SHOWN])
