"""What staff does with messages: send one again, take one off the list, read the bell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import Conflict, NotFound
from app.events import publish
from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications.models import Medium, Notification, NotificationState, Urgency
from services.notifications.service import SEND_JOB

GIVEN_UP = (NotificationState.FAILED, NotificationState.UNKNOWN)


class NotificationNotFound(NotFound):
    code, title = "notification_not_found", "No such message"
    message = "There is no message with that number."


class NotOnTheList(Conflict):
    code, title = "not_given_up", "It was not given up"
    message = "Only a message that was not sent, or perhaps not, can be sent again or taken off the list. Look at it once more."


class OneTimeOver(Conflict):
    code, title = "one_time_code_over", "A one-time code is not sent again"
    message = "The code is void by now. The customer asks for a new one."


class WordsGone(Conflict):
    code, title = "words_gone", "Its words are no longer kept"
    message = "This message is too old to be sent again: its words are no longer kept. Write a new one."


def retry(session: Session, *, actor: Principal, notification_id: int, now: datetime) -> Notification:
    """Send one again that was given up. Of an unknown one a person decides that coming twice is better than not at all.

    Raises Forbidden, NotificationNotFound, NotOnTheList, OneTimeOver, WordsGone.
    """
    message = _given_up(session, actor, notification_id)
    if message.urgency is Urgency.ONE_TIME:
        raise OneTimeOver
    send_again(session, actor, message, now=now)
    return message


def send_again(session: Session, actor: Principal, message: Notification, *, now: datetime) -> None:
    """What sending once more is, of a locked message that was given up. Asks for no permission: who may is asked by the use cases."""
    if not message.body_sealed:
        raise WordsGone
    before = message.state
    message.state, message.next_attempt_at, message.dismissed_at = NotificationState.QUEUED, now, None
    # Its time begins anew, else it would be given up at once.
    message.attempts, message.error, message.provider, message.provider_id = 0, None, None, None
    message.retried_at = now
    old, new = {"state": before.value}, {"state": message.state.value}
    audit.record(session, actor, "notification.retry", target=("notification", message.id), now=now, before=old, after=new)
    assert message.id is not None
    ring(session, SEND_JOB, message.id)
    publish(session, "notifications", message.id)
    session.flush()


def dismiss(session: Session, *, actor: Principal, notification_id: int, now: datetime) -> Notification:
    """Take one off the list of what was given up. Raises Forbidden, NotificationNotFound, NotOnTheList."""
    message = _given_up(session, actor, notification_id)
    message.dismissed_at = now
    audit.record(session, actor, "notification.dismiss", target=("notification", message.id), now=now, after={"state": message.state.value})
    publish(session, "notifications", message.id)
    session.flush()
    return message


def put_back(session: Session, *, actor: Principal, notification_id: int, dismissed_at: datetime, now: datetime) -> Notification:
    """Back on the list, what was taken off it at that moment. Raises Forbidden, NotificationNotFound, NotOnTheList."""
    message = _given_up(session, actor, notification_id)
    if message.dismissed_at != dismissed_at:
        raise NotOnTheList("Somebody did something else with it since. Look at it once more.")
    message.dismissed_at = None
    after = {"state": message.state.value}
    audit.record(session, actor, "notification.put_back", target=("notification", message.id), now=now, after=after)
    publish(session, "notifications", message.id)
    session.flush()
    return message


def read_bells(session: Session, *, actor: Principal, ids: Sequence[int] | None = None, now: datetime) -> int:
    """The person has seen these of their own, or all of them. Answers how many were new."""
    wanted = [
        col(Notification.staff_id) == actor.id,
        col(Notification.medium) == Medium.BELL,
        col(Notification.read_at).is_(None),
    ]
    if actor.kind != "staff":
        return 0
    if ids is not None:
        wanted.append(col(Notification.id).in_(ids))
    read = session.execute(sa.update(Notification).where(*wanted).values(read_at=now).returning(col(Notification.id))).scalars().all()
    if read:
        publish(session, "bell", actor.id)
    return len(read)


def _given_up(session: Session, actor: Principal, notification_id: int) -> Notification:
    actor.require(Permission.NOTIFICATIONS_EDIT)
    message = session.get(Notification, notification_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise NotificationNotFound
    if message.state not in GIVEN_UP:
        raise NotOnTheList
    return message
