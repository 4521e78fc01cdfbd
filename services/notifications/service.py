"""Telling somebody something: rows of the outbox, written in the transaction of the change they tell of, sent after its commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.events import publish
from app.keys import seal
from app.queue import ring
from app.settings import get_settings
from services.accounts.models import Customer, Staff
from services.notifications.events import Event, event_named
from services.notifications.models import (
    ContactPreference,
    Medium,
    Notification,
    NotificationState,
    NotificationTemplate,
    PushToken,
)
from services.notifications.rendering import render
from services.notifications.segments import cost_of
from services.notifications.wording import FALLBACK_LANGUAGE, Words, shipped

SEND_JOB = "jobs.notifications.send"
BODY, ADDRESS, SUBJECT, HEADERS = "sms-body", "notification-address", "notification-subject", "mail-headers"
_MAX_TEXT, _MAX_SUBJECT = 600, 200


@dataclass(frozen=True)
class Recipient:
    """A customer, a member of staff, or a mail address. A customer with `email` is one who writes mails, and gets them."""

    customer_id: int | None = None
    staff_id: int | None = None
    email: str | None = None
    language: str | None = None


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
    bell leads. Answers the ids of the messages that are new; none when there is no way to the person.
    """
    told = event_named(event)
    language, templates = _words_for(session, told, to)
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
    fresh = []
    for medium in _media(session, told, to, wanted=media or told.media):
        content = _content(event, medium, language, templates, values or {})
        if medium is Medium.PUSH:
            for token_id in _live_tokens(session, to):
                key = f"{dedupe_key}:push:{token_id}"
                fresh += _queue(session, row | content | {"dedupe_key": key, "medium": medium, "push_token_id": token_id, "link": link})
        elif medium is Medium.BELL:
            bell = {"state": NotificationState.DELIVERED, "next_attempt_at": None, "sent_at": now, "delivered_at": now, "link": link}
            fresh += _queue(session, row | content | bell | {"dedupe_key": f"{dedupe_key}:bell", "medium": medium})
        else:
            # A text and a mail stand for each other: whoever got one does not get the other.
            more = _mail_fields(to, headers) if medium is Medium.EMAIL else {}
            key = f"{dedupe_key}:email" if to.staff_id else dedupe_key
            fresh += _queue(session, row | content | more | {"dedupe_key": key, "medium": medium})
    return tuple(fresh)


def _words_for(session: Session, event: Event, to: Recipient) -> tuple[str, list[_Template]]:
    """The person's language and staff's own words for the event, in one question: a payment pays for each."""
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
                .where(col(Customer.id) == to.customer_id)
            ).all()
        ]
    language = to.language or next((row[0] for row in rows), None) or FALLBACK_LANGUAGE
    return language, [_Template(*row[1:]) for row in rows if row[1] is not None]


def _media(session: Session, event: Event, to: Recipient, *, wanted: Sequence[Medium]) -> list[Medium]:
    if to.staff_id is not None:
        # Staff has the bell; without a mail server there is nothing to complain of.
        return [medium for medium in wanted if medium is not Medium.EMAIL or get_settings().email_url]
    if len(wanted) == 1:
        return [medium for medium in wanted if medium is not Medium.EMAIL or to.email]
    out = _opted_out(session, to)
    chosen = [Medium.PUSH] if Medium.PUSH in wanted and Medium.PUSH not in out else []
    # Who writes mails is answered by mail; else by text. When the better way is unwanted the other one is tried.
    ways = [medium for medium, is_open in ((Medium.EMAIL, to.email), (Medium.SMS, to.customer_id)) if is_open and medium in wanted]
    addressed = [medium for medium in ways if medium not in out] or (ways if event.is_answer else [])
    return chosen + addressed[:1]


def _opted_out(session: Session, to: Recipient) -> set[Medium]:
    if to.customer_id is None:
        return set()
    return set(
        session.execute(
            sa.select(col(ContactPreference.medium)).where(
                col(ContactPreference.customer_id) == to.customer_id, col(ContactPreference.opted_out_at).is_not(None)
            )
        ).scalars()
    )


def _live_tokens(session: Session, to: Recipient) -> Sequence[int]:
    owner = col(PushToken.staff_id) == to.staff_id if to.staff_id is not None else col(PushToken.customer_id) == to.customer_id
    return session.execute(sa.select(col(PushToken.id)).where(owner, col(PushToken.dropped_at).is_(None))).scalars().all()


def _content(event: str, medium: Medium, language: str, templates: list[_Template], values: Mapping[str, object]) -> dict[str, Any]:
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


def _mail_fields(to: Recipient, headers: Mapping[str, str] | None) -> dict[str, Any]:
    return {
        # Staff's own address is asked for when it is sent: the person may be gone by then.
        "address_sealed": seal(ADDRESS, to.email.encode()) if to.email and to.staff_id is None else None,
        "headers_sealed": seal(HEADERS, orjson.dumps(dict(headers))) if headers else None,
    }


def _queue(session: Session, row: dict[str, Any]) -> list[int]:
    fresh = session.execute(
        insert(Notification).values(row).on_conflict_do_nothing(index_elements=["dedupe_key"]).returning(col(Notification.id))
    ).scalar_one_or_none()
    if fresh is None:
        return []
    if row["medium"] is Medium.BELL:
        publish(session, "bell", row["staff_id"])
    else:
        ring(session, SEND_JOB, fresh)
    return [fresh]


def staff_with(session: Session, *roles: str) -> Sequence[int]:
    """Who of the staff has one of the roles and may log in."""
    return session.execute(sa.select(col(Staff.id)).where(col(Staff.role).in_(roles), col(Staff.is_active))).scalars().all()
