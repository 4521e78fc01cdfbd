"""Texts that customers send us: kept as they came before anything else, read by a job, and never read twice.

What a text may be, in this order: a wish for no more texts (or for them again), the score of a ticket that was just resolved, a further
word in a conversation, a new ticket. Whatever cannot be one of these by itself is held for a person.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.errors import DomainError
from app.keys import keyed_macs
from app.queue import ring
from services.accounts.customers import find_or_create_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.phones import parse_phone
from services.notifications import preferences
from services.notifications.models import Notification
from services.tickets import closure, conversation, inbound_store
from services.tickets.changes import By
from services.tickets.intake import MAX_WORDS, line_of, tell_received, words_of
from services.tickets.intake_models import InboundMessage, InboundSource, InboundState
from services.tickets.models import IS_UNDONE, Channel, Ticket
from services.tickets.opening import Opening, open_ticket

PATH = "/api/inbound/sms"
READ_JOB = "jobs.intake_sms.read"
MANY, MANY_WITHIN = 10, timedelta(minutes=10)
"""So many texts of one number within so long are read by the machine; what comes beyond them is held for a person."""
_GOES_ON_WITHIN = conversation.REOPENED_WITHIN
_ATTEMPTS = 3
_RING_IS_LOST_AFTER = timedelta(seconds=30)
_SWEEP_BATCH = 200
_SCORE = re.compile(r"([1-5])[\s.!*]*")
_REFERENCE = re.compile(r"\bT-[0-9A-Z]{7}\b")
_CUSTOMER = By("customer")
_NO_TEXT = "(no text)"
log = structlog.get_logger(__name__)
S = InboundState


def path() -> str:
    """Where the gateway is told to post inbound texts; it cannot be guessed."""
    return f"{PATH}/{_path_secrets()[0]}"


def is_our_path(secret: str) -> bool:
    """Whether the last part of the address is one that we gave out: made from the current key, or from the one before it."""
    return any(hmac.compare_digest(secret.encode(), known.encode()) for known in _path_secrets())


def _path_secrets() -> tuple[str, ...]:
    return tuple(mac[:40] for mac in keyed_macs("sms-inbound-path", "africastalking"))


def receive(session: Session, *, sender: str, to: str, text: str, provider_id: str, sent_at: str, now: datetime) -> int | None:
    """Keep one text as it came, and ring for reading it; None when it is held already. Without an id its content is its name."""
    raw = orjson.dumps({"from": sender, "to": to, "text": text, "id": provider_id, "date": sent_at})
    same = hashlib.sha256("\n".join((sender, sent_at, text)).encode()).hexdigest()
    key = f"id:{provider_id}" if 0 < len(provider_id) <= 150 else f"text:{same}"
    kept = inbound_store.keep(session, source=InboundSource.SMS, key=key, raw=raw, received_at=now)
    if kept is not None:
        ring(session, READ_JOB, kept)
    return kept


def read(begin: Begin, inbound_id: int, *, clock: Clock) -> None:
    """Do with one text what it asks for. Harmless to repeat; what fails three times is held with words for a person."""
    with begin() as session:
        message = _waiting(session, inbound_id)
        if message is None:
            return
        if message.attempts >= _ATTEMPTS:
            _end(message, S.HELD, "It could not be read, three times; the log says why.", now=clock())
            return
        message.attempts += 1
    with begin() as session:
        message = _waiting(session, inbound_id)
        if message is not None:
            take(session, message, now=clock())


def sweep(session: Session, *, now: datetime) -> int:
    """Ring again for texts whose ring was lost, or whose reader died. Answers how many."""
    wanted = select(InboundMessage.id).where(
        InboundMessage.source == InboundSource.SMS,
        InboundMessage.state == S.STORED,
        InboundMessage.received_at < now - _RING_IS_LOST_AFTER,
    )
    found = session.exec(wanted.order_by(col(InboundMessage.id)).limit(_SWEEP_BATCH)).all()
    for inbound_id in found:
        assert inbound_id is not None
        ring(session, READ_JOB, inbound_id)
    return len(found)


def take(session: Session, message: InboundMessage, *, now: datetime) -> Ticket | None:
    """Read one text that is held by us; of one that a person released no rule is asked again.

    The caller has locked the row. Answers the ticket that it is in now, if it is in one.
    """
    fields = orjson.loads(inbound_store.raw_of(message))
    sender, text = str(fields["from"]), str(fields["text"])
    message.subject = line_of(text)[:80]
    try:
        phone = parse_phone(sender).canonical
    except BadPhone:
        phone = None
    inbound_store.note_sender(message, phone or sender)
    session.flush()
    if message.handled_by is None and (ended := _needs_no_ticket(session, message, phone, text, now=now)) is not None:
        _end(message, *ended, now=now)
        return None
    ticket = _said(session, message, phone, text, now=now) if phone is not None else _from_nobody(session, message, sender, text, now=now)
    message.ticket_id = ticket.id
    _end(message, S.TAKEN, None, now=now)
    return ticket


def _needs_no_ticket(
    session: Session, message: InboundMessage, phone: str | None, text: str, *, now: datetime
) -> tuple[InboundState, str] | None:
    """How a text ends by itself, and why; None for one that somebody is to be answered for."""
    if phone is None:
        return S.HELD, "It came from a name or short code, not from a phone number that can be answered."
    if (word := preferences.heard_by_sms(session, phone=phone, text=text, now=now)) is not None:
        return S.IGNORED, "Wants no more texts." if word == "stop" else "Wants texts again."
    if not _words(text):
        return S.IGNORED, "It has no words."
    if _is_flood(session, message, phone):
        return S.HELD, f"More than {MANY} texts of this number came within {MANY_WITHIN.seconds // 60} minutes."
    return None


def _words(text: str) -> str:
    try:
        return words_of(text[:MAX_WORDS])
    except DomainError:
        return ""


def _waiting(session: Session, inbound_id: int) -> InboundMessage | None:
    wanted = select(InboundMessage).where(InboundMessage.id == inbound_id, InboundMessage.state == S.STORED)
    return session.exec(wanted.with_for_update(skip_locked=True).execution_options(populate_existing=True)).one_or_none()


def _end(message: InboundMessage, state: InboundState, why: str | None, *, now: datetime) -> None:
    message.state, message.why = state, why
    message.taken_at = now if state is S.TAKEN else None


def _is_flood(session: Session, message: InboundMessage, phone: str) -> bool:
    """By when they came, not by when they are read: what waited while the reader was away is no flood."""
    before = sa.select(sa.func.count()).where(
        col(InboundMessage.sender_mac).in_(inbound_store.sender_macs(phone)),
        col(InboundMessage.received_at) > message.received_at - MANY_WITHIN,
        col(InboundMessage.received_at) <= message.received_at,
        col(InboundMessage.source) == InboundSource.SMS,
        col(InboundMessage.id) != message.id,
    )
    return int(session.execute(before).scalar_one()) >= MANY


def _said(session: Session, message: InboundMessage, phone: str, text: str, *, now: datetime) -> Ticket:
    words = _words(text) or _NO_TEXT
    customer_id = find_or_create_customer(session, phone=phone, now=now).id
    assert customer_id is not None
    # Texts of one person are read one after another: the parts of a long one must meet in one ticket.
    session.exec(select(Customer.id).where(Customer.id == customer_id).with_for_update()).one()
    if (scored := _scored(session, customer_id, words, now=now)) is not None:
        return scored
    known = _goes_on(session, customer_id, words, now=now)
    if known is not None:
        heard = conversation.hear(session, known, body=words, channel=Channel.SMS, who=_CUSTOMER, inbound_id=message.id, now=now)
        return heard.ticket
    opening = Opening(body=words, channel=Channel.SMS, customer_id=customer_id, inbound_id=message.id)
    ticket = open_ticket(session, opening, who=_CUSTOMER, now=now)
    # A text costs money: of several tickets within an hour the first is confirmed.
    tell_received(session, ticket, key=f"received:sms:{customer_id}:{now:%Y%m%d%H}", now=now)
    return ticket


def _from_nobody(session: Session, message: InboundMessage, sender: str, text: str, *, now: datetime) -> Ticket:
    """A person has let it through, though nobody can be answered by text: they will know why."""
    opening = Opening(body=_words(text) or _NO_TEXT, channel=Channel.SMS, author=line_of(sender)[:120] or "customer", inbound_id=message.id)
    return open_ticket(session, opening, who=_CUSTOMER, now=now)


def _scored(session: Session, customer_id: int, words: str, *, now: datetime) -> Ticket | None:
    """A number from 1 to 5 alone is how our help was, if we have just asked for it."""
    score = _SCORE.fullmatch(words)
    if score is None:
        return None
    asked = select(Notification.ticket_id).join(Ticket, col(Ticket.id) == Notification.ticket_id)
    asked = asked.where(
        Ticket.customer_id == customer_id,
        Notification.customer_id == customer_id,
        col(Notification.event).in_(("ticket_resolved", "ticket_satisfaction")),
        Notification.created_at > now - _GOES_ON_WITHIN,
    )
    ticket_id = session.exec(asked.order_by(col(Notification.id).desc()).limit(1)).first()
    if ticket_id is None:
        return None
    try:
        return closure.rate(session, ticket_id, int(score[1]), now=now).ticket
    except DomainError as refusal:
        # Opened again meanwhile, or voted on long ago: then it is a word like another.
        log.info("sms.score_not_taken", code=refusal.code)
        return None


def _goes_on(session: Session, customer_id: int, words: str, *, now: datetime) -> int | None:
    """The conversation that these words belong to: the one they name if it is this customer's, else the newest that is not long done."""
    is_live = IS_UNDONE | (col(Ticket.resolved_at) > now - _GOES_ON_WITHIN)
    theirs = select(Ticket.id).where(Ticket.customer_id == customer_id, is_live).order_by(col(Ticket.id).desc()).limit(1)
    named = _REFERENCE.search(words.upper())
    if named is not None and (found := session.exec(theirs.where(Ticket.reference == named[0])).first()) is not None:
        return found
    return session.exec(theirs).first()
