"""For the desk that answers customers: what is late, what lies with nobody, what did not reach anybody, and what is due first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.console.dashboards.figures import Figure, Weight, What, counted
from services.listing import Slice
from services.notifications.queries import NotificationFilter, list_notifications
from services.tickets import inbound_desk
from services.tickets.intake_models import InboundState
from services.tickets.queries import COUNTED, TicketFilter, TicketRow, first_due, rows_in_order
from services.tickets.sight import sees_all

_SHOWN = 8
_ONE = Slice(limit=1)


@dataclass(frozen=True)
class HelpPart:
    """`due` are those that are due first, whoever has them."""

    figures: tuple[Figure, ...]
    due: tuple[TicketRow, ...]


def is_for(actor: Principal) -> bool:
    """Who reads tickets only to know of them has no part in what is due."""
    return actor.may(Permission.TICKETS_READ) and actor.may(Permission.TICKETS_EDIT) and sees_all(actor)


def load(session: Session, *, actor: Principal, now: datetime) -> HelpPart:
    """Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    undone = first_due(session, actor=actor, wanted=TicketFilter(is_undone=True), most=COUNTED + 1)
    figures = [
        tickets(session, actor, What.LATE, TicketFilter(is_undone=True, due_before=now), Weight.WRONG),
        tickets(session, actor, What.NOBODYS, TicketFilter(is_undone=True, is_unassigned=True), Weight.AWAITED),
        *_messages(session, actor),
        tickets(session, actor, What.MINE, TicketFilter(is_undone=True, assignee_id=actor.id)),
        tickets(session, actor, What.TONIGHT, TicketFilter(is_undone=True, due_before=tonight(now))),
        _of(What.UNDONE, undone),
    ]
    return HelpPart(tuple(figures), rows_in_order(session, undone[:_SHOWN]))


def tickets(session: Session, actor: Principal, what: What, wanted: TicketFilter, weight: Weight = Weight.PLAIN) -> Figure:
    """As many as the list of tickets counts: along the index of what is due, and no further than anybody pages."""
    return _of(what, first_due(session, actor=actor, wanted=wanted, most=COUNTED + 1), weight)


def _of(what: What, found: list[int], weight: Weight = Weight.PLAIN) -> Figure:
    return Figure(what, min(len(found), COUNTED), weight, is_least=len(found) > COUNTED)


def tonight(now: datetime) -> datetime:
    """The end of the day in Banjul, whose clock is UTC all year."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _messages(session: Session, actor: Principal) -> list[Figure]:
    if not actor.may(Permission.NOTIFICATIONS_READ):
        return []
    given_up = list_notifications(session, actor=actor, wanted=NotificationFilter(given_up=True), part=_ONE)
    held = inbound_desk.list_inbound(session, actor=actor, state=InboundState.HELD, part=_ONE)
    return [counted(What.NOT_SENT, given_up, Weight.AWAITED), counted(What.HELD, held, Weight.AWAITED)]
