"""Problem reports from the portal: kept first, looked at by people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session

from app.errors import InvalidInput
from app.events import publish
from services.access.context import HotspotContext
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.payments.models import Payment
from services.revision import require
from services.tickets.errors import NotAssignable
from services.tickets.incidents import incident_at
from services.tickets.models import Ticket
from services.tickets.sight import ticket_to_change
from services.vouchers.codes import new_reference

_MAX_BODY = 4000
NOTE_LENGTH = (3, 500)
"""Of what somebody says when they close a ticket or open it again, in characters."""


def report_problem(
    session: Session, *, body: str, phone: str | None, context: HotspotContext | None, payment: Payment | None, now: datetime
) -> Ticket:
    """Store what a customer wrote, with the place and purchase it is about. Raises InvalidInput for an empty text, or BadPhone."""
    text = body.replace("\x00", "").strip()
    if not text:
        raise InvalidInput("Write in a few words what is wrong.", field="body")
    if len(text) > _MAX_BODY:
        raise InvalidInput(f"Keep it under {_MAX_BODY} characters.", field="body")
    customer_id = find_or_create_customer(session, phone=phone, now=now).id if phone else payment.customer_id if payment else None
    gateway_id = context.gateway_id if context else payment.gateway_id if payment else None
    ticket = Ticket(
        reference=f"T-{new_reference(7)}",
        channel="portal",
        customer_id=customer_id,
        payment_id=payment.id if payment else None,
        gateway_id=gateway_id,
        incident_id=incident_at(session, gateway_id),
        client_mac=context.mac if context else None,
        body=text,
        created_at=now,
    )
    session.add(ticket)
    session.flush()
    publish(session, "tickets", ticket.id)
    return ticket


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
    ticket.assign(staff_id)
    session.flush()
    audit.record(session, actor, "ticket.assign", target=("ticket", ticket.reference), now=now, before=before, after=after)
    publish(session, "tickets", ticket.id)
    return ticket


def close(session: Session, *, actor: Principal, reference: str, note: str, now: datetime) -> Ticket:
    """Raises Forbidden, TicketNotFound (a Field Technician closes only their own), TicketAlreadyClosed, or InvalidInput without a note."""
    return _move(session, actor, reference, Ticket.close, "ticket.close", note, now=now)


def reopen(session: Session, *, actor: Principal, reference: str, note: str, now: datetime) -> Ticket:
    """Whoever had it has it again. Raises Forbidden, TicketNotFound, TicketNotClosed, or InvalidInput without a note."""
    return _move(session, actor, reference, Ticket.reopen, "ticket.reopen", note, now=now)


def _move(
    session: Session, actor: Principal, reference: str, move: Callable[[Ticket], None], action: str, note: str, *, now: datetime
) -> Ticket:
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    before = {"state": ticket.state}
    move(ticket)
    after = {"state": ticket.state, "note": _said(note)}
    session.flush()
    audit.record(session, actor, action, target=("ticket", ticket.reference), now=now, before=before, after=after)
    publish(session, "tickets", ticket.id)
    return ticket


def _said(note: str) -> str:
    text = note.replace("\x00", "").strip()
    shortest, longest = NOTE_LENGTH
    if len(text) < shortest:
        raise InvalidInput("Say in a few words what was done, or why.", field="note")
    if len(text) > longest:
        raise InvalidInput(f"Keep it under {longest} characters.", field="note")
    return text


def _active(session: Session, staff_id: int) -> Staff:
    # Locked against being disabled meanwhile: whichever comes second sees what the first one did.
    staff = session.get(Staff, staff_id, with_for_update={"read": True}, populate_existing=True)
    if staff is None or not staff.is_active:
        raise NotAssignable
    return staff


def _email_of(session: Session, staff_id: int | None) -> str | None:
    return session.get_one(Staff, staff_id).email if staff_id is not None else None
