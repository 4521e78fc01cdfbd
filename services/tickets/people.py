"""Whom a ticket concerns: who watches it, and how its customer is reached."""

from __future__ import annotations

from sqlmodel import Session, col, select

from app.keys import unseal
from services.accounts.models import Customer, Staff
from services.notifications import Recipient
from services.tickets.intake_models import Correspondent
from services.tickets.models import Channel, Ticket
from services.tickets.sight import who_may_see
from services.tickets.work_models import TicketWatcher

ADDRESS = "correspondent-address"
_HEADLINE = 80


def headline(ticket: Ticket) -> str:
    """A few words for lists and messages: the subject, or else how it begins."""
    return " ".join((ticket.subject or ticket.body).split())[:_HEADLINE] or ticket.reference


def watchers(session: Session, ticket: Ticket) -> set[int]:
    """Who of the staff wants to hear of it and still may, by number."""
    wanted = select(TicketWatcher.staff_id).join(Staff, col(Staff.id) == col(TicketWatcher.staff_id))
    return set(session.exec(wanted.where(col(TicketWatcher.ticket_id) == ticket.id, who_may_see(ticket))).all())


def recipient(session: Session, ticket: Ticket) -> Recipient | None:
    """Its customer, by the way they wrote: a mail is answered by mail. None where nobody outside wrote, or is gone."""
    correspondent = session.get(Correspondent, ticket.correspondent_id) if ticket.correspondent_id is not None else None
    email = unseal(ADDRESS, correspondent.address_sealed).decode() if correspondent is not None else None
    customer = session.get(Customer, ticket.customer_id) if ticket.customer_id is not None else None
    if email is None and (customer is None or customer.erased_at is not None):
        return None
    return Recipient(customer_id=ticket.customer_id, email=email, language=ticket.language)


def same(session: Session, one: Ticket, two: Ticket) -> bool:
    """Whether nobody learns of a stranger's words when these two are shown together: one person's, or nobody's from outside."""
    mine, theirs = _writers(session, one), _writers(session, two)
    return not mine or not theirs or not mine.isdisjoint(theirs)


def _writers(session: Session, ticket: Ticket) -> set[tuple[str, int | None]]:
    """Who wrote it, by all that is known of them; somebody unknown is nobody else."""
    found = {("customer", ticket.customer_id), ("correspondent", ticket.correspondent_id)}
    if ticket.correspondent_id is not None:
        found.add(("customer", session.get_one(Correspondent, ticket.correspondent_id).customer_id))
    found = {(kind, number) for kind, number in found if number is not None}
    return found or (set() if ticket.channel is Channel.INCIDENT else {("ticket", ticket.id)})
