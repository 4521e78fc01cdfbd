"""Long reads of problem reports for the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import NotFound
from services.access.models import Gateway
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.payments.models import Payment
from services.tickets.models import Ticket, TicketState


class TicketNotFound(NotFound):
    code, title = "ticket_not_found", "No such report"
    message = "There is no problem report with that reference."


@dataclass(frozen=True)
class TicketFilter:
    """`search` is a report's reference or a phone number."""

    state: TicketState | None = None
    search: str = ""
    customer_id: int | None = None


@dataclass(frozen=True)
class TicketRow:
    ticket: Ticket
    customer: Customer | None
    gateway_name: str | None
    gateway_slug: str | None
    payment_reference: str | None


_SORTS: dict[str, Sequence[Any]] = {"created": (col(Ticket.created_at), col(Ticket.id))}


def _rows_query() -> sa.Select[Any]:
    return (
        pick(Ticket, Customer, Gateway.name, Gateway.slug, Payment.reference)
        .select_from(Ticket)
        .outerjoin(Customer, col(Customer.id) == Ticket.customer_id)
        .outerjoin(Gateway, col(Gateway.id) == Ticket.gateway_id)
        .outerjoin(Payment, col(Payment.id) == Ticket.payment_id)
    )


def list_tickets(session: Session, *, actor: Principal, wanted: TicketFilter, part: Slice) -> Listing[TicketRow]:
    """One page of problem reports. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state:
        conditions.append(col(Ticket.state) == wanted.state)
    if wanted.customer_id is not None:
        conditions.append(col(Ticket.customer_id) == wanted.customer_id)
    if wanted.search.strip():
        conditions.append(_found_by(session, wanted.search.strip()))
    found = fetch(session, _rows_query().where(*conditions), part, sorts=_SORTS, default_sort="created")
    total, is_estimate = count(session, pick(Ticket.id).where(*conditions), whole_table=None if conditions else "ticket", part=part)
    return Listing(tuple(TicketRow(*row) for row in found), total, is_estimate)


def _found_by(session: Session, text: str) -> sa.ColumnElement[bool]:
    by_reference = col(Ticket.reference) == text.upper()
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        customer = None
    return sa.or_(by_reference, col(Ticket.customer_id) == customer.id) if customer else by_reference


def ticket_page(session: Session, *, actor: Principal, reference: str) -> TicketRow:
    """Raises Forbidden or TicketNotFound."""
    actor.require(Permission.TICKETS_READ)
    found = session.execute(_rows_query().where(col(Ticket.reference) == reference.upper())).one_or_none()
    if found is None:
        raise TicketNotFound
    return TicketRow(*found)
