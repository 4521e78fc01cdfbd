"""Words among staff in a ticket; the customer never sees them. Whoever is named in them is told, and watches from then on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.notifications import Recipient, tell
from services.tickets import changes, locks, mentions, people, watching
from services.tickets.models import MessageKind, Ticket, TicketMessage
from services.tickets.texts import required


@dataclass(frozen=True)
class Noted:
    """The note, and by name who was told of it and who may not know of this ticket and was not."""

    message: TicketMessage
    told: tuple[str, ...] = ()
    not_told: tuple[str, ...] = ()


def note(session: Session, *, actor: Principal, reference: str, text: str, now: datetime) -> Noted:
    """Keep a word among staff, in the ticket that took this one in if it was merged.

    Raises Forbidden, TicketNotFound, TicketMerged or InvalidInput.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.end_to_change(session, actor=actor, reference=reference)
    said = required(text, field="note", empty="Write the note first.")
    who = changes.by(actor)
    message = changes.say(session, ticket, kind=MessageKind.NOTE, body=said, channel=ticket.channel, who=who, author=actor.name, now=now)
    return _mention(session, ticket, message, actor, now=now)


def _mention(session: Session, ticket: Ticket, message: TicketMessage, actor: Principal, *, now: datetime) -> Noted:
    named = [one for one in mentions.find(session, message.body) if actor.kind != "staff" or one.id != actor.id]
    allowed = watching.sees(session, ticket, named)
    told = [one for one in named if one.id in allowed]
    assert ticket.id is not None
    watching.add(session, ticket.id, [one.id for one in told if one.id is not None])
    for one in told:
        _tell(session, ticket, message, actor, one, now=now)
    return Noted(message, tuple(one.name for one in told), tuple(one.name for one in named if one.id not in allowed))


def _tell(session: Session, ticket: Ticket, message: TicketMessage, actor: Principal, to: Staff, *, now: datetime) -> None:
    tell(
        session,
        event="ticket_mention",
        to=Recipient(staff_id=to.id),
        values={"reference": ticket.reference, "subject": people.headline(ticket), "by": actor.name},
        dedupe_key=f"mention:{message.id}:{to.id}",
        ticket_id=ticket.id,
        ticket_message_id=message.id,
        link=watching.link_to(ticket),
        now=now,
    )
