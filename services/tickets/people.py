"""Whom a ticket concerns: who watches it, and how its customer is reached."""

from __future__ import annotations

from sqlmodel import Session, col, select

from app.keys import unseal
from services.notifications import Recipient
from services.tickets.intake_models import Correspondent
from services.tickets.models import Ticket
from services.tickets.work_models import TicketWatcher

ADDRESS = "correspondent-address"
_HEADLINE = 80


def headline(ticket: Ticket) -> str:
    """A few words for lists and messages: the subject, or else how it begins."""
    return " ".join((ticket.subject or ticket.body).split())[:_HEADLINE] or ticket.reference


def watchers(session: Session, ticket: Ticket) -> set[int]:
    """Who of the staff wants to hear of it, by number."""
    return set(session.exec(select(TicketWatcher.staff_id).where(col(TicketWatcher.ticket_id) == ticket.id)).all())


def recipient(session: Session, ticket: Ticket) -> Recipient | None:
    """Its customer, by the way they wrote: a mail is answered by mail. None for one that nobody outside wrote."""
    correspondent = session.get(Correspondent, ticket.correspondent_id) if ticket.correspondent_id is not None else None
    email = unseal(ADDRESS, correspondent.address_sealed).decode() if correspondent is not None else None
    if email is None and ticket.customer_id is None:
        return None
    return Recipient(customer_id=ticket.customer_id, email=email, language=ticket.language)
