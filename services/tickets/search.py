"""What a ticket is found by, kept beside it: its words for full-text search, its names and numbers for search with typing errors."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from services.accounts.models import Customer
from services.network.models import AccessPoint, Site
from services.payments.models import Payment
from services.tickets.models import Ticket, TicketMessage, TicketSearch

# Longer words are not searched for; the messages keep them whole.
_MAX_WORDS = 200_000


def index(session: Session, ticket: Ticket) -> None:
    """Write anew what this ticket is found by. Part of the change's transaction."""
    session.flush()
    said = session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all()
    text = "\n".join((ticket.subject, *said))[:_MAX_WORDS]
    words = sa.func.to_tsvector("simple", sa.func.unaccent(text))
    values = {"ticket_id": ticket.id, "words": words, "names": " ".join(_names(session, ticket))}
    written = insert(TicketSearch).values(**values)
    session.execute(
        written.on_conflict_do_update(index_elements=["ticket_id"], set_={"words": written.excluded.words, "names": written.excluded.names})
    )


def _names(session: Session, ticket: Ticket) -> Iterable[str]:
    """Reference, phone in both forms, MAC with and without colons, payment, place and access point; lower-case."""
    names: list[str | None] = [ticket.reference, ticket.client_mac, (ticket.client_mac or "").replace(":", "")]
    if ticket.customer_id is not None:
        customer = session.get_one(Customer, ticket.customer_id)
        names += [customer.phone_e164, customer.legacy_e164]
    if ticket.payment_id is not None:
        names.append(session.get_one(Payment, ticket.payment_id).reference)
    if ticket.site_id is not None:
        names.append(session.get_one(Site, ticket.site_id).name)
    if ticket.access_point_id is not None:
        names.append(session.get_one(AccessPoint, ticket.access_point_id).name)
    return [name.lower() for name in names if name]
