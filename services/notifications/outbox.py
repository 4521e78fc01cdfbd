"""The outbox of texts: a row is written with the change it tells of, then sent once."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.keys import seal, unseal
from app.outbound import OutboundError, OutcomeUnknown, Refused
from app.queue import ring
from app.settings import get_settings
from services.accounts.models import Customer
from services.accounts.phones import Phone
from services.integrations.clients import Outside
from services.notifications.models import MessageState, SmsMessage

SEND_JOB = "jobs.notifications.send_sms"
_BODY = "sms-body"
_MAX_ATTEMPTS = 6
_SWEEP_BATCH = 200


def queue_sms(session: Session, *, dedupe_key: str, customer_id: int, text: str, now: datetime) -> None:
    """Have a text sent after the commit; the same news (`dedupe_key`) is never told twice."""
    fresh = session.execute(
        insert(SmsMessage)
        .values(
            dedupe_key=dedupe_key,
            customer_id=customer_id,
            body_sealed=seal(_BODY, text.encode()),
            state=MessageState.QUEUED,
            attempts=0,
            next_attempt_at=now,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(SmsMessage.id))
    ).scalar_one_or_none()
    if fresh is not None:
        ring(session, SEND_JOB, fresh)


def send_sms(begin: Begin, message_id: int, outside: Outside, *, clock: Clock) -> None:
    """Send one text. When the answer is lost it may be on its way, so it is not sent again."""
    now = clock()
    with begin() as session:
        message = session.get(SmsMessage, message_id, with_for_update=True)
        if message is None or message.state is not MessageState.QUEUED:
            if message is not None and message.state is MessageState.SENDING:
                message.state, message.next_attempt_at = MessageState.UNKNOWN, None
            return
        if outside.sms is None:
            message.state, message.next_attempt_at, message.error = MessageState.FAILED, None, "No SMS gateway is configured."
            return
        message.state, message.attempts = MessageState.SENDING, message.attempts + 1
        message.next_attempt_at = now + timedelta(minutes=2)
        customer = session.get_one(Customer, message.customer_id)
        legacy_works = now.date() <= date.fromisoformat(get_settings().sms_legacy_until)
        to = Phone(customer.phone_e164, customer.legacy_e164).sms_address(legacy_works=legacy_works)
        text = unseal(_BODY, message.body_sealed).decode()
    failure: OutboundError | None = None
    provider_id = None
    try:
        provider_id = outside.sms.send(to=to, text=text).message_id
    except OutboundError as error:
        failure = error
    with begin() as session:
        message = session.get_one(SmsMessage, message_id, with_for_update=True)
        _record(message, provider_id, failure, now=clock())


def _record(message: SmsMessage, provider_id: str | None, failure: OutboundError | None, *, now: datetime) -> None:
    message.next_attempt_at = None
    message.error = failure.detail[:200] if failure else None
    if failure is None:
        message.state, message.sent_at, message.provider_id = MessageState.SENT, now, provider_id
    elif isinstance(failure, OutcomeUnknown):
        message.state = MessageState.UNKNOWN
    elif isinstance(failure, Refused) or message.attempts >= _MAX_ATTEMPTS:
        message.state = MessageState.FAILED
    else:
        message.state = MessageState.QUEUED
        message.next_attempt_at = now + timedelta(seconds=10 * 2**message.attempts)


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep of texts that are due."""
    due = session.exec(
        select(SmsMessage).where(col(SmsMessage.next_attempt_at) <= now).limit(_SWEEP_BATCH).with_for_update(skip_locked=True)
    ).all()
    for message in due:
        assert message.id is not None
        message.next_attempt_at = now + timedelta(minutes=2)
        ring(session, SEND_JOB, message.id)
    session.flush()
    return len(due)
