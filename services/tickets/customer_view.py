"""A ticket as its customer sees it: what they wrote and were answered, how it stands, and what is known. Never a note, never a name.

Whoever holds the ticket's token is its customer (services/tickets/tokens.py). A wrong token is answered like a ticket that there is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.access.models import Gateway
from services.network.incident_models import Incident, IncidentState
from services.network.models import Site
from services.tickets import attachments, closure, conversation, people
from services.tickets.attachment_checks import Checked
from services.tickets.changes import By
from services.tickets.closure_models import TicketRating
from services.tickets.errors import TicketNotFound
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.tokens import opens

MAX_WORDS = 20_000
_SHOWN = 100
# The same words again within this time are a second tap or a form that was sent anew, not something further.
_SAID_TWICE = timedelta(minutes=10)
_ONLY_PICTURES = "(no text, only pictures)"
Standing = Literal["received", "worked_on", "asks_you", "waits", "resolved", "closed"]
STANDING: dict[TicketState, Standing] = {
    TicketState.NEW: "received",
    TicketState.OPEN: "worked_on",
    TicketState.PENDING: "asks_you",
    TicketState.ON_HOLD: "waits",
    TicketState.RESOLVED: "resolved",
    TicketState.CLOSED: "closed",
}


@dataclass(frozen=True)
class Said:
    """`is_ours` for what we answered. Of `files` those without `file` were not kept, and say why."""

    is_ours: bool
    body: str
    at: datetime
    files: tuple[Attachment, ...]


@dataclass(frozen=True)
class Outage:
    place: str | None
    since: datetime


@dataclass(frozen=True)
class CustomerTicket:
    """`reopens`: what is written now opens it again; later it begins a new request. `answer_by` is until when we promised to answer."""

    reference: str
    subject: str
    language: str | None
    standing: Standing
    since: datetime
    said: tuple[Said, ...]
    left_out: int
    outage: Outage | None
    answer_by: datetime | None
    closes_at: datetime | None
    reopens: bool
    rating: TicketRating | None
    may_rate: bool


@dataclass(frozen=True)
class Answered:
    """Where the words are now: `reference` is another one when the ticket was done too long ago to be opened again."""

    reference: str
    ticket: Ticket
    refused: tuple[Attachment, ...]


def ticket_of(session: Session, *, reference: str, token: str) -> Ticket:
    """The ticket whose customer holds the token. Raises TicketNotFound."""
    if not opens(reference, token):
        raise TicketNotFound
    ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper())).one_or_none()
    if ticket is None:
        raise TicketNotFound
    return ticket


def look(session: Session, *, reference: str, token: str, now: datetime) -> CustomerTicket:
    """Raises TicketNotFound."""
    ticket = ticket_of(session, reference=reference, token=token)
    stands = _end_of(session, ticket)
    said, left_out = _said(session, ticket, stands)
    rating, may_rate = closure.vote_of(session, stands, now=now)
    done_at = stands.resolved_at
    is_late = done_at is not None and now - done_at > conversation.REOPENED_WITHIN
    return CustomerTicket(
        reference=ticket.reference,
        subject=ticket.subject,
        language=ticket.language,
        standing=STANDING[stands.state],
        since=ticket.created_at,
        said=said,
        left_out=left_out,
        outage=_outage(session, stands),
        answer_by=_answer_by(stands, now=now),
        closes_at=stands.close_at if stands.state is TicketState.PENDING else None,
        reopens=not stands.is_open and not is_late,
        rating=rating,
        may_rate=may_rate,
    )


def answer(session: Session, *, reference: str, token: str, words: str, files: Sequence[Checked], now: datetime) -> Answered:
    """Keep what the customer says further. Said twice within minutes it is kept once. Raises TicketNotFound or InvalidInput."""
    ticket = ticket_of(session, reference=reference, token=token)
    body = words.replace("\x00", "").strip()
    if not body and not files:
        raise InvalidInput("Write in a few words what is wrong, or what you want to add.", field="words")
    if len(body) > MAX_WORDS:
        raise InvalidInput(f"Keep it under {MAX_WORDS:,} characters.", field="words")
    assert ticket.id is not None
    # Locked first, so that two taps see each other.
    stands = conversation.whole(session, ticket.id)
    if (again := _just_said(session, stands, body or _ONLY_PICTURES, now=now)) is not None:
        return again
    heard = conversation.hear(session, ticket.id, body=body or _ONLY_PICTURES, channel=Channel.PORTAL, who=By("customer"), now=now)
    message = heard.message or _first_message(session, heard.ticket)
    kept = attachments.attach(session, heard.ticket, message, files, now=now)
    is_other = heard.message is None
    return Answered(heard.ticket.reference if is_other else ticket.reference, heard.ticket, tuple(one for one in kept if one.file is None))


def vote(session: Session, *, reference: str, token: str, score: int, comment: str = "", now: datetime) -> closure.Rated:
    """Raises TicketNotFound, and what `closure.rate` raises."""
    ticket = ticket_of(session, reference=reference, token=token)
    assert ticket.id is not None
    return closure.rate(session, ticket.id, score, comment=comment, now=now)


def _just_said(session: Session, stands: Ticket, body: str, *, now: datetime) -> Answered | None:
    wanted = select(TicketMessage).where(
        TicketMessage.ticket_id == stands.id,
        TicketMessage.kind == MessageKind.CUSTOMER,
        TicketMessage.created_at > now - _SAID_TWICE,
        TicketMessage.body == body,
    )
    found = session.exec(wanted.order_by(col(TicketMessage.id).desc()).limit(1)).first()
    return None if found is None else Answered(stands.reference, stands, ())


def _first_message(session: Session, ticket: Ticket) -> TicketMessage:
    return session.exec(select(TicketMessage).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id)).limit(1)).one()


def _end_of(session: Session, ticket: Ticket) -> Ticket:
    """Where it is worked on: of a merged one, the one that took it in."""
    seen = {ticket.id}
    while ticket.merged_into_id is not None and ticket.merged_into_id not in seen:
        seen.add(ticket.merged_into_id)
        ticket = session.get_one(Ticket, ticket.merged_into_id)
    return ticket


def _said(session: Session, ticket: Ticket, stands: Ticket) -> tuple[tuple[Said, ...], int]:
    """What they wrote and were answered; after a merge also what was said there, if it is their own ticket too."""
    here = [ticket.id] if stands is ticket or not people.same(session, ticket, stands) else [ticket.id, stands.id]
    said_in = col(TicketMessage.said_in_id)
    theirs = col(TicketMessage.kind).in_((MessageKind.CUSTOMER, MessageKind.REPLY))
    found = session.exec(
        select(TicketMessage)
        .where(theirs, sa.or_(col(TicketMessage.ticket_id).in_(here), said_in == ticket.id))
        .order_by(col(TicketMessage.created_at).desc(), col(TicketMessage.id).desc())
    ).all()
    own = [message for message in found if _is_theirs(session, ticket, message)]
    files = _files(session, ticket)
    shown = [Said(one.kind is MessageKind.REPLY, one.body, one.created_at, files.get(one.id or 0, ())) for one in reversed(own[:_SHOWN])]
    return tuple(shown), max(0, len(own) - _SHOWN)


def _is_theirs(session: Session, ticket: Ticket, message: TicketMessage) -> bool:
    """Words that came here from a ticket of somebody else stay with them."""
    if message.said_in_id in (None, ticket.id):
        return True
    return people.same(session, ticket, session.get_one(Ticket, message.said_in_id))


def _files(session: Session, ticket: Ticket) -> dict[int, tuple[Attachment, ...]]:
    found: dict[int, tuple[Attachment, ...]] = {}
    for file in attachments.seen_by_customer(session, ticket):
        found[file.message_id] = (*found.get(file.message_id, ()), file)
    return found


def _outage(session: Session, ticket: Ticket) -> Outage | None:
    incident = session.get(Incident, ticket.incident_id) if ticket.incident_id is not None else None
    if incident is None or incident.state is not IncidentState.OPEN or not ticket.is_open:
        return None
    site = session.get(Site, incident.site_id) if incident.site_id is not None else None
    gateway = session.get(Gateway, ticket.gateway_id) if ticket.gateway_id is not None else None
    return Outage(site.name if site else gateway.name if gateway else None, incident.started_at)


def _answer_by(ticket: Ticket, *, now: datetime) -> datetime | None:
    """What was promised, while it can still be kept."""
    due = ticket.next_response_due_at if ticket.first_responded_at else ticket.first_response_due_at
    return due if ticket.is_open and ticket.state is not TicketState.PENDING and due is not None and due > now else None
