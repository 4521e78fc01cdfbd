"""What a customer hears of the end of a ticket, on the channel they write by, with the link to their own page of it."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from sqlmodel import Session

from app.settings import get_settings
from services.notifications import tell
from services.tickets import people
from services.tickets.models import Channel, Ticket
from services.tickets.tokens import reply_token

PAGE_PATH = "/ticket"


def page_link(ticket: Ticket) -> str:
    """The customer's own page of a ticket. Whoever has the link reads the conversation: it goes to them and into no log."""
    query = urlencode({"t": reply_token(ticket)})
    return f"{get_settings().public_url.rstrip('/')}{PAGE_PATH}/{ticket.reference}?{query}"


def tell_resolved(session: Session, ticket: Ticket, *, now: datetime) -> bool:
    """Tell the customer that it is done and ask how our help was; once for each time that it was done.

    Answers whether there was anybody to tell: nobody outside waits for an incident's own ticket, and of one that was merged the other
    one tells.
    """
    to = None if ticket.channel is Channel.INCIDENT or ticket.merged_into_id is not None else people.recipient(session, ticket)
    if to is None:
        return False
    tell(
        session,
        event="ticket_resolved",
        to=to,
        values={"reference": ticket.reference, "subject": people.headline(ticket), "link": page_link(ticket)},
        dedupe_key=f"resolved:{ticket.id}:{ticket.reopened_count}",
        ticket_id=ticket.id,
        now=now,
    )
    return True


def tell_closing(session: Session, ticket: Ticket, *, silence: str, days: int, now: datetime) -> bool:
    """Announce that silence will close it; once in a silence (`silence` names it). Answers whether there was anybody to tell."""
    to = people.recipient(session, ticket)
    if to is None:
        return False
    tell(
        session,
        event="ticket_closing",
        to=to,
        values={"reference": ticket.reference, "subject": people.headline(ticket), "days": days},
        dedupe_key=f"closing:{ticket.id}:{silence}",
        ticket_id=ticket.id,
        now=now,
    )
    return True
