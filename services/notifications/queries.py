"""Long reads of messages: the outbox, one message, a person's bell, and how each message of a ticket fared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.keys import unseal
from services.accounts.errors import BadPhone
from services.accounts.models import Customer, Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.phones import parse_phone
from services.listing import Listing, Slice, count, fetch, pick
from services.notifications.desk import GIVEN_UP, NotificationNotFound
from services.notifications.events import event_named
from services.notifications.models import Medium, Notification, NotificationState, Urgency
from services.notifications.policy import Held
from services.notifications.service import ADDRESS, SUBJECT, body_of
from services.tickets.models import Ticket

_SORTS: dict[str, Sequence[Any]] = {"created": (col(Notification.created_at), col(Notification.id))}
BELLS_SHOWN = 20


@dataclass(frozen=True)
class NotificationFilter:
    """`search` is a customer's phone number, a ticket's reference, or how an event's name begins. `given_up`: what waits for a person."""

    state: NotificationState | None = None
    medium: Medium | None = None
    event: str | None = None
    given_up: bool = False
    customer_id: int | None = None
    ticket_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""


@dataclass(frozen=True)
class NotificationRow:
    """`to` is masked: a phone number, a mail address or a member of staff."""

    notification: Notification
    to: str
    ticket_reference: str | None

    @property
    def title(self) -> str:
        return event_named(self.notification.event).title

    @property
    def is_given_up(self) -> bool:
        return self.notification.state in GIVEN_UP and self.notification.dismissed_at is None

    @property
    def may_be_retried(self) -> bool:
        return self.notification.state in GIVEN_UP and self.notification.urgency is not Urgency.ONE_TIME


@dataclass(frozen=True)
class Delivery:
    """How one message of a ticket fared on one medium."""

    notification_id: int
    ticket_message_id: int | None
    event: str
    medium: Medium
    state: NotificationState
    error: str | None
    at: datetime


@dataclass(frozen=True)
class Bell:
    """One piece of news of a person's own."""

    id: int
    text: str
    link: str | None
    at: datetime
    is_new: bool


@dataclass(frozen=True)
class Outlook:
    """What stands at the head of the outbox: what waits, what was given up, and texts of the last hour."""

    given_up: int
    waiting: int
    held_by_budget: int
    texts_this_hour: int


def list_notifications(session: Session, *, actor: Principal, wanted: NotificationFilter, part: Slice) -> Listing[NotificationRow]:
    """Messages to customers and staff, without bells. Raises Forbidden."""
    actor.require(Permission.NOTIFICATIONS_READ)
    conditions = _conditions(wanted)
    query = _rows().where(*conditions)
    rows = fetch(session, query, part, sorts=_SORTS, default_sort="created")
    total, is_estimate = count(session, sa.select(col(Notification.id)).where(*conditions), part=part)
    return Listing(tuple(_row(*row) for row in rows), total, is_estimate)


def notification_row(session: Session, *, actor: Principal, notification_id: int) -> NotificationRow:
    """Raises Forbidden, NotificationNotFound."""
    actor.require(Permission.NOTIFICATIONS_READ)
    row = session.execute(_rows().where(col(Notification.id) == notification_id)).one_or_none()
    if row is None:
        raise NotificationNotFound
    return _row(*row)


def outlook(session: Session, *, actor: Principal, now: datetime) -> Outlook:
    """Raises Forbidden."""
    actor.require(Permission.NOTIFICATIONS_READ)
    waiting = col(Notification.next_attempt_at).is_not(None) & (col(Notification.state) == NotificationState.QUEUED)
    texts = sa.select(sa.func.coalesce(sa.func.sum(col(Notification.segments)), 0)).where(
        col(Notification.medium) == Medium.SMS, col(Notification.handed_at) > now - timedelta(hours=1)
    )

    def number(*conditions: sa.ColumnElement[bool]) -> int:
        return count(session, sa.select(col(Notification.id)).where(*conditions))[0]

    return Outlook(
        given_up=number(*_given_up()),
        waiting=number(waiting),
        held_by_budget=number(waiting, col(Notification.error) == Held.BUDGET.value),
        texts_this_hour=int(session.execute(texts).scalar_one()),
    )


def deliveries_of(session: Session, ticket_id: int) -> tuple[Delivery, ...]:
    """How the messages about a ticket fared, oldest first; who may see the ticket may see this."""
    found = session.exec(
        select(Notification)
        .where(Notification.ticket_id == ticket_id, Notification.medium != Medium.BELL, col(Notification.staff_id).is_(None))
        .order_by(col(Notification.id))
        .limit(500)
    ).all()
    return tuple(
        Delivery(
            row.id or 0,
            row.ticket_message_id,
            row.event,
            row.medium,
            row.state,
            row.error,
            row.delivered_at or row.sent_at or row.created_at,
        )
        for row in found
    )


def unread_bells(session: Session, *, actor: Principal) -> int:
    """How many pieces of news the person has not seen, counted up to 100."""
    wanted = sa.select(col(Notification.id)).where(*_own_bells(actor), col(Notification.read_at).is_(None)).limit(100)
    return int(session.execute(sa.select(sa.func.count()).select_from(wanted.subquery())).scalar_one())


def bells(session: Session, *, actor: Principal) -> tuple[Bell, ...]:
    """The newest of the person's own news."""
    found = session.exec(select(Notification).where(*_own_bells(actor)).order_by(col(Notification.id).desc()).limit(BELLS_SHOWN)).all()
    return tuple(Bell(row.id or 0, body_of(row.body_sealed), row.link, row.created_at, row.read_at is None) for row in found)


def words_sent(session: Session, *, actor: Principal, notification_id: int) -> tuple[str, str]:
    """Subject and body as they went; of what holds a code, none. Raises Forbidden, NotificationNotFound."""
    return words_shown(notification_row(session, actor=actor, notification_id=notification_id).notification)


def words_shown(message: Notification) -> tuple[str, str]:
    """Subject and body as staff may read them; the caller has asked who reads."""
    if message.urgency is Urgency.ONE_TIME:
        return "", "(a one-time code is shown to nobody)"
    if event_named(message.event).holds_secret:
        return "", "(it holds a voucher's code: who may see that reads it on the voucher's page)"
    subject = unseal(SUBJECT, message.subject_sealed).decode() if message.subject_sealed else ""
    return subject, body_of(message.body_sealed)


def _own_bells(actor: Principal) -> list[sa.ColumnElement[bool]]:
    owner = actor.id if actor.kind == "staff" else -1
    return [col(Notification.staff_id) == owner, col(Notification.medium) == Medium.BELL]


def _given_up() -> tuple[sa.ColumnElement[bool], ...]:
    # Spelled as the partial index is.
    return (sa.text("notification.state IN ('failed', 'unknown')"), col(Notification.dismissed_at).is_(None))  # type: ignore[return-value]


def _rows() -> sa.Select[Any]:
    return (
        pick(Notification, Customer, Staff.name, Ticket.reference)
        .select_from(Notification)
        .outerjoin(Customer, col(Customer.id) == col(Notification.customer_id))
        .outerjoin(Staff, col(Staff.id) == col(Notification.staff_id))
        .outerjoin(Ticket, col(Ticket.id) == col(Notification.ticket_id))
    )


def _row(message: Notification, customer: Customer | None, staff_name: str | None, reference: str | None) -> NotificationRow:
    if message.address_sealed:
        to = mask_address(unseal(ADDRESS, message.address_sealed).decode())
    elif customer is not None:
        to = customer.masked_phone
    else:
        to = staff_name or "?"
    return NotificationRow(message, to, reference)


def mask_address(address: str) -> str:
    """`a••• @example.gm`, or `+220 ••• 2345` of a number that is no customer's."""
    if "@" not in address:
        return f"{address[:4]} ••• {address[-4:]}"
    name, _, host = address.rpartition("@")
    return f"{name[:1]}•••@{host}"


def _conditions(wanted: NotificationFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [col(Notification.medium) != Medium.BELL]
    if wanted.given_up:
        conditions += _given_up()
    for column, value in (
        (Notification.state, wanted.state),
        (Notification.medium, wanted.medium),
        (Notification.event, wanted.event),
        (Notification.customer_id, wanted.customer_id),
        (Notification.ticket_id, wanted.ticket_id),
    ):
        if value is not None:
            conditions.append(col(column) == value)
    if wanted.since is not None:
        conditions.append(col(Notification.created_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Notification.created_at) < wanted.until)
    if text := wanted.search.strip():
        conditions.append(_matches(text))
    return conditions


def _matches(text: str) -> sa.ColumnElement[bool]:
    try:
        phone = parse_phone(text).canonical
    except BadPhone:
        tickets = sa.select(col(Ticket.id)).where(col(Ticket.reference) == text.upper())
        return sa.or_(col(Notification.ticket_id).in_(tickets), col(Notification.event).startswith(text.lower(), autoescape=True))
    return col(Notification.customer_id).in_(sa.select(col(Customer.id)).where(col(Customer.phone_e164) == phone))
