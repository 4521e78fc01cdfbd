"""A text that waits for the app: it goes only when the push of the same news did not arrive, and the notice was not read.

Pushes cost nothing and may be lost without a word, texts cost money and arrive. So nothing is left to a push alone: its receipt, or the
person's own reading, is what spares the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from services.notifications.events import event_named
from services.notifications.models import Medium, Notification, NotificationState
from services.notifications.policy import PUSH_ARRIVES_WITHIN, Held

ARRIVED = "It arrived in the app."
_ON_THE_WAY = (NotificationState.QUEUED, NotificationState.SENDING, NotificationState.SENT)


@dataclass(frozen=True)
class Verdict:
    """`until`: the text waits on; `arrived`: it is not needed; neither: it goes."""

    arrived: bool = False
    until: datetime | None = None


def ask(session: Session, message: Notification, *, now: datetime) -> Verdict:
    """What becomes of a text now. Staff's own wish to send it (again) waits for nothing."""
    is_waiting_text = message.medium is Medium.SMS and message.customer_id is not None and message.attempts == 0
    if not is_waiting_text or message.retried_at is not None or not event_named(message.event).is_app_first:
        return Verdict()
    columns = (Notification.medium, Notification.state, Notification.error, Notification.next_attempt_at, Notification.sent_at)
    found = session.execute(
        sa.select(*map(col, columns), col(Notification.read_at)).where(
            col(Notification.customer_id) == message.customer_id,
            col(Notification.medium).in_((Medium.PUSH, Medium.BELL)),
            col(Notification.event) == message.event,
            col(Notification.created_at) == message.created_at,
            col(Notification.dedupe_key).startswith(f"{message.dedupe_key}:", autoescape=True),
        )
    ).all()
    pushes = [row for row in found if row.medium is Medium.PUSH]
    if any(row.read_at is not None for row in found) or any(row.state is NotificationState.DELIVERED for row in pushes):
        return Verdict(arrived=True)
    # A push that its own quiet hours hold has not had its chance yet.
    ends = [
        ((row.next_attempt_at if row.error == Held.QUIET.value else row.sent_at) or message.created_at) + PUSH_ARRIVES_WITHIN
        for row in pushes
        if row.state in _ON_THE_WAY
    ]
    return Verdict(until=max(ends)) if ends and max(ends) > now else Verdict()
