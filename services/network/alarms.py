"""Warnings to staff about the network: raised once for one cause, ended when the cause is gone. Set-wise, and safe to repeat."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.events import publish
from services.network.alarm_models import AlarmKind, NetworkAlarm

log = structlog.get_logger(__name__)
_MESSAGE_LENGTH = 500


def raise_alarm(session: Session, kind: AlarmKind, subject: str, message: str, *, now: datetime) -> bool:
    """Raise the alarm about `subject`, or let the standing one say `message`. Answers whether it is a new one."""
    return raise_alarms(session, kind, {subject: message}, now=now) > 0


def raise_alarms(session: Session, kind: AlarmKind, messages: Mapping[str, str], *, now: datetime) -> int:
    """Raise one alarm for each subject, all in one statement. Answers how many are new."""
    if not messages:
        return 0
    rows = [
        {"kind": kind, "subject": subject, "message": message[:_MESSAGE_LENGTH], "started_at": now} for subject, message in messages.items()
    ]
    statement = insert(NetworkAlarm).values(rows)
    written = session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "subject"],
            index_where=sa.text("ended_at IS NULL"),
            set_={"message": statement.excluded.message},
            where=col(NetworkAlarm.message) != statement.excluded.message,
        ).returning(sa.literal_column("xmax = 0").label("is_new"))
    ).all()
    new = sum(bool(row.is_new) for row in written)
    if written:
        publish(session, "alarms", None)
    if new:
        log.warning("alarm.raised", kind=kind.value, count=new)
    return new


def end_alarm(session: Session, kind: AlarmKind, subject: str, *, now: datetime) -> bool:
    """End the alarm about `subject`; nothing happens when none stands. Answers whether one did."""
    return end_alarms(session, kind, [subject], now=now) > 0


def end_alarms(session: Session, kind: AlarmKind, subjects: Collection[str], *, now: datetime) -> int:
    """End the standing alarms of a kind about these subjects. Answers how many there were."""
    return _end(session, kind, col(NetworkAlarm.subject).in_(subjects), now=now) if subjects else 0


def end_alarms_except(session: Session, kind: AlarmKind, subjects: Collection[str], *, now: datetime) -> int:
    """End the standing alarms of a kind about anything but these subjects. Answers how many there were."""
    return _end(session, kind, col(NetworkAlarm.subject).not_in(subjects), now=now)


def _end(session: Session, kind: AlarmKind, which: sa.ColumnElement[bool], *, now: datetime) -> int:
    standing = col(NetworkAlarm.ended_at).is_(None)
    ended = session.execute(
        sa.update(NetworkAlarm)
        .where(col(NetworkAlarm.kind) == kind, standing, which)
        # Machines' clocks may differ: no alarm ends before it began.
        .values(ended_at=sa.func.greatest(NetworkAlarm.started_at, now))
        .returning(col(NetworkAlarm.id)),
        execution_options={"synchronize_session": False},
    ).all()
    if ended:
        publish(session, "alarms", None)
        log.info("alarm.ended", kind=kind.value, count=len(ended))
    return len(ended)
