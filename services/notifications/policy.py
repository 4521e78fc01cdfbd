"""What holds a message up or back: the person's wishes, quiet hours, the hourly budget. Asked at the moment of sending."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Session, col

from app.settings import get_settings
from services.notifications.events import event_named
from services.notifications.models import ContactPreference, Medium, Notification, Urgency

_HOUR = timedelta(hours=1)
# Receipts of pushes are asked for after a quarter of an hour.
PUSH_ARRIVES_WITHIN = timedelta(minutes=30)
_BUDGET_LOCK = 0x1E7_5A5
# After this long a message is given up: what it says is no longer news, or the person found another way.
GIVE_UP_AFTER = {
    Urgency.ONE_TIME: timedelta(minutes=2),
    Urgency.URGENT: timedelta(hours=24),
    Urgency.NORMAL: timedelta(hours=24),
    Urgency.NEWS: timedelta(hours=36),
}


class Held(StrEnum):
    """Why a message waits, as staff reads it."""

    QUIET = "Waits for the end of the quiet hours"
    BUDGET = "Waits because this hour's texts are used up"
    APP = "Waits for the app: it is texted if the push does not arrive"


def is_too_late(message: Notification, *, at: datetime) -> bool:
    """Whether by then what it says is no longer of use."""
    return at - (message.retried_at or message.created_at) > GIVE_UP_AFTER[message.urgency]


def is_unwanted(message: Notification, preference: ContactPreference | None) -> bool:
    """Whether the person does not want it. A one-time code was asked for this very minute; an answer is still mailed."""
    if preference is None or preference.opted_out_at is None or message.urgency is Urgency.ONE_TIME:
        return False
    return not (message.medium is Medium.EMAIL and event_named(message.event).is_answer)


def quiet_until(message: Notification, preference: ContactPreference | None, *, now: datetime) -> datetime | None:
    """When the quiet hours end that hold this message now: the person's own, or the night for news. Banjul's clock is UTC all year.

    Nothing holds what is urgent. Staff has no quiet hours but those that they choose.
    """
    if message.urgency in (Urgency.ONE_TIME, Urgency.URGENT):
        return None
    begin, end = (preference.quiet_from, preference.quiet_until) if preference is not None else (None, None)
    if begin is None or end is None:
        night = get_settings().night
        if message.urgency is not Urgency.NEWS or message.medium is Medium.EMAIL or message.staff_id is not None or night is None:
            return None
        begin, end = night
    return end_of_quiet(begin, end, now=now)


def end_of_quiet(begin: time, end: time, *, now: datetime) -> datetime | None:
    """The end of the span that `now` lies in, None outside of it. A span may cross midnight; one of no length holds nothing."""
    clock = now.time()
    is_inside = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not is_inside:
        return None
    ends = datetime.combine(now.date(), end, tzinfo=now.tzinfo)
    return ends if ends > now else ends + timedelta(days=1)


def over_budget_until(session: Session, message: Notification, *, now: datetime) -> datetime | None:
    """When the hour has room again for a text that can wait; None when there is room, or it cannot wait."""
    cap = get_settings().sms_per_hour
    if not cap or message.medium is not Medium.SMS or message.urgency in (Urgency.ONE_TIME, Urgency.URGENT):
        return None
    # Two workers must not both take the last place.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_BUDGET_LOCK)))
    in_window = (col(Notification.medium) == Medium.SMS) & (col(Notification.handed_at) > now - _HOUR)
    used, oldest = session.execute(
        sa.select(sa.func.coalesce(sa.func.sum(col(Notification.segments)), 0), sa.func.min(col(Notification.handed_at))).where(in_window)
    ).one()
    if used + message.segments <= cap:
        return None
    return max((oldest or now) + _HOUR, now + timedelta(minutes=1))
