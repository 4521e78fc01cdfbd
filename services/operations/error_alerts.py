"""Who is told of errors: each new or returned one once, and an alarm while there are very many. The rule's numbers stand here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from app.db import after_commit
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Permission
from services.network.alarm_models import AlarmKind
from services.network.alarms import end_alarm, raise_alarm
from services.notifications.models import Medium
from services.notifications.service import Recipient, staff_with, tell
from services.operations.error_models import ErrorGroup, ErrorState

EVENT = "error_found"
MAILS_AN_HOUR = 10
"""Of new and returned errors so many go by mail and push as well; a broken release must not fill mailboxes."""
BELLS_AN_HOUR = 50
MANY = 50
"""More errors than this within `WINDOW` are an alarm; it ends when there are at most half as many."""
WINDOW = timedelta(minutes=10)
_SUBJECT = "errors"
_MINUTE = "errors:minute:{:%Y%m%d%H%M}"
_KEPT_SECONDS = 1800


def tell_news(session: Session, error_ids: Sequence[int], *, now: datetime) -> int:
    """Tell of those among them that are open and were not told yet. Answers how many. Their rows are locked by the caller."""
    news = session.exec(
        select(ErrorGroup)
        .where(col(ErrorGroup.id).in_(error_ids), ErrorGroup.state == ErrorState.OPEN, col(ErrorGroup.told_at).is_(None))
        .order_by(col(ErrorGroup.id))
        .execution_options(populate_existing=True)
    ).all()
    if not news:
        return 0
    told = session.execute(sa.select(sa.func.count()).where(col(ErrorGroup.told_at) > now - timedelta(hours=1))).scalar_one()
    people = staff_with(session, *(role.value for role in Role if Permission.ERRORS_EDIT in ROLE_PERMISSIONS[role]))
    for number, group in enumerate(news, start=told):
        group.told_at = now
        if number < BELLS_AN_HOUR:
            _tell(session, group, people, media=None if number < MAILS_AN_HOUR else (Medium.BELL,), now=now)
    session.flush()
    return len(news)


def _tell(session: Session, group: ErrorGroup, people: Sequence[int], *, media: Sequence[Medium] | None, now: datetime) -> None:
    values = {
        "what": "An error is back" if group.reopened else "A new error",
        "kind": group.kind.rpartition(".")[2],
        "place": group.place,
        "process": group.process,
        "release": group.last_release,
    }
    for staff_id in people:
        tell(
            session,
            event=EVENT,
            to=Recipient(staff_id=staff_id),
            values=values,
            dedupe_key=f"error:{group.id}:{group.reopened}:{now:%Y%m%d%H%M%S}:{staff_id}",
            media=media,
            link=f"/console/errors/{group.id}",
            now=now,
        )


def note(session: Session, count: int, *, recent: int | None, now: datetime) -> None:
    """Count these errors in the minute, and look whether there are too many by now; `recent` were there before them."""
    if count <= 0:
        return
    after_commit(session, lambda: _note_in_redis(count, now))
    if recent is not None:
        _judge(session, recent + count, now=now)


def watch(session: Session, *, now: datetime) -> None:
    """End the alarm when it is calm again, raise it if a process could not. Called every minute; Redis away changes nothing."""
    recent = recent_count(now)
    if recent is not None:
        _judge(session, recent, now=now)


def _judge(session: Session, recent: int, *, now: datetime) -> None:
    minutes = int(WINDOW.total_seconds() // 60)
    if recent > MANY:
        raise_alarm(session, AlarmKind.ERRORS_MANY, _SUBJECT, f"More than {MANY} errors within {minutes} minutes.", now=now)
    elif recent <= MANY // 2:
        end_alarm(session, AlarmKind.ERRORS_MANY, _SUBJECT, now=now)


def recent_count(now: datetime) -> int | None:
    """How many errors there were within the window, in all processes; None when Redis, which counts minutes, is away."""
    minutes = int(WINDOW.total_seconds() // 60)
    keys = [_MINUTE.format(now - timedelta(minutes=ago)) for ago in range(minutes)]
    try:
        return sum(int(value) for value in redis.client().mget(keys) if value is not None)
    except redis.Away:
        return None


def _note_in_redis(count: int, now: datetime) -> None:
    key = _MINUTE.format(now)
    with redis.client().pipeline(transaction=False) as pipeline:
        pipeline.incrby(key, count)
        pipeline.expire(key, _KEPT_SECONDS)
        pipeline.execute()
