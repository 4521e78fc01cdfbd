"""What is said in a ticket and what that sets in motion. Every channel by which a customer can write or be answered goes through here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from app.queue import ring
from services.notifications import Recipient, tell
from services.tickets import changes, locks, people
from services.tickets.changes import By
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.opening import PROCESS_JOB, Opening, open_ticket
from services.tickets.work_models import TicketLink

# A customer's word reopens what was done this long ago at most; later it is a new ticket, linked to the old one.
REOPENED_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Heard:
    """What a customer said, and where it is now: in the ticket they wrote to, in the one that took it in, or in a new one."""

    ticket: Ticket
    message: TicketMessage | None


def hear(
    session: Session,
    ticket_id: int,
    *,
    body: str,
    channel: Channel,
    who: By,
    author: str = "",
    inbound_id: int | None = None,
    mail_id: str | None = None,
    now: datetime,
) -> Heard:
    """Keep a customer's further words. A ticket that waited for them or was done is worked on again; one that was merged hands them on."""
    ticket = whole(session, ticket_id)
    if _is_long_done(ticket, now=now):
        return Heard(
            _follow_up(
                session, ticket, body=body, channel=channel, who=who, author=author, inbound_id=inbound_id, mail_id=mail_id, now=now
            ),
            None,
        )
    message = changes.say(
        session,
        ticket,
        kind=MessageKind.CUSTOMER,
        body=body,
        channel=channel,
        who=who,
        author=author,
        inbound_id=inbound_id,
        mail_id=mail_id,
        now=now,
    )
    if ticket.state in (TicketState.PENDING, TicketState.RESOLVED, TicketState.CLOSED):
        changes.set_state(session, ticket, TicketState.OPEN, who=who, note="The customer wrote.", now=now)
    assert ticket.id is not None
    _tell_staff(session, ticket, message, now=now)
    ring(session, PROCESS_JOB, ticket.id, queue="triage")
    return Heard(ticket, message)


def whole(session: Session, ticket_id: int) -> Ticket:
    """The ticket, locked; of one that was merged, the one that took it in (design.md, invariant 10)."""
    return locks.end_of(session, ticket_id)


def _is_long_done(ticket: Ticket, *, now: datetime) -> bool:
    return not ticket.is_open and ticket.resolved_at is not None and now - ticket.resolved_at > REOPENED_WITHIN


def _follow_up(
    session: Session,
    ticket: Ticket,
    *,
    body: str,
    channel: Channel,
    who: By,
    author: str,
    inbound_id: int | None,
    mail_id: str | None,
    now: datetime,
) -> Ticket:
    opening = Opening(
        body=body,
        channel=channel,
        subject=ticket.subject,
        customer_id=ticket.customer_id,
        correspondent_id=ticket.correspondent_id,
        author=author,
        gateway_id=ticket.gateway_id,
        site_id=ticket.site_id,
        access_point_id=ticket.access_point_id,
        client_mac=ticket.client_mac,
        language=ticket.language,
        inbound_id=inbound_id,
        mail_id=mail_id,
    )
    new = open_ticket(session, opening, who=who, now=now)
    assert ticket.id is not None
    assert new.id is not None
    session.add(TicketLink(first_id=ticket.id, second_id=new.id, made_by=changes.SYSTEM.label, created_at=now))
    for one, other in ((ticket, new), (new, ticket)):
        changes.record(session, one, "link", {"to": other.reference, "why": "Written again after it was done"}, who=changes.SYSTEM, now=now)
    return new


def _tell_staff(session: Session, ticket: Ticket, message: TicketMessage, *, now: datetime) -> None:
    for staff_id in sorted({*people.watchers(session, ticket), *([ticket.assignee_id] if ticket.assignee_id else [])}):
        tell(
            session,
            event="ticket_customer_wrote",
            to=Recipient(staff_id=staff_id),
            values={"reference": ticket.reference, "subject": people.headline(ticket)},
            dedupe_key=f"wrote:{message.id}:{staff_id}",
            ticket_id=ticket.id,
            ticket_message_id=message.id,
            link=f"/console/tickets/{ticket.reference}",
            now=now,
        )
