"""Texts to a number, whether it is a customer's or nobody's: not yet, or not any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlmodel import Session, col, select

from app.keys import seal
from app.queue import ring
from services.accounts.customers import find_customer
from services.notifications.events import event_named
from services.notifications.models import Medium, Notification, NotificationTemplate
from services.notifications.rendering import render
from services.notifications.segments import cost_of
from services.notifications.service import ADDRESS, BODY, SEND_JOB, Recipient, tell
from services.notifications.wording import FALLBACK_LANGUAGE, shipped


def to_number(
    session: Session, number: str, *, event: str, values: Mapping[str, object], dedupe_key: str, language: str | None = None, now: datetime
) -> None:
    """`tell` for a text. To a customer in their language, else in `language`. `number` is E.164, in the 9-digit form where there is one.

    `dedupe_key` is of news that is told only once.
    """
    owner = find_customer(session, phone=number)
    if owner is not None:
        tell(session, event=event, to=Recipient(customer_id=owner.id), values=values, dedupe_key=dedupe_key, media=(Medium.SMS,), now=now)
        return
    language = language or FALLBACK_LANGUAGE
    template_id, words = _words(session, event, language)
    body = render(words, values)
    message = Notification(
        dedupe_key=dedupe_key,
        event=event,
        medium=Medium.SMS,
        urgency=event_named(event).urgency,
        language=language,
        # What `tell` has no word for: a number without a customer.
        address_sealed=seal(ADDRESS, number.encode()),
        template_id=template_id,
        body_sealed=seal(BODY, body.encode()),
        segments=cost_of(body).segments,
        next_attempt_at=now,
        created_at=now,
    )
    session.add(message)
    session.flush()
    assert message.id is not None
    ring(session, SEND_JOB, message.id)


def _words(session: Session, event: str, language: str) -> tuple[int | None, str]:
    """Staff's words in the language before the product's, and theirs in English where the product has none in it."""
    active = select(NotificationTemplate).where(
        NotificationTemplate.event == event, NotificationTemplate.medium == Medium.SMS, col(NotificationTemplate.is_active)
    )
    own = {template.language: template for template in session.exec(active).all()}
    product = shipped(event, Medium.SMS, language)
    is_english = product == shipped(event, Medium.SMS, FALLBACK_LANGUAGE)
    chosen = own.get(language) or (own.get(FALLBACK_LANGUAGE) if is_english else None)
    return (chosen.id, chosen.body) if chosen is not None else (None, product.body)
