"""Who is on the phone: what staff see of a caller before they write a new ticket, so that nobody is asked the same twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from services.accounts.customers import find_customer
from services.accounts.permissions import Permission, Principal
from services.listing import Slice
from services.payments.queries import PaymentFilter, PaymentRow, list_payments
from services.tickets import people
from services.tickets.models import IS_UNDONE, Ticket
from services.tickets.sight import in_sight

_TICKETS, _PAYMENTS = 5, 3


@dataclass(frozen=True)
class OpenTicket:
    """One that waits already."""

    reference: str
    headline: str
    created_at: datetime


@dataclass(frozen=True)
class Caller:
    """A customer by their number; the tickets that are not done, newest first, and the last payments, if the reader may see any."""

    name: str | None
    masked_phone: str
    tickets: tuple[OpenTicket, ...]
    payments: Sequence[PaymentRow]


def caller(session: Session, *, actor: Principal, phone: str) -> Caller | None:
    """None for a number that is not known yet. Raises Forbidden or BadPhone."""
    actor.require(Permission.TICKETS_EDIT)
    customer = find_customer(session, phone=phone)
    if customer is None:
        return None
    waiting = select(Ticket).where(Ticket.customer_id == customer.id, IS_UNDONE, *in_sight(actor)).order_by(col(Ticket.id).desc())
    tickets = session.exec(waiting.limit(_TICKETS)).all()
    may_see = actor.may(Permission.PAYMENTS_READ)
    wanted = PaymentFilter(customer_id=customer.id)
    paid = list_payments(session, actor=actor, wanted=wanted, part=Slice(limit=_PAYMENTS)).rows if may_see else ()
    shown = tuple(OpenTicket(ticket.reference, people.headline(ticket), ticket.created_at) for ticket in tickets)
    return Caller(customer.name, customer.masked_phone, shown, paid)
