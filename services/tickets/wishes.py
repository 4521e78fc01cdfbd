"""A customer's wish that is sent twice, because the answer was lost or a thumb was quick, opens one ticket.

Two ways to know it again: the reference of a ticket follows from the client's own name of the wish, if it gives one, so that nothing else
need be remembered; and the same words of the same person within ten minutes are the same wish.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.keys import keyed_mac
from services.network.incident_models import Incident
from services.tickets import changes, outage_news
from services.tickets.attachment_checks import Checked
from services.tickets.attachments import attach
from services.tickets.changes import By
from services.tickets.models import Ticket, TicketMessage
from services.tickets.opening import Opening, open_ticket
from services.vouchers.codes import ALPHABET

_TWICE_WITHIN = timedelta(minutes=10)
_CUSTOMER = By("customer")
_REFERENCE_USE = "ticket-of-request"
_LENGTH = 7
# Of tickets that begin with the same words: nobody is let to send more within ten minutes.
_LIKE_IT = 20


@dataclass(frozen=True)
class Reported:
    """`is_own`: whoever asked is known to have written it, so that they may be given the way to its page."""

    ticket: Ticket
    is_new: bool
    is_own: bool = True


def open_once(
    session: Session, opening: Opening, *, key: str | None, proved: int | None, files: Sequence[Checked], now: datetime
) -> Reported:
    """Open a ticket for a customer, or find the one that was opened by the same wish.

    `key` is a name that the client gave to the wish; `proved` is the customer that whoever asks is known to be, by more than a number.
    """
    reference = _reference_of(key, opening) if key else None
    _alone_with(session, opening, reference)
    if reference is not None:
        taken = session.exec(select(Ticket).where(Ticket.reference == reference)).one_or_none()
        if taken is not None and _says(session, taken, opening):
            return Reported(taken, is_new=False)
        opening = replace(opening, reference=None if taken is not None else reference)
    if (same := _said_lately(session, opening, now=now)) is not None:
        # A phone number alone proves nothing: the words may be another person's, who gave the same one.
        is_own = (proved is not None and proved == same.customer_id) or _is_same_visit(same, opening)
        return Reported(same, is_new=False, is_own=is_own)
    ticket = open_ticket(session, opening, who=_CUSTOMER, now=now)
    keep_files(session, ticket, files, now=now)
    tell_of_outage(session, ticket, now=now)
    return Reported(ticket, is_new=True)


def _wish(opening: Opening) -> str:
    who = opening.customer_id or (opening.gateway_id, opening.client_mac)
    return "\n".join((opening.channel, str(who), str(opening.payment_id), opening.subject, opening.body))


def _reference_of(key: str, opening: Opening) -> str:
    """The reference that this wish has, whenever it is sent: nothing else need be remembered of it. Nobody outside can work it out."""
    number = int(keyed_mac(_REFERENCE_USE, f"{key}\n{_wish(opening)}"), 16)
    characters = []
    for _ in range(_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return f"T-{''.join(characters)}"


def _alone_with(session: Session, opening: Opening, reference: str | None) -> None:
    """Until this transaction ends, whoever sends the same waits: they then see what came of it."""
    if opening.customer_id is None and opening.client_mac is None and reference is None:
        return
    about = reference if opening.customer_id is None and opening.client_mac is None else f"{_wish(opening)}"
    number = int.from_bytes(hashlib.sha256(f"intake\n{about}".encode()).digest()[:8], "big", signed=True)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _said_lately(session: Session, opening: Opening, *, now: datetime) -> Ticket | None:
    """The ticket that the same person opened with the same words a moment ago."""
    lately = select(Ticket).where(
        Ticket.created_at > now - _TWICE_WITHIN,
        Ticket.body == opening.body[: changes.SHOWN_BODY],
        Ticket.channel == opening.channel,
        Ticket.subject == opening.subject,
    )
    if opening.customer_id is not None:
        lately = lately.where(Ticket.customer_id == opening.customer_id)
    elif opening.client_mac is not None and opening.gateway_id is not None:
        lately = lately.where(Ticket.gateway_id == opening.gateway_id, Ticket.client_mac == opening.client_mac)
    else:
        return None
    found = session.exec(lately.order_by(col(Ticket.id).desc()).limit(_LIKE_IT)).all()
    return next((ticket for ticket in found if _says(session, ticket, opening)), None)


def _says(session: Session, ticket: Ticket, opening: Opening) -> bool:
    """Whether it began with these very words, of the same person."""
    if ticket.customer_id != opening.customer_id or ticket.body != opening.body[: changes.SHOWN_BODY]:
        return False
    if len(opening.body) <= changes.SHOWN_BODY:
        return True
    # The first of its messages may have moved by a merge.
    here = (col(TicketMessage.ticket_id) == ticket.id) | (col(TicketMessage.said_in_id) == ticket.id)
    return opening.body in session.exec(select(TicketMessage.body).where(here)).all()


def _is_same_visit(ticket: Ticket, opening: Opening) -> bool:
    return opening.client_mac is not None and (ticket.gateway_id, ticket.client_mac) == (opening.gateway_id, opening.client_mac)


def keep_files(session: Session, ticket: Ticket, files: Sequence[Checked], *, now: datetime) -> None:
    """What came along with the first message."""
    if files:
        first = select(TicketMessage).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id)).limit(1)
        attach(session, ticket, session.exec(first).one(), files, now=now)


def tell_of_outage(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """Whoever wrote from a place that is known to be down hears so at once; once only, whoever else notices it later."""
    incident = session.get(Incident, ticket.incident_id) if ticket.incident_id is not None else None
    if incident is not None:
        outage_news.tell_once(session, ticket, incident, now=now)
