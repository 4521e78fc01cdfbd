"""With which message of a ticket a photo is shown. A hundred photos of one visit are one message: one step of the history, one news.

A photo joins the message that the same phone's last photo went to, if that was within ten minutes and nothing was said there since.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.models import Staff
from services.accounts.sessions import principal_of
from services.apps.models import AppDevice, PhotoUpload
from services.tickets import changes, conversation
from services.tickets.changes import By
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage, TicketState

WORDS = "(photo)"
"""What a message says that only carries photos."""
TOGETHER = timedelta(minutes=10)
_WAITS_FOR_WORDS = (TicketState.PENDING, TicketState.RESOLVED, TicketState.CLOSED)


def message_for(session: Session, upload: PhotoUpload, device: AppDevice, *, now: datetime) -> tuple[Ticket, TicketMessage]:
    """The message, and the ticket where it is now, locked: a customer's words, or a note of staff. No right is asked here."""
    # Locked first, so that two photos that arrive at once see each other.
    ticket = conversation.whole(session, upload.ticket_id)
    joined = _joined(session, upload, device, now=now)
    if joined is not None:
        return joined
    if device.staff_id is not None:
        person = session.get_one(Staff, device.staff_id)
        who = By(principal_of(person).label, person.id)
        say = partial(changes.say, session, ticket, kind=MessageKind.NOTE, body=WORDS, channel=ticket.channel)
        return ticket, say(who=who, author=person.name, now=now)
    heard = conversation.hear(session, upload.ticket_id, body=WORDS, channel=Channel.MOBILE, who=By("customer"), now=now)
    return heard.ticket, heard.message or _newest(session, heard.ticket)


def _joined(session: Session, upload: PhotoUpload, device: AppDevice, *, now: datetime) -> tuple[Ticket, TicketMessage] | None:
    last = session.exec(
        select(Attachment)
        .join(PhotoUpload, col(PhotoUpload.attachment_id) == Attachment.id)
        .where(PhotoUpload.app_device_id == upload.app_device_id, PhotoUpload.ticket_id == upload.ticket_id)
        .order_by(col(Attachment.id).desc())
        .limit(1)
    ).first()
    if last is None or now - last.created_at > TOGETHER:
        return None
    message = session.get_one(TicketMessage, last.message_id)
    # Another one than the photo was sent to, when that was done too long ago.
    ticket = conversation.whole(session, message.ticket_id)
    if device.customer_id is not None and ticket.state in _WAITS_FOR_WORDS:
        return None
    is_last = message.ticket_id == ticket.id and _newest(session, ticket).id == message.id
    return (ticket, message) if is_last else None


def _newest(session: Session, ticket: Ticket) -> TicketMessage:
    newest = sa.select(sa.func.max(TicketMessage.id)).where(col(TicketMessage.ticket_id) == ticket.id).scalar_subquery()
    return session.exec(select(TicketMessage).where(TicketMessage.id == newest)).one()
