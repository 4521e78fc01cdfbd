"""Telling somebody something: rows of the outbox, written in the transaction of the change they tell of, sent after its commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.events import publish
from app.keys import seal, unseal
from app.queue import ring
from app.settings import get_settings
from services.accounts.models import Customer, Staff
from services.apps.models import AppDevice
from services.notifications.events import Event, event_named
from services.notifications.models import (
    ContactPreference,
    Medium,
    Notification,
    NotificationState,
    NotificationTemplate,
    PushToken,
)
from services.notifications.policy import PUSH_ARRIVES_WITHIN, Held
from services.notifications.rendering import NEVER_PUSHED, render
from services.notifications.segments import cost_of
from services.notifications.wording import FALLBACK_LANGUAGE, Words, shipped

SEND_JOB = "jobs.notifications.send"
BODY, ADDRESS, SUBJECT, HEADERS = "sms-body", "notification-address", "notification-subject", "mail-headers"
NO_LONGER_KEPT = "(no longer kept)"
_MAX_TEXT, _MAX_SUBJECT = 600, 200
# An app that was not opened for longer may be on a phone in a drawer.
_APP_IS_USED = timedelta(days=3)


@dataclass(frozen=True)
class Recipient:
    """A customer, a member of staff, or a mail address. A customer with `email` is one who writes mails, and gets them."""

    customer_id: int | None = None
    staff_id: int | None = None
    email: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class _Standing:
    """What a person does not want, whether they have the app, and where pushes go. `reads_app`: it was used lately."""

    opted_out: frozenset[Medium] = frozenset()
    tokens: tuple[int, ...] = ()
    has_app: bool = False
    reads_app: bool = False


@dataclass(frozen=True)
class _Template:
    id: int
    medium: Medium
    language: str
    subject: str
    body: str


def tell(
    session: Session,
    *,
    event: str,
    to: Recipient,
    values: Mapping[str, object] | None = None,
    dedupe_key: str,
    ticket_id: int | None = None,
    ticket_message_id: int | None = None,
    media: Sequence[Medium] | None = None,
    headers: Mapping[str, str] | None = None,
    link: str | None = None,
    now: datetime,
) -> tuple[int, ...]:
    """Have somebody told after the commit, on the media that the event, the person's wishes and what we know of them leave.

    The same news (`dedupe_key`, of at most 100 characters) is never told twice. `headers` are further fields of a mail, `link` is where a
    bell leads. Answers the ids of the messages that are new; none when there is no way to the person, or they deleted their account.

    A customer with the app finds it among the notices as well. A text that can wait then waits for the app (services/notifications/
    app_first.py), because it costs money.
    """
    told = event_named(event)
    language, templates = _words_for(session, told, to)
    if language is None:
        return ()
    row: dict[str, Any] = {
        "event": event,
        "urgency": told.urgency,
        "customer_id": to.customer_id,
        "staff_id": to.staff_id,
        "language": language,
        "ticket_id": ticket_id,
        "ticket_message_id": ticket_message_id,
        "attempts": 0,
        "state": NotificationState.QUEUED,
        "next_attempt_at": now,
        "created_at": now,
    }
    wanted = media or told.media
    standing = _standing(session, to, now=now) if len(wanted) > 1 or Medium.PUSH in wanted else _Standing()
    chosen = _media(session, told, to, standing, wanted=wanted)
    waits = told.is_app_first and standing.reads_app and Medium.PUSH in chosen
    fresh: list[int] = []
    for medium in chosen:
        content = _content(event, medium, language, templates, values or {}, is_customers=to.staff_id is None)
        if medium is Medium.PUSH:
            for token_id in standing.tokens:
                key = f"{dedupe_key}:push:{token_id}"
                fresh += _queue(session, row | content | {"dedupe_key": key, "medium": medium, "push_token_id": token_id, "link": link})
            continue
        if medium is Medium.BELL:
            bell = {"state": NotificationState.DELIVERED, "next_attempt_at": None, "sent_at": now, "delivered_at": now, "link": link}
            new = _queue(session, row | content | bell | {"dedupe_key": f"{dedupe_key}:bell", "medium": medium})
        else:
            # A text and a mail stand for each other: whoever got one does not get the other.
            more = _mail_fields(to, headers) if medium is Medium.EMAIL else {}
            if medium is Medium.SMS and waits:
                more = {"next_attempt_at": now + PUSH_ARRIVES_WITHIN, "error": Held.APP.value}
            key = f"{dedupe_key}:email" if to.staff_id else dedupe_key
            new = _queue(session, row | content | more | {"dedupe_key": key, "medium": medium}, rings="error" not in more)
        if not new and to.staff_id is None:
            # They heard of it before, perhaps by another way than they would now: the app may be new since.
            break
        fresh += new
    return tuple(fresh)


def _words_for(session: Session, event: Event, to: Recipient) -> tuple[str | None, list[_Template]]:
    """The person's language and staff's own words for the event, in one question: a payment pays for each. No language: nobody to tell."""
    template = NotificationTemplate
    columns = [template.id, template.medium, template.language, template.subject, template.body]
    wanted = sa.and_(col(template.event) == event.name, col(template.is_active))
    if to.customer_id is None:
        rows = [(to.language, *row) for row in session.execute(sa.select(*map(col, columns)).where(wanted)).all()]
    else:
        rows = [
            tuple(row)
            for row in session.execute(
                sa.select(col(Customer.language), *map(col, columns))
                .select_from(Customer)
                .outerjoin(template, wanted)
                .where(col(Customer.id) == to.customer_id, col(Customer.erased_at).is_(None))
            ).all()
        ]
        if not rows:
            return None, []
    language = to.language or next((row[0] for row in rows), None) or FALLBACK_LANGUAGE
    return language, [_Template(*row[1:]) for row in rows if row[1] is not None]


def _media(session: Session, event: Event, to: Recipient, standing: _Standing, *, wanted: Sequence[Medium]) -> list[Medium]:
    """In the order in which they are written: what tells that it was told before comes first, pushes last."""
    if to.staff_id is not None:
        # Staff has the bell; without a mail server there is nothing to complain of.
        wanted = [medium for medium in wanted if medium is not Medium.PUSH or medium not in standing.opted_out]
        return [medium for medium in wanted if medium is not Medium.EMAIL or get_settings().email_url]
    if len(wanted) == 1 and Medium.PUSH not in wanted:
        return [medium for medium in wanted if medium is not Medium.EMAIL or to.email]
    out = standing.opted_out
    app = [Medium.BELL] if event.is_kept_in_app and standing.has_app else []
    app += [Medium.PUSH] if standing.tokens and Medium.PUSH not in out else []
    # Who writes mails is answered by mail; else by text. When the better way is unwanted the other one is tried.
    ways = [medium for medium, is_open in ((Medium.EMAIL, to.email), (Medium.SMS, to.customer_id)) if is_open and medium in wanted]
    addressed = [medium for medium in ways if medium not in out] or (ways if event.is_answer else [])
    return addressed[:1] + app


def _standing(session: Session, to: Recipient, *, now: datetime) -> _Standing:
    """In one question: a payment pays for each."""
    if to.customer_id is None and to.staff_id is None:
        return _Standing()

    def own(table: type[AppDevice | ContactPreference | PushToken]) -> sa.ColumnElement[bool]:
        return col(table.staff_id) == to.staff_id if to.staff_id is not None else col(table.customer_id) == to.customer_id

    live = sa.select(col(PushToken.id)).outerjoin(AppDevice, col(AppDevice.id) == col(PushToken.app_device_id))
    live = live.where(own(PushToken), col(PushToken.dropped_at).is_(None), col(AppDevice.revoked_at).is_(None)).order_by(col(PushToken.id))
    out = sa.select(col(ContactPreference.medium)).where(own(ContactPreference), col(ContactPreference.opted_out_at).is_not(None))
    phones = sa.exists().where(own(AppDevice), col(AppDevice.revoked_at).is_(None))
    used = live.where(col(AppDevice.last_seen_at) > now - _APP_IS_USED).exists()
    array = sa.func.array
    tokens, unwanted, has_app, reads_app = session.execute(
        sa.select(array(live.scalar_subquery()), array(out.scalar_subquery()), phones, used)
    ).one()
    return _Standing(frozenset(Medium(one) for one in unwanted), tuple(tokens), has_app, reads_app)


def _content(
    event: str, medium: Medium, language: str, templates: list[_Template], values: Mapping[str, object], *, is_customers: bool
) -> dict[str, Any]:
    if medium is Medium.PUSH or (medium is Medium.BELL and is_customers):
        # A notice in the app says what a push says. Whatever a template names, no secret goes along.
        template_id, words = words_of(event, Medium.PUSH, language, templates)
        values = {name: "" if name in NEVER_PUSHED else value for name, value in values.items()}
    else:
        template_id, words = words_of(event, medium, language, templates)
    body = render(words.body, values)
    if medium is Medium.SMS:
        body = body if len(body) <= _MAX_TEXT else body[: _MAX_TEXT - 3] + "..."
    # A subject is one line, whatever a value brings.
    subject = " ".join(render(words.subject, values).split())[:_MAX_SUBJECT]
    return {
        "template_id": template_id,
        "body_sealed": seal(BODY, body.encode()),
        "subject_sealed": seal(SUBJECT, subject.encode()) if subject else None,
        "segments": cost_of(body).segments if medium is Medium.SMS else 0,
    }


def words_of(event: str, medium: Medium, language: str, templates: Sequence[_Template]) -> tuple[int | None, Words]:
    """Staff's words in the language, else the product's in it, else staff's in English, else the product's."""
    by_language = {template.language: template for template in templates if template.medium is medium}
    own = by_language.get(language)
    if own is None and shipped(event, medium, language) == shipped(event, medium, FALLBACK_LANGUAGE):
        own = by_language.get(FALLBACK_LANGUAGE)
    if own is not None:
        return own.id, Words(own.subject, own.body)
    return None, shipped(event, medium, language)


def body_of(sealed: str) -> str:
    """The words of a message as they were sent; after their time (services/operations/retention), that they are no longer kept."""
    return unseal(BODY, sealed).decode() if sealed else NO_LONGER_KEPT


def _mail_fields(to: Recipient, headers: Mapping[str, str] | None) -> dict[str, Any]:
    return {
        # Staff's own address is asked for when it is sent: the person may be gone by then.
        "address_sealed": seal(ADDRESS, to.email.encode()) if to.email and to.staff_id is None else None,
        "headers_sealed": seal(HEADERS, orjson.dumps(dict(headers))) if headers else None,
    }


def _queue(session: Session, row: dict[str, Any], *, rings: bool = True) -> list[int]:
    fresh = session.execute(
        insert(Notification).values(row).on_conflict_do_nothing(index_elements=["dedupe_key"]).returning(col(Notification.id))
    ).scalar_one_or_none()
    if fresh is None:
        return []
    if row["medium"] is Medium.BELL:
        # A customer's phone hears of it with its next sync.
        if row["staff_id"] is not None:
            publish(session, "bell", row["staff_id"])
    elif rings:
        ring(session, SEND_JOB, fresh)
    return [fresh]


def staff_with(session: Session, *roles: str) -> Sequence[int]:
    """Who of the staff has one of the roles and may log in."""
    return session.execute(sa.select(col(Staff.id)).where(col(Staff.role).in_(roles), col(Staff.is_active))).scalars().all()
