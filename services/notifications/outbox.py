"""The outbox: each message is claimed under its row's lock, handed over without a transaction, and its end is recorded.

A provider has no idempotency key, so one whose answer was lost is `unknown` and never sent again by itself.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from secrets import SystemRandom

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.keys import unseal
from app.outbound import OutboundError, OutcomeUnknown, Refused, Unavailable
from app.queue import ring
from app.settings import get_settings
from services.accounts.models import Customer, Staff
from services.accounts.phones import Phone, parse_phone
from services.integrations.clients import Outside
from services.integrations.sms import SmsRefused
from services.notifications import app_first, policy, preferences, pushes
from services.notifications.held import tell_of_hold
from services.notifications.models import ContactPreference, Medium, Notification, NotificationState, Urgency
from services.notifications.senders import Handed, NotSetUp, Order, hand_over, is_configuration
from services.notifications.service import ADDRESS, BODY, HEADERS, SEND_JOB, SUBJECT

LEASE = timedelta(minutes=2)
_SWEEP_BATCH = 200
_FIRST_DELAY, _LONGEST_DELAY, _HOLD = 20.0, 900.0, 900.0
_ONCE_MORE = "RejectedByGateway"
_chance = SystemRandom()


def send(begin: Begin, message_id: int, outside: Outside, *, clock: Clock) -> None:
    """Send one message, and of pushes all that are due. Safe to run twice, late, or to die between any two statements."""
    with begin() as session:
        claimed = _claim(session, message_id, now=clock())
    if claimed is Medium.PUSH:
        pushes.send_due(begin, outside, clock=clock)
    if not isinstance(claimed, Order):
        return
    result: Handed | OutboundError
    try:
        result = hand_over(claimed, outside)
    except OutboundError as failure:
        result = failure
    with begin() as session:
        message = session.get_one(Notification, message_id, with_for_update=True)
        # A sweep may meanwhile have called it unknown; what is known now is better.
        if message.state in (NotificationState.SENDING, NotificationState.UNKNOWN):
            record(session, message, result, now=clock())


def _claim(session: Session, message_id: int, *, now: datetime) -> Order | Medium | None:
    """The message to hand over now; PUSH for one that goes with others; None when there is nothing to do, or not yet."""
    found = session.execute(
        sa.select(Notification, Customer, ContactPreference)
        .outerjoin(Customer, col(Customer.id) == col(Notification.customer_id))
        .outerjoin(
            ContactPreference,
            (col(ContactPreference.customer_id) == col(Notification.customer_id))
            & (col(ContactPreference.medium) == col(Notification.medium)),
        )
        .where(col(Notification.id) == message_id)
        .with_for_update(of=Notification)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None or found[0].state is not NotificationState.QUEUED:
        return None
    message, customer, preference = found
    if message.medium is Medium.PUSH:
        return Medium.PUSH
    if may_go(session, message, preference, now=now):
        to = _address(session, message, customer, now=now)
        if to is None:
            end(message, NotificationState.FAILED, "There is no address to send it to.")
            return None
        return _open(message, to)
    return None


def may_go(session: Session, message: Notification, preference: ContactPreference | None, *, now: datetime) -> bool:
    """Take the message in hand, or say in its row why it does not go (now)."""
    if message.customer_id is None and message.address_sealed is not None:
        preference = preferences.of_address(session, unseal(ADDRESS, message.address_sealed).decode())
    if policy.is_unwanted(message, preference):
        end(message, NotificationState.SUPPRESSED, "The person does not want these messages.")
        return False
    if policy.is_too_late(message, at=now):
        end(message, NotificationState.FAILED, message.error or "It could not be sent in time.")
        return False
    app = app_first.ask(session, message, now=now)
    if app.arrived:
        end(message, NotificationState.SUPPRESSED, app_first.ARRIVED)
        return False
    for until, why in (
        (app.until, policy.Held.APP),
        (policy.quiet_until(message, preference, now=now), policy.Held.QUIET),
        (policy.over_budget_until(session, message, now=now), policy.Held.BUDGET),
    ):
        if until is not None:
            message.next_attempt_at, message.error = until, why.value
            if why is policy.Held.BUDGET:
                tell_of_hold(session, why.value, now=now)
            return False
    message.state, message.attempts, message.error = NotificationState.SENDING, message.attempts + 1, None
    message.next_attempt_at, message.handed_at = now + LEASE, now
    return True


def _address(session: Session, message: Notification, customer: Customer | None, *, now: datetime) -> str | None:
    if message.medium is Medium.SMS:
        phone = _phone(message, customer)
        legacy_works = now.date() <= date.fromisoformat(get_settings().sms_legacy_until)
        return phone.sms_address(legacy_works=legacy_works) if phone is not None else None
    if message.address_sealed is not None:
        return unseal(ADDRESS, message.address_sealed).decode()
    staff = session.get(Staff, message.staff_id) if message.staff_id is not None else None
    return staff.email if staff is not None and staff.is_active else None


def _phone(message: Notification, customer: Customer | None) -> Phone | None:
    """The customer's number, or one that is nobody's: not yet, or not any more (services/apps/texts.py)."""
    if message.address_sealed is not None:
        return parse_phone(unseal(ADDRESS, message.address_sealed).decode())
    if customer is None or customer.erased_at is not None:
        return None
    return Phone(customer.phone_e164, customer.legacy_e164)


def _open(message: Notification, to: str) -> Order:
    text = unseal(BODY, message.body_sealed).decode()
    if message.medium is Medium.SMS:
        return Order(message.medium, to, text)
    headers = orjson.loads(unseal(HEADERS, message.headers_sealed)) if message.headers_sealed else {}
    if message.staff_id is None:
        text, headers = preferences.with_way_out(message, to, text, headers)
    subject = unseal(SUBJECT, message.subject_sealed).decode() if message.subject_sealed else "INET"
    return Order(message.medium, to, text, subject, headers)


def record(session: Session, message: Notification, result: Handed | OutboundError, *, now: datetime) -> None:
    """Note how handing over ended. Every end is named; what certainly was not sent is tried again until it is too late."""
    if isinstance(result, Handed):
        message.state, message.next_attempt_at, message.sent_at = NotificationState.SENT, None, now
        message.provider, message.error = result.provider, None
        message.provider_id = result.provider_id[:120] if result.provider_id else None
        return
    message.error = result.detail[:300]
    if isinstance(result, OutcomeUnknown):
        end(message, NotificationState.UNKNOWN, result.detail)
    elif isinstance(result, SmsRefused) and result.kind == "opt_out":
        end(message, NotificationState.SUPPRESSED, result.detail)
        preferences.opt_out(session, customer_id=message.customer_id, medium=Medium.SMS, by="gateway", now=now)
    elif is_configuration(result):
        tell_of_hold(session, result.detail, now=now)
        retry(message, result.detail, _HOLD, now=now)
    elif isinstance(result, Refused | NotSetUp) or (_ONCE_MORE in result.detail and message.attempts > 1):
        end(message, NotificationState.FAILED, result.detail)
    else:
        asked = result.retry_after if isinstance(result, Unavailable) else None
        retry(message, result.detail, max(asked or 0.0, delay_seconds(message.attempts)), now=now)


def delay_seconds(attempts: int) -> float:
    """Longer with each try, up to a quarter of an hour."""
    return min(_FIRST_DELAY * float(1 << min(max(attempts - 1, 0), 10)), _LONGEST_DELAY)


def retry(message: Notification, why: str, seconds: float, *, now: datetime) -> None:
    """Once more later, a little by chance, so that what failed together does not come back together; or too late, and given up."""
    if message.urgency is Urgency.ONE_TIME:
        seconds = min(seconds, 30.0)
    at = now + timedelta(seconds=seconds * _chance.uniform(0.8, 1.2))
    if policy.is_too_late(message, at=at):
        end(message, NotificationState.FAILED, f"Given up after {message.attempts} tries: {why}")
        return
    message.state, message.next_attempt_at, message.error = NotificationState.QUEUED, at, why[:300]
    # It took no place in this hour's budget after all.
    message.handed_at = None


def end(message: Notification, state: NotificationState, why: str) -> None:
    message.state, message.next_attempt_at, message.error = state, None, why[:300]


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep of messages that are due, and of those whose sender died with them in hand."""
    due = session.exec(
        select(Notification)
        .where(col(Notification.next_attempt_at) <= now)
        .order_by(col(Notification.next_attempt_at))
        .limit(_SWEEP_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    is_push_due = False
    for message in due:
        assert message.id is not None
        if message.state is NotificationState.SENDING:
            end(message, NotificationState.UNKNOWN, "Its sender stopped in the middle; it may have been sent.")
        elif message.medium is Medium.PUSH:
            # One job takes all pushes, and asks for all receipts, that are due.
            is_push_due = True
        else:
            message.next_attempt_at = now + LEASE
            ring(session, SEND_JOB, message.id)
    if is_push_due:
        ring(session, pushes.PUSH_JOB)
    session.flush()
    return len(due)
