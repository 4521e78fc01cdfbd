"""What stands in a ticket, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col

from services.accounts.permissions import Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.tickets.models import TicketMessage
from services.tickets.queries import ticket_page

_SORTS: dict[str, Sequence[Any]] = {"said": (col(TicketMessage.created_at), col(TicketMessage.id))}


def list_messages(session: Session, *, actor: Principal, reference: str, part: Slice) -> Listing[TicketMessage]:
    """Replies, notes and the customer's words. Of a ticket that was merged none: they moved. Raises Forbidden or TicketNotFound."""
    ticket = ticket_page(session, actor=actor, reference=reference).ticket
    stands = col(TicketMessage.ticket_id) == ticket.id
    found = fetch(session, pick(TicketMessage).where(stands), part, sorts=_SORTS, default_sort="said")
    total, is_estimate = count(session, pick(TicketMessage.id).where(stands), part=part)
    return Listing(tuple(row[0] for row in found), total, is_estimate)
