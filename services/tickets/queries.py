"""Long reads of tickets, each narrowed to what the reader may know of (`sight`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer, Staff
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.incident_models import Incident
from services.payments.models import Payment
from services.tickets.desk_models import Team
from services.tickets.errors import TicketNotFound
from services.tickets.models import IS_UNDONE, Priority, Ticket, TicketEvent, TicketMessage, TicketSearch, TicketState
from services.tickets.sight import in_sight

_HISTORY_SHOWN = 200


@dataclass(frozen=True)
class TicketFilter:
    """`search` is a reference, a phone number, or words that were said, a device, a payment or a place.

    `is_unassigned` asks for what lies with nobody.
    """

    state: TicketState | None = None
    priority: Priority | None = None
    is_undone: bool = False
    search: str = ""
    customer_id: int | None = None
    assignee_id: int | None = None
    is_unassigned: bool = False
    team_id: int | None = None


@dataclass(frozen=True)
class Assignee:
    """A person with tickets. A disabled one keeps them until they are handed over."""

    id: int
    name: str
    is_active: bool


@dataclass(frozen=True)
class TicketRow:
    ticket: Ticket
    customer: Customer | None
    gateway_name: str | None
    gateway_slug: str | None
    payment_reference: str | None
    incident_reference: str | None
    assignee: Assignee | None
    team_name: str | None


@dataclass(frozen=True)
class TicketStory:
    """A ticket with what was said in it and what was done to it, oldest first."""

    row: TicketRow
    messages: tuple[TicketMessage, ...]
    history: tuple[TicketEvent, ...]
    # Who and which teams are named in the history by their number.
    people: dict[int, str]
    teams: dict[int, str]


@dataclass(frozen=True)
class OpenTickets:
    """How many wait, of those that the reader may know of. Exact up to the list's cap."""

    total: int
    unassigned: int


_SORTS: dict[str, Sequence[Any]] = {"created": (col(Ticket.created_at), col(Ticket.id))}


def _rows_query() -> sa.Select[Any]:
    return (
        pick(
            Ticket,
            Customer,
            Gateway.name,
            Gateway.slug,
            Payment.reference,
            Incident.reference,
            Staff.id,
            Staff.name,
            Staff.is_active,
            Team.name,
        )
        .select_from(Ticket)
        .outerjoin(Customer, col(Customer.id) == Ticket.customer_id)
        .outerjoin(Gateway, col(Gateway.id) == Ticket.gateway_id)
        .outerjoin(Payment, col(Payment.id) == Ticket.payment_id)
        .outerjoin(Incident, col(Incident.id) == Ticket.incident_id)
        .outerjoin(Staff, col(Staff.id) == Ticket.assignee_id)
        .outerjoin(Team, col(Team.id) == Ticket.team_id)
    )


def _row(found: Any) -> TicketRow:
    ticket, customer, gateway_name, gateway_slug, payment_reference, incident_reference, staff_id, name, is_active, team_name = found
    assignee = Assignee(staff_id, name, is_active) if staff_id is not None else None
    return TicketRow(ticket, customer, gateway_name, gateway_slug, payment_reference, incident_reference, assignee, team_name)


def list_tickets(session: Session, *, actor: Principal, wanted: TicketFilter, part: Slice) -> Listing[TicketRow]:
    """One page of tickets. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    conditions = [*in_sight(actor), *_conditions(session, wanted)]
    found = fetch(session, _rows_query().where(*conditions), part, sorts=_SORTS, default_sort="created")
    total, is_estimate = count(session, pick(Ticket.id).where(*conditions), whole_table=None if conditions else "ticket", part=part)
    return Listing(tuple(_row(row) for row in found), total, is_estimate)


def _conditions(session: Session, wanted: TicketFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state:
        conditions.append(col(Ticket.state) == wanted.state)
    if wanted.priority:
        conditions.append(col(Ticket.priority) == wanted.priority)
    if wanted.is_undone:
        conditions.append(IS_UNDONE)
    if wanted.customer_id is not None:
        conditions.append(col(Ticket.customer_id) == wanted.customer_id)
    if wanted.assignee_id is not None:
        conditions.append(col(Ticket.assignee_id) == wanted.assignee_id)
    if wanted.team_id is not None:
        conditions.append(col(Ticket.team_id) == wanted.team_id)
    if wanted.is_unassigned:
        conditions.append(col(Ticket.assignee_id).is_(None))
    if wanted.search.strip():
        conditions.append(_found_by(session, wanted.search.strip()))
    return conditions


def _found_by(session: Session, text: str) -> sa.ColumnElement[bool]:
    by_reference = col(Ticket.reference) == text.upper()
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        customer = None
    if customer is not None:
        return sa.or_(by_reference, col(Ticket.customer_id) == customer.id)
    said = col(TicketSearch.words).op("@@")(sa.func.websearch_to_tsquery("simple", sa.func.unaccent(text)))
    named = col(TicketSearch.names).contains(text.lower(), autoescape=True)
    return sa.or_(by_reference, col(Ticket.id).in_(select(TicketSearch.ticket_id).where(sa.or_(said, named))))


def ticket_page(session: Session, *, actor: Principal, reference: str) -> TicketRow:
    """Raises Forbidden or TicketNotFound."""
    actor.require(Permission.TICKETS_READ)
    found = session.execute(_rows_query().where(col(Ticket.reference) == reference.upper(), *in_sight(actor))).one_or_none()
    if found is None:
        raise TicketNotFound
    return _row(found)


def ticket_story(session: Session, *, actor: Principal, reference: str) -> TicketStory:
    """Raises Forbidden or TicketNotFound. Who may open a ticket may read what was said in it and done to it."""
    row = ticket_page(session, actor=actor, reference=reference)
    of_it = row.ticket.id
    said = session.exec(
        select(TicketMessage).where(TicketMessage.ticket_id == of_it).order_by(col(TicketMessage.id).desc()).limit(_HISTORY_SHOWN)
    ).all()
    done = session.exec(
        select(TicketEvent).where(TicketEvent.ticket_id == of_it).order_by(col(TicketEvent.id).desc()).limit(_HISTORY_SHOWN)
    ).all()
    return TicketStory(row, tuple(reversed(said)), tuple(reversed(done)), _people_in(session, done), _teams_in(session, done))


def _people_in(session: Session, history: Sequence[TicketEvent]) -> dict[int, str]:
    numbers = _numbers_in(history, "assignee")
    rows = session.exec(select(Staff.id, Staff.name).where(col(Staff.id).in_(numbers))).all() if numbers else []
    return {number: name for number, name in rows if number is not None}


def _teams_in(session: Session, history: Sequence[TicketEvent]) -> dict[int, str]:
    numbers = _numbers_in(history, "team")
    rows = session.exec(select(Team.id, Team.name).where(col(Team.id).in_(numbers))).all() if numbers else []
    return {number: name for number, name in rows if number is not None}


def _numbers_in(history: Sequence[TicketEvent], kind: str) -> set[int]:
    return {event.data[side] for event in history if event.kind == kind for side in ("from", "to") if event.data.get(side) is not None}


def row_of(session: Session, ticket: Ticket) -> TicketRow:
    """What is shown of a ticket that the caller was just allowed to change."""
    return _row(session.execute(_rows_query().where(col(Ticket.id) == ticket.id)).one())


def open_tickets(session: Session, *, actor: Principal) -> OpenTickets:
    """Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    waiting = pick(Ticket.id).where(IS_UNDONE, *in_sight(actor))
    return OpenTickets(count(session, waiting)[0], count(session, waiting.where(col(Ticket.assignee_id).is_(None)))[0])


def assignable_staff(session: Session, *, actor: Principal) -> tuple[Assignee, ...]:
    """Everybody whom a ticket may be given to, by name. Raises Forbidden."""
    actor.require(Permission.TICKETS_ASSIGN)
    active = select(Staff).where(col(Staff.is_active).is_(True)).order_by(col(Staff.name), col(Staff.id))
    return tuple(Assignee(staff.id or 0, staff.name, staff.is_active) for staff in session.exec(active).all())
