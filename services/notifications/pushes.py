"""Pushes: sent a hundred at a time, asked about a quarter of an hour later, and never again to a phone that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import limits
from app.clock import Clock
from app.db import Begin
from app.errors import InvalidInput, TooMany
from app.keys import keyed_macs, seal, unseal
from app.outbound import OutboundError, Refused
from services.accounts.models import Staff
from services.apps.models import AppDevice
from services.integrations.clients import Outside
from services.integrations.push import MAX_BATCH, MAX_RECEIPTS, ProjectsMixed, PushClient, PushMessage, Receipt, Ticket, is_token
from services.notifications import outbox, preferences
from services.notifications.held import tell_of_hold
from services.notifications.models import Medium, Notification, NotificationState, PushToken, Urgency
from services.notifications.senders import Handed, NotSetUp
from services.notifications.service import BODY, SUBJECT

PUSH_JOB = "jobs.notifications.send_pushes"
TOKEN, TOKEN_MAC = "push-token", "push-token"
PROVIDER = "expo"
_RECEIPT_AFTER = timedelta(minutes=15)
# Expo keeps receipts for a day; one that never came says nothing.
_RECEIPTS_KEPT = timedelta(hours=23)
_GONE = "DeviceNotRegistered"
_AGAIN = frozenset({"MessageRateExceeded", "ExpoError", "ProviderError"})
# Of all processes together (push-and-sms.md §A2).
_PACE = limits.Limit("pushes", "600 per second")
_PAUSE_SECONDS = 0.2
Pause = Callable[[float], None]
_CONFIGURATION = frozenset({"MismatchSenderId", "InvalidCredentials", "UNAUTHORIZED"})


class BadPushToken(InvalidInput):
    code, title = "bad_push_token", "That is no push token"
    message = "A push token looks like ExponentPushToken[...]."


@dataclass(frozen=True)
class _Pushed:
    id: int
    message: PushMessage


def register(
    session: Session,
    *,
    token: str,
    customer_id: int | None = None,
    staff_id: int | None = None,
    app_device_id: int | None = None,
    now: datetime,
) -> PushToken:
    """The app of this person is on this phone: a phone has one owner, the last one that logged in, and one token. Raises BadPushToken."""
    if not is_token(token):
        raise BadPushToken
    macs = keyed_macs(TOKEN_MAC, token)
    # Two registrations at once of one phone must meet in one row.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(macs[0]))))
    known = session.exec(select(PushToken).where(col(PushToken.token_mac).in_(macs)).with_for_update()).first()
    if known is None:
        known = PushToken(token_mac=macs[0], token_sealed=seal(TOKEN, token.encode()), created_at=now)
    known.customer_id, known.staff_id, known.dropped_at, known.why = customer_id, staff_id, None, None
    # Since when it stands: what Expo says of pushes of before counts no more.
    known.app_device_id, known.created_at = app_device_id, now
    session.add(known)
    session.flush()
    if app_device_id is not None:
        others = (col(PushToken.app_device_id) == app_device_id) & (col(PushToken.id) != known.id) & col(PushToken.dropped_at).is_(None)
        session.execute(sa.update(PushToken).where(others).values(dropped_at=now, why="the app has another one"))
    return known


def drop(session: Session, *, token: str, customer_id: int | None = None, staff_id: int | None = None, now: datetime) -> None:
    """The person wants no pushes on this phone any more. An unknown token is fine, and another person's stays as it is."""
    owner = col(PushToken.staff_id) == staff_id if staff_id is not None else col(PushToken.customer_id) == customer_id
    of_it = col(PushToken.token_mac).in_(keyed_macs(TOKEN_MAC, token))
    session.execute(sa.update(PushToken).where(owner, of_it, col(PushToken.dropped_at).is_(None)).values(dropped_at=now, why="given back"))


def send_due(begin: Begin, outside: Outside, *, clock: Clock, pause: Pause = time.sleep) -> int:
    """Send pushes that are due until there are none, then ask for the receipts that are. Answers how many were handed over."""
    sent = 0
    while True:
        with begin() as session:
            claimed, found = _claim(session, now=clock())
        if claimed:
            sent += len(claimed)
            _hand_over(begin, outside.push, claimed, clock=clock, pause=pause)
        if found < MAX_BATCH:
            break
    if outside.push is not None:
        _ask_receipts(begin, outside.push, clock=clock)
    return sent


def _claim(session: Session, *, now: datetime) -> tuple[list[_Pushed], int]:
    rows = session.execute(
        sa.select(Notification, PushToken, AppDevice, Staff)
        .join(PushToken, col(PushToken.id) == col(Notification.push_token_id))
        .outerjoin(AppDevice, col(AppDevice.id) == col(PushToken.app_device_id))
        .outerjoin(Staff, col(Staff.id) == col(PushToken.staff_id))
        .where(
            col(Notification.next_attempt_at) <= now,
            col(Notification.medium) == Medium.PUSH,
            col(Notification.state) == NotificationState.QUEUED,
        )
        .order_by(col(Notification.next_attempt_at))
        .limit(MAX_BATCH)
        .with_for_update(of=Notification, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    wishes = preferences.for_pushes(session, [message for message, *_ in rows])
    claimed = []
    for message, token, device, person in rows:
        why_not = _why_not_there(message, token, device, person)
        if why_not is not None:
            outbox.end(message, NotificationState.SUPPRESSED, why_not)
        elif outbox.may_go(session, message, wishes.get((message.customer_id, message.staff_id)), now=now):
            pushed = _opened(message, token)
            if pushed.message.is_too_big:
                outbox.end(message, NotificationState.FAILED, "It is longer than a push may be.")
            else:
                claimed.append(pushed)
    return claimed, len(rows)


def _why_not_there(message: Notification, token: PushToken, device: AppDevice | None, person: Staff | None) -> str | None:
    """Why a push that was written for a phone does not go there any more. Asked when it is sent: it may have waited since."""
    if token.dropped_at is not None:
        return f"The phone is gone ({token.why})."
    if (token.customer_id, token.staff_id) != (message.customer_id, message.staff_id):
        return "Somebody else uses the phone now."
    if device is not None and device.revoked_at is not None:
        return "The phone was logged out."
    if person is not None and not (person.is_active and (device is None or device.staff_epoch == person.session_epoch)):
        return "The person was logged out everywhere."
    return None


def _opened(message: Notification, token: PushToken) -> _Pushed:
    assert message.id is not None
    title = unseal(SUBJECT, message.subject_sealed).decode() if message.subject_sealed else "INET"
    body = unseal(BODY, message.body_sealed).decode()
    to = unseal(TOKEN, token.token_sealed).decode()
    is_urgent = message.urgency in (Urgency.ONE_TIME, Urgency.URGENT)
    about = f"ticket:{message.ticket_id}" if message.ticket_id is not None else None
    return _Pushed(message.id, PushMessage(to, title, body, f"n-{message.id}", message.link, is_urgent, about))


def _hand_over(begin: Begin, push: PushClient | None, claimed: Sequence[_Pushed], *, clock: Clock, pause: Pause) -> None:
    """One request. A batch that is refused whole is taken apart, so that one bad message takes no other with it."""
    result: list[Ticket] | OutboundError
    try:
        if push is None:
            raise NotSetUp("push", "send", "No push service is configured.")
        keep_pace(len(claimed), pause)
        result = push.send([pushed.message for pushed in claimed])
    except Refused as refused:
        if len(claimed) > 1 and refused.code not in _CONFIGURATION:
            for part in _parts(claimed, refused):
                _hand_over(begin, push, part, clock=clock, pause=pause)
            return
        result = refused
    except OutboundError as failure:
        result = failure
    with begin() as session:
        _record(session, claimed, result, now=clock())


def keep_pace(number: int, pause: Pause) -> None:
    """Wait until so many more may be handed over; the caller has them in hand for two minutes (`outbox.LEASE`)."""
    while True:
        try:
            limits.count(_PACE, PROVIDER, cost=number)
        except TooMany:
            pause(_PAUSE_SECONDS)
        else:
            return


def _parts(claimed: Sequence[_Pushed], refused: Refused) -> Sequence[Sequence[_Pushed]]:
    """By project, where Expo says which token belongs to which; else two halves."""
    if isinstance(refused, ProjectsMixed) and len(parts := _by_project(claimed, refused)) > 1:
        return parts
    half = len(claimed) // 2
    return claimed[:half], claimed[half:]


def _by_project(claimed: Sequence[_Pushed], mixed: ProjectsMixed) -> list[list[_Pushed]]:
    project_of = {token: name for name, tokens in mixed.tokens.items() for token in tokens}
    parts: dict[str, list[_Pushed]] = {}
    for pushed in claimed:
        parts.setdefault(project_of.get(pushed.message.to, ""), []).append(pushed)
    return list(parts.values())


def _record(session: Session, claimed: Sequence[_Pushed], result: list[Ticket] | OutboundError, *, now: datetime) -> None:
    rows = _locked(session, [pushed.id for pushed in claimed])
    for number, pushed in enumerate(claimed):
        message = rows[pushed.id]
        if message.state not in (NotificationState.SENDING, NotificationState.UNKNOWN):
            continue
        if isinstance(result, list):
            _take_ticket(session, message, result[number], now=now)
        elif isinstance(result, Refused) and result.code in _CONFIGURATION:
            tell_of_hold(session, result.detail, now=now)
            outbox.retry(message, result.detail, 900, now=now)
        else:
            outbox.record(session, message, result, now=now)


def _take_ticket(session: Session, message: Notification, ticket: Ticket, *, now: datetime) -> None:
    if ticket.id is not None:
        outbox.record(session, message, Handed(PROVIDER, ticket.id), now=now)
        message.next_attempt_at = now + _RECEIPT_AFTER
    else:
        _failed(session, message, ticket.error or "Unknown", now=now)


def _failed(session: Session, message: Notification, error: str, *, now: datetime) -> None:
    if error == _GONE:
        token = session.get(PushToken, message.push_token_id, with_for_update=True) if message.push_token_id is not None else None
        # The phone may have been registered anew since it was sent to.
        if token is not None and token.dropped_at is None and (message.handed_at is None or token.created_at <= message.handed_at):
            token.dropped_at, token.why = now, "the app is no longer on it"
        outbox.end(message, NotificationState.FAILED, _GONE)
    elif error in _AGAIN:
        message.provider_id = None
        outbox.retry(message, error, outbox.delay_seconds(message.attempts), now=now)
    else:
        if error in _CONFIGURATION:
            tell_of_hold(session, error, now=now)
        outbox.end(message, NotificationState.FAILED, error)


def _ask_receipts(begin: Begin, push: PushClient, *, clock: Clock) -> None:
    while True:
        with begin() as session:
            waiting = _due_receipts(session, now=clock())
        if not waiting:
            return
        try:
            receipts = push.receipts(list(waiting))
        except OutboundError:
            # Asking is harmless: the rows were put off when they were taken, and are asked about again then.
            return
        with begin() as session:
            rows = _locked(session, list(waiting.values()))
            for provider_id, message_id in waiting.items():
                _take_receipt(session, rows[message_id], receipts.get(provider_id), now=clock())


def _due_receipts(session: Session, *, now: datetime) -> dict[str, int]:
    rows = session.exec(
        select(Notification)
        .where(
            col(Notification.next_attempt_at) <= now,
            Notification.medium == Medium.PUSH,
            Notification.state == NotificationState.SENT,
        )
        .limit(MAX_RECEIPTS)
        .with_for_update(skip_locked=True)
    ).all()
    for message in rows:
        message.next_attempt_at = now + _RECEIPT_AFTER
    return {message.provider_id: message.id for message in rows if message.provider_id and message.id}


def _take_receipt(session: Session, message: Notification, receipt: Receipt | None, *, now: datetime) -> None:
    if message.state is not NotificationState.SENT:
        return
    if receipt is None:
        if message.sent_at is None or now - message.sent_at > _RECEIPTS_KEPT:
            message.next_attempt_at, message.error = None, "Expo never said what became of it."
    elif receipt.error is None:
        message.state, message.delivered_at, message.next_attempt_at = NotificationState.DELIVERED, now, None
    else:
        _failed(session, message, receipt.error, now=now)


def _locked(session: Session, ids: Sequence[int]) -> dict[int, Notification]:
    wanted = select(Notification).where(col(Notification.id).in_(ids)).order_by(col(Notification.id)).with_for_update()
    return {row.id: row for row in session.exec(wanted.execution_options(populate_existing=True)).all() if row.id is not None}
