"""What the app shows a customer of what we told them: the words of a push, kept until they delete their account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import NotFound
from app.keys import unseal
from services.apps.callers import Caller
from services.notifications.models import Medium, Notification
from services.notifications.service import SUBJECT, body_of


class NoticeNotFound(NotFound):
    code, title = "notice_not_found", "No such notice"
    message = "There is no notice of yours under that number."


@dataclass(frozen=True)
class Notice:
    """`entity` is what it is about, such as `ticket:17`: the app opens it."""

    id: int
    title: str
    body: str
    entity: str | None
    at: datetime
    read_at: datetime | None


@dataclass(frozen=True)
class Notices:
    """The newest first. `more` says that there are older ones than these, `unread` counts all, up to 100."""

    items: tuple[Notice, ...]
    more: bool
    unread: int


_COUNTED = 100


def list_notices(session: Session, caller: Caller, *, before: int | None = None, limit: int) -> Notices:
    """Those before the one of this number. Raises Forbidden for a technician's phone."""
    wanted = select(Notification).where(*_own(caller))
    if before is not None:
        wanted = wanted.where(col(Notification.id) < before)
    found = session.exec(wanted.order_by(col(Notification.id).desc()).limit(limit + 1)).all()
    unread = sa.select(col(Notification.id)).where(*_own(caller), col(Notification.read_at).is_(None)).limit(_COUNTED)
    number = session.execute(sa.select(sa.func.count()).select_from(unread.subquery())).scalar_one()
    return Notices(tuple(_shown(row) for row in found[:limit]), len(found) > limit, int(number))


def mark_read(session: Session, caller: Caller, notice_id: int, *, now: datetime) -> Notice:
    """The person has seen it. The first time counts. Raises Forbidden for a technician's phone, or NoticeNotFound."""
    wanted = select(Notification).where(*_own(caller), col(Notification.id) == notice_id)
    row = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NoticeNotFound
    if row.read_at is None:
        row.read_at = now
        session.flush()
    return _shown(row)


def _own(caller: Caller) -> tuple[sa.ColumnElement[bool], ...]:
    return col(Notification.customer_id) == caller.customer(), col(Notification.medium) == Medium.BELL


def _shown(row: Notification) -> Notice:
    assert row.id is not None
    return Notice(
        id=row.id,
        title=unseal(SUBJECT, row.subject_sealed).decode() if row.subject_sealed else "",
        body=body_of(row.body_sealed),
        entity=f"ticket:{row.ticket_id}" if row.ticket_id is not None else None,
        at=row.created_at,
        read_at=row.read_at,
    )
