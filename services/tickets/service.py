"""What customers and staff do to tickets. Each is one use case; what it writes goes through `changes`, so history and clocks follow."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from app.errors import InvalidInput
from services.access.context import HotspotContext
from services.access.models import Gateway
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.payments.models import Payment
from services.revision import require
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.errors import NotAssignable, TicketAlreadyClosed, TicketNotClosed
from services.tickets.incidents import incident_at
from services.tickets.models import Category, Channel, HoldReason, MessageKind, Priority, Ticket, TicketLabel, TicketState
from services.tickets.opening import Opening, open_ticket
from services.tickets.sight import ticket_to_change

_MAX_BODY = 4000
NOTE_LENGTH = (3, 500)
"""Of what somebody says when they close a ticket or open it again, in characters."""
MAX_WORDS = 20_000
"""Of one reply or internal note, in characters."""


def report_problem(
    session: Session, *, body: str, phone: str | None, context: HotspotContext | None, payment: Payment | None, now: datetime
) -> Ticket:
    """Store what a customer wrote, with the place and purchase it is about. Raises InvalidInput for an empty text, or BadPhone."""
    text = _words(body, longest=_MAX_BODY, field="body", empty="Write in a few words what is wrong.")
    customer_id = find_or_create_customer(session, phone=phone, now=now).id if phone else payment.customer_id if payment else None
    gateway_id = context.gateway_id if context else payment.gateway_id if payment else None
    gateway = session.get(Gateway, gateway_id) if gateway_id else None
    opening = Opening(
        body=text,
        channel=Channel.PORTAL,
        customer_id=customer_id,
        payment_id=payment.id if payment else None,
        gateway_id=gateway_id,
        site_id=gateway.site_id if gateway else None,
        incident_id=incident_at(session, gateway_id),
        client_mac=context.mac if context else None,
    )
    return open_ticket(session, opening, who=By("customer"), now=now)


def assign(
    session: Session, *, actor: Principal, reference: str, staff_id: int | None, expected_revision: str | None, now: datetime
) -> Ticket:
    """Give a ticket to a person, or with None to nobody. To whom it belongs already changes nothing and is not audited.

    Raises Forbidden, TicketNotFound, Stale, TicketAlreadyClosed, or NotAssignable for who is disabled or does not exist.
    """
    actor.require(Permission.TICKETS_ASSIGN)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if ticket.assignee_id == staff_id:
        return ticket
    before = {"assignee": _email_of(session, ticket.assignee_id)}
    after = {"assignee": _active(session, staff_id).email if staff_id is not None else None}
    if not ticket.is_open:
        # Nobody would look at it there.
        raise TicketAlreadyClosed
    changes.set_field(session, ticket, "assignee_id", staff_id, who=changes.by(actor), now=now)
    audit.record(session, actor, "ticket.assign", target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket


def note(session: Session, *, actor: Principal, reference: str, text: str, now: datetime) -> Ticket:
    """Keep a word among staff; the customer never sees it. Raises Forbidden, TicketNotFound or InvalidInput."""
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    said = _words(text, longest=MAX_WORDS, field="note", empty="Write the note first.")
    changes.say(
        session,
        ticket,
        kind=MessageKind.NOTE,
        body=said,
        channel=ticket.channel,
        who=changes.by(actor),
        author=actor.name,
        now=now,
    )
    return ticket


def triage(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    priority: Priority | None = None,
    category: Category | None = None,
    expected_revision: str | None = None,
    now: datetime,
) -> Ticket:
    """Say how urgent it is and what it is about. What was said of the category before is kept beside it, to learn from.

    Raises Forbidden, TicketNotFound or Stale.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    who = changes.by(actor)
    if priority is not None:
        changes.set_field(session, ticket, "priority", priority, who=who, now=now)
    if category is not None and category is not ticket.category:
        assert ticket.id is not None
        session.merge(TicketLabel(ticket_id=ticket.id, suggested=ticket.category, category=category, staff_id=who.staff_id, at=now))
        changes.set_field(session, ticket, "category", category, who=who, now=now)
    return ticket


def wait(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    hold: HoldReason | None,
    expected_revision: str | None = None,
    now: datetime,
) -> Ticket:
    """Let it wait: for the customer, or with `hold` for a part or a third party. Raises Forbidden, TicketNotFound, TicketAlreadyClosed."""
    state = TicketState.ON_HOLD if hold else TicketState.PENDING
    return _undone(session, actor, reference, state, hold=hold, expected_revision=expected_revision, now=now)


def go_on(session: Session, *, actor: Principal, reference: str, expected_revision: str | None = None, now: datetime) -> Ticket:
    """Work on it (again). Raises Forbidden, TicketNotFound or TicketAlreadyClosed."""
    return _undone(session, actor, reference, TicketState.OPEN, hold=None, expected_revision=expected_revision, now=now)


def _undone(
    session: Session,
    actor: Principal,
    reference: str,
    state: TicketState,
    *,
    hold: HoldReason | None,
    expected_revision: str | None,
    now: datetime,
) -> Ticket:
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if not ticket.is_open:
        raise TicketAlreadyClosed
    changes.set_state(session, ticket, state, hold=hold, who=changes.by(actor), now=now)
    return ticket


def close(session: Session, *, actor: Principal, reference: str, note: str, now: datetime) -> Ticket:
    """Raises Forbidden, TicketNotFound (a Field Technician closes only their own), TicketAlreadyClosed, or InvalidInput without a note."""
    return _move(session, actor, reference, TicketState.CLOSED, "ticket.close", note, now=now)


def reopen(session: Session, *, actor: Principal, reference: str, note: str, now: datetime) -> Ticket:
    """Whoever had it has it again. Raises Forbidden, TicketNotFound, TicketNotClosed, or InvalidInput without a note."""
    return _move(session, actor, reference, TicketState.OPEN, "ticket.reopen", note, now=now)


def _move(session: Session, actor: Principal, reference: str, state: TicketState, action: str, note: str, *, now: datetime) -> Ticket:
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    before = {"state": ticket.state}
    if state is TicketState.CLOSED and ticket.state is TicketState.CLOSED:
        raise TicketAlreadyClosed
    if state is TicketState.OPEN and ticket.is_open:
        raise TicketNotClosed
    said = _said(note)
    changes.set_state(session, ticket, state, who=changes.by(actor), note=said, now=now)
    after = {"state": ticket.state, "note": said}
    audit.record(session, actor, action, target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket


def _said(note: str) -> str:
    text = note.replace("\x00", "").strip()
    shortest, longest = NOTE_LENGTH
    if len(text) < shortest:
        raise InvalidInput("Say in a few words what was done, or why.", field="note")
    if len(text) > longest:
        raise InvalidInput(f"Keep it under {longest} characters.", field="note")
    return text


def _words(text: str, *, longest: int, field: str, empty: str) -> str:
    cleaned = text.replace("\x00", "").strip()
    if not cleaned:
        raise InvalidInput(empty, field=field)
    if len(cleaned) > longest:
        raise InvalidInput(f"Keep it under {longest} characters.", field=field)
    return cleaned


def _active(session: Session, staff_id: int) -> Staff:
    # Locked against being disabled meanwhile: whichever comes second sees what the first one did.
    staff = session.get(Staff, staff_id, with_for_update={"read": True}, populate_existing=True)
    if staff is None or not staff.is_active:
        raise NotAssignable
    return staff


def _email_of(session: Session, staff_id: int | None) -> str | None:
    return session.get_one(Staff, staff_id).email if staff_id is not None else None
