"""Kept mails are read: each into its conversation, into a new ticket, or aside with the reason. Safe to run twice, late, or to die in.

One reader is at work at a time and takes them in the order in which they came, so that an answer never overtakes what it answers and no
two copies are read at once. Trying is counted before it begins: a mail over which a process dies is put before a person, like one that
cannot be read.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.events import publish
from app.failpoints import boundary
from app.queue import ring
from app.settings import get_settings
from services.notifications import tell
from services.notifications.models import Notification
from services.tickets import attachments, conversation, inbound_store, loops, mail_out, mail_threads, people
from services.tickets.changes import By
from services.tickets.intake_models import Correspondent, InboundMessage, InboundSource, InboundState
from services.tickets.loops import Verdict
from services.tickets.mail_fetching import PUT_ASIDE, READ_JOB, TOO_LARGE, alone
from services.tickets.mail_reading import NO_TEXT, Mail, Unreadable, content_name, fresh_words, identity, read_mail
from services.tickets.models import Channel, Ticket, TicketMessage
from services.tickets.opening import Opening, open_ticket

MOST_ATTEMPTS = 3
TWICE = "The same mail came before."
_LOCK = 5_120_502
_SECONDS = 60.0
# Spelled out, so that PostgreSQL sees that the index of waiting ones serves it.
_IS_STORED = sa.literal_column("inbound_message.state = 'stored'", sa.Boolean)
_AUTHOR = By("customer")
_ANSWERED_EVERY = timedelta(hours=1)
_RUNG_FOR = timedelta(seconds=20)
_BATCH = 200
log = structlog.get_logger(__name__)


def read(begin: Begin, *, clock: Clock) -> int:
    """Read what waits, oldest first, for a minute at most; answers how many. Nothing when another reader is at it, who then does it."""
    tried: set[int] = set()
    until = time.monotonic() + _SECONDS
    # Once more after the lock is given back: what came in the last moment was left to this reader.
    while (first := _next(begin, tried)) is not None and time.monotonic() < until:
        with alone(_LOCK) as is_mine:
            if not is_mine:
                return len(tried)
            waiting: int | None = first
            while waiting is not None and time.monotonic() < until:
                tried.add(waiting)
                _read_one(begin, waiting, clock=clock)
                waiting = _next(begin, tried)
    return len(tried)


def sweep(session: Session, *, now: datetime) -> int:
    """Ring when mails wait that nobody read; answers how many. Those that failed come again here, too."""
    waiting = select(InboundMessage.id).where(
        InboundMessage.source == InboundSource.IMAP,
        _IS_STORED,
        # When it came is the mail server's word; what came just now has been rung for.
        sa.or_(col(InboundMessage.received_at) < now - _RUNG_FOR, col(InboundMessage.attempts) > 0),
    )
    found = session.exec(waiting.limit(_BATCH)).all()
    if found:
        ring(session, READ_JOB)
    return len(found)


def _next(begin: Begin, tried: set[int]) -> int | None:
    """The oldest mail that waits and was not tried just now."""
    with begin() as session:
        wanted = select(InboundMessage.id).where(InboundMessage.source == InboundSource.IMAP, _IS_STORED)
        if tried:
            wanted = wanted.where(col(InboundMessage.id).not_in(tried))
        return session.exec(wanted.order_by(col(InboundMessage.id)).limit(1)).first()


def _read_one(begin: Begin, message_id: int, *, clock: Clock) -> None:
    if not _is_to_be_tried(begin, message_id, clock=clock):
        return
    try:
        with begin() as session:
            _describe(session, message_id)
        with begin() as session:
            _take(session, message_id, now=clock())
    except Exception:
        # Whatever a sender wrote, it must neither be lost nor hold up others; the sweep tries again, a person gets it in the end.
        log.exception("mail.unread", inbound_id=message_id)


def _describe(session: Session, message_id: int) -> None:
    """Note who sent it and how it is named; it stands also when the rest fails."""
    message = _waiting(session, message_id)
    if message is None:
        return
    raw = inbound_store.raw_of(message)
    try:
        mail = read_mail(raw)
    except Unreadable:
        # By this name it is known if it comes again; why is said when it is taken.
        message.mail_id = content_name(raw)
        return
    inbound_store.note_sender(message, mail.sender)
    message.mail_id, message.subject = mail.mail_id, mail.subject


def _waiting(session: Session, message_id: int) -> InboundMessage | None:
    message = session.get(InboundMessage, message_id, with_for_update=True, populate_existing=True)
    if message is None or message.state is not InboundState.STORED or message.source is not InboundSource.IMAP:
        return None
    return message


def _is_to_be_tried(begin: Begin, message_id: int, *, clock: Clock) -> bool:
    """Count the try before it is made; what was tried often enough is a person's."""
    with begin() as session:
        message = _waiting(session, message_id)
        if message is None:
            return False
        if message.attempts >= MOST_ATTEMPTS:
            why = f"It could not be read in {message.attempts} tries. It is kept as it came."
            _end(session, message, InboundState.HELD, why, now=clock())
            return False
        message.attempts += 1
    boundary("mail.counted")
    return True


def _take(session: Session, message_id: int, *, now: datetime) -> None:
    message = _waiting(session, message_id)
    if message is None:
        return
    raw = inbound_store.raw_of(message)
    if not message.handled_by and _came_before(session, message, raw):
        _end(session, message, InboundState.IGNORED, TWICE, now=now)
        return
    try:
        mail = read_mail(raw)
    except Unreadable as failure:
        _end(session, message, InboundState.HELD, str(failure), now=now)
        return
    # What a person released is not judged again.
    aside = None if message.handled_by else _verdict(session, message, mail)
    if aside is None:
        _into_a_ticket(session, message, mail, now=now)
        boundary("mail.read")
        return
    why = aside.why
    if loops.is_bounce(mail) and loops.note_bounce(session, mail):
        why = "A mail of ours came back; it is marked as not delivered."
    _end(session, message, aside.state, why, now=now)


def _verdict(session: Session, message: InboundMessage, mail: Mail) -> Verdict | None:
    if message.why is not None and message.why in PUT_ASIDE:
        return Verdict(PUT_ASIDE[message.why], message.why)
    return loops.verdict(session, message, mail, own=mail_out.own_addresses())


def _came_before(session: Session, message: InboundMessage, raw: bytes) -> bool:
    """Whether the same mail is held under another number: it came by two ways, or the server named it anew."""
    others = session.exec(
        select(InboundMessage)
        .where(
            InboundMessage.mail_id == message.mail_id,
            InboundMessage.source == message.source,
            col(InboundMessage.id) != message.id,
            col(InboundMessage.state) != InboundState.STORED,
        )
        .order_by(col(InboundMessage.id))
        .limit(_BATCH)
    ).all()
    # Some programs give every mail the same name, so what it says must be the same, too.
    return bool(others) and identity(raw) in {identity(inbound_store.raw_of(one)) for one in others}


def _into_a_ticket(session: Session, message: InboundMessage, mail: Mail, *, now: datetime) -> None:
    writer = mail_threads.correspondent_of(session, mail, now=now)
    text = fresh_words(mail.text) or (TOO_LARGE if message.why == TOO_LARGE else NO_TEXT)
    author = mail.sender_name or mail.sender[:120]
    goes_on_with = mail_threads.ticket_of(session, mail, writer)
    if goes_on_with is not None:
        heard = conversation.hear(
            session,
            goes_on_with,
            body=text,
            channel=Channel.EMAIL,
            who=_AUTHOR,
            author=author,
            inbound_id=message.id,
            mail_id=mail.mail_id,
            now=now,
        )
        ticket = heard.ticket
    else:
        ticket = _new_ticket(session, message, mail, writer, text, author, now=now)
    said = session.exec(select(TicketMessage).where(TicketMessage.inbound_id == message.id).order_by(col(TicketMessage.id))).first()
    assert said is not None
    files = [attachments.Upload(one.name, one.claimed_type, one.content) for one in mail.files]
    if files:
        attachments.keep(session, ticket, said, files, now=now)
    message.ticket_id = ticket.id
    _end(session, message, InboundState.TAKEN, None, now=now)


def _new_ticket(
    session: Session, message: InboundMessage, mail: Mail, writer: Correspondent, text: str, author: str, *, now: datetime
) -> Ticket:
    opening = Opening(
        body=text,
        channel=Channel.EMAIL,
        subject=mail.subject,
        customer_id=writer.customer_id,
        correspondent_id=writer.id,
        author=author,
        inbound_id=message.id,
        mail_id=mail.mail_id,
    )
    ticket = open_ticket(session, opening, who=_AUTHOR, now=now)
    # What a rule had held is answered by people alone.
    may_answer = bool(get_settings().email_url) and not message.handled_by
    if may_answer and not loops.wants_no_automatic_answer(mail) and not _was_answered(session, writer, now=now):
        _tell_received(session, ticket, now=now)
    return ticket


def _was_answered(session: Session, writer: Correspondent, *, now: datetime) -> bool:
    """Whether this address was told in the last hour already that a mail of theirs had come."""
    told = sa.exists().where(
        col(Ticket.correspondent_id) == writer.id,
        col(Notification.ticket_id) == col(Ticket.id),
        col(Notification.event) == "ticket_received",
        col(Notification.created_at) > now - _ANSWERED_EVERY,
    )
    return bool(session.execute(sa.select(told)).scalar_one())


def _tell_received(session: Session, ticket: Ticket, *, now: datetime) -> None:
    to = people.recipient(session, ticket)
    if to is None:
        return
    tell(
        session,
        event="ticket_received",
        to=to,
        values={"reference": ticket.reference, "subject": people.headline(ticket)},
        dedupe_key=f"received:{ticket.id}",
        ticket_id=ticket.id,
        headers=mail_out.headers(session, ticket),
        now=now,
    )


def _end(session: Session, message: InboundMessage, state: InboundState, why: str | None, *, now: datetime) -> None:
    message.state, message.why = state, why[:200] if why else None
    message.taken_at = now if state is InboundState.TAKEN else None
    session.flush()
    publish(session, inbound_store.TOPIC, message.id)
