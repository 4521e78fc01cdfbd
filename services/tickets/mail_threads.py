"""Which conversation a mail belongs to, and who writes. What a sender merely claims never opens somebody else's conversation."""

from __future__ import annotations

import re
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.keys import keyed_mac, keyed_macs, seal
from services.tickets import tokens
from services.tickets.inbound_store import sender_macs
from services.tickets.intake_models import Correspondent, InboundMessage
from services.tickets.mail_reading import Mail
from services.tickets.models import Ticket, TicketMessage
from services.tickets.people import ADDRESS

_REPLY_ADDRESS = re.compile(r"\+(t-[0-9a-z]{4,12})\.([0-9a-f]{8,64})@")
_TAG = re.compile(r"\[(T-[0-9A-Z]{4,12})\]", re.IGNORECASE)
_MAX_TAGS, _MAX_ROWS = 3, 100


def correspondent_of(session: Session, mail: Mail, *, now: datetime) -> Correspondent:
    """The mail address that wrote, made when it is new. Two at once make one."""
    macs = keyed_macs(ADDRESS, mail.sender)
    wanted = select(Correspondent).where(col(Correspondent.address_mac).in_(macs))
    found = session.exec(wanted).first()
    if found is None:
        values = {
            "address_mac": keyed_mac(ADDRESS, mail.sender),
            "address_sealed": seal(ADDRESS, mail.sender.encode()),
            "name": mail.sender_name,
            "created_at": now,
            "last_wrote_at": now,
        }
        session.execute(insert(Correspondent).values(values).on_conflict_do_nothing(index_elements=["address_mac"]))
        found = session.exec(wanted).one()
    found.last_wrote_at = now
    found.name = found.name or mail.sender_name
    return found


def ticket_of(session: Session, mail: Mail, writer: Correspondent) -> int | None:
    """The ticket that this mail goes on with; None for one that begins another.

    The token in the address it was sent to is proof, whoever sends. What it refers to, and the number in its subject, count only for
    the address that the conversation is with.
    """
    return _by_reply_address(session, mail) or _by_references(session, mail, writer) or _by_subject(session, mail, writer)


def _by_reply_address(session: Session, mail: Mail) -> int | None:
    for address in mail.recipients:
        found = _REPLY_ADDRESS.search(address)
        if found and tokens.opens(found[1], found[2]):
            wanted = select(Ticket.id).where(Ticket.reference == found[1].upper())
            if (ticket_id := session.exec(wanted).first()) is not None:
                return ticket_id
    return None


def _by_references(session: Session, mail: Mail, writer: Correspondent) -> int | None:
    if not mail.references:
        return None
    rows = session.exec(
        select(TicketMessage.mail_id, Ticket)
        .join(Ticket, col(Ticket.id) == col(TicketMessage.ticket_id))
        .where(col(TicketMessage.mail_id).in_(mail.references))
        .order_by(col(TicketMessage.id).desc())
        .limit(_MAX_ROWS)
    ).all()
    for reference in mail.references:
        for mail_id, ticket in rows:
            if mail_id == reference and _is_with(session, ticket, mail, writer):
                return ticket.id
    return None


def _by_subject(session: Session, mail: Mail, writer: Correspondent) -> int | None:
    for reference in _TAG.findall(mail.subject)[:_MAX_TAGS]:
        ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper())).one_or_none()
        if ticket is not None and _is_with(session, ticket, mail, writer):
            return ticket.id
    return None


def _is_with(session: Session, ticket: Ticket, mail: Mail, writer: Correspondent) -> bool:
    """Whether this address takes part in the ticket: it began it, or a mail of theirs came into it by its token."""
    if ticket.correspondent_id == writer.id:
        return True
    said = sa.exists().where(
        col(TicketMessage.ticket_id) == ticket.id,
        col(InboundMessage.id) == col(TicketMessage.inbound_id),
        col(InboundMessage.sender_mac).in_(sender_macs(mail.sender)),
    )
    return bool(session.execute(sa.select(said)).scalar_one())
