"""Reading the product's own errors: the list, and one with its hours and what staff did about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import NotFound
from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal
from services.audit.models import AuditEntry
from services.listing import Listing, Slice, count, fetch, pick
from services.operations.error_models import ErrorGroup, ErrorHour, ErrorState
from services.revision import revision_of

TARGET = "error_group"
SHOWN_HOURS = 48
_MOST_STORY = 100
_SORTS: dict[str, Sequence[Any]] = {
    "last": (col(ErrorGroup.last_at), col(ErrorGroup.id)),
    "first": (col(ErrorGroup.first_at), col(ErrorGroup.id)),
    "count": (col(ErrorGroup.count), col(ErrorGroup.id)),
}


class ErrorNotFound(NotFound):
    code, title = "error_not_found", "No such error"
    message = "There is no error with that number."


@dataclass(frozen=True)
class ErrorFilter:
    """`search` is a part of the kind, the place or the message, or a correlation ID."""

    state: ErrorState | None = None
    process: str | None = None
    assignee_id: int | None = None
    search: str = ""


@dataclass(frozen=True)
class ErrorRow:
    """`last_day` is how often it happened within the last 24 hours, by whole hours."""

    group: ErrorGroup
    assignee: str | None
    last_day: int


@dataclass(frozen=True)
class Deed:
    """Something that was done about an error."""

    at: datetime
    by: str
    action: str
    note: str


@dataclass(frozen=True)
class ErrorPage:
    """`hours` are those of the last two days in which it happened, oldest first; `story` the newest first."""

    row: ErrorRow
    hours: Mapping[datetime, int]
    story: tuple[Deed, ...]

    @property
    def group(self) -> ErrorGroup:
        return self.row.group


def revision(group: ErrorGroup) -> str:
    """All that staff can change of it, and its coming back; not its count, which moves by itself."""
    return revision_of(group.state.value, group.assignee_id, group.resolved_at, group.reopened)


def _last_day(now: datetime) -> sa.ScalarSelect[Any]:
    return (
        sa.select(sa.func.coalesce(sa.func.sum(col(ErrorHour.count)), 0))
        .where(col(ErrorHour.group_id) == col(ErrorGroup.id), col(ErrorHour.hour) > now - timedelta(hours=24))
        .correlate(ErrorGroup)
        .scalar_subquery()
    )


def _rows(now: datetime) -> sa.Select[Any]:
    return pick(ErrorGroup, Staff.email, _last_day(now)).outerjoin(Staff, col(Staff.id) == col(ErrorGroup.assignee_id))


def list_errors(session: Session, *, actor: Principal, wanted: ErrorFilter, part: Slice, now: datetime) -> Listing[ErrorRow]:
    """One page, sorted by `last` (the newest first), `first` or `count`. Raises Forbidden."""
    actor.require(Permission.ERRORS_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(col(ErrorGroup.state) == wanted.state)
    if wanted.process:
        conditions.append(col(ErrorGroup.process) == wanted.process)
    if wanted.assignee_id is not None:
        conditions.append(col(ErrorGroup.assignee_id) == wanted.assignee_id)
    if text := wanted.search.strip():
        words = (col(column).icontains(text, autoescape=True) for column in (ErrorGroup.kind, ErrorGroup.place, ErrorGroup.message))
        conditions.append(sa.or_(*words, col(ErrorGroup.example)["correlation_id"].astext == text))
    found = fetch(session, _rows(now).where(*conditions), part, sorts=_SORTS, default_sort="last")
    total, is_estimate = count(
        session, pick(ErrorGroup.id).where(*conditions), whole_table=None if conditions else "error_group", part=part
    )
    return Listing(tuple(ErrorRow(group, email, int(number)) for group, email, number in found), total, is_estimate)


def error_row(session: Session, *, actor: Principal, error_id: int, now: datetime) -> ErrorRow:
    """Raises Forbidden or ErrorNotFound."""
    actor.require(Permission.ERRORS_READ)
    found = session.execute(_rows(now).where(col(ErrorGroup.id) == error_id), execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise ErrorNotFound
    group, email, number = found
    return ErrorRow(group, email, int(number))


def error_page(session: Session, *, actor: Principal, error_id: int, now: datetime) -> ErrorPage:
    """One error with its hours and its story. Raises Forbidden or ErrorNotFound."""
    row = error_row(session, actor=actor, error_id=error_id, now=now)
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=SHOWN_HOURS - 1)
    hours = session.exec(
        select(ErrorHour).where(ErrorHour.group_id == error_id, col(ErrorHour.hour) >= since).order_by(col(ErrorHour.hour))
    ).all()
    entries = session.exec(
        select(AuditEntry)
        .where(AuditEntry.target_type == TARGET, AuditEntry.target_id == str(error_id))
        .order_by(col(AuditEntry.id).desc())
        .limit(_MOST_STORY)
    ).all()
    return ErrorPage(row, {hour.hour: hour.count for hour in hours}, tuple(map(_deed, entries)))


def _deed(entry: AuditEntry) -> Deed:
    after = entry.after or {}
    return Deed(entry.at, entry.actor, entry.action, str(after.get("note") or after.get("assignee") or after.get("release") or ""))


def may_be_assigned(session: Session) -> Sequence[tuple[int, str]]:
    """Number and log-in name of everybody on the staff who may see errors and may log in."""
    roles = [role for role in Role if Permission.ERRORS_READ in ROLE_PERMISSIONS[role]]
    rows = session.execute(
        sa.select(col(Staff.id), col(Staff.email)).where(col(Staff.role).in_(roles), col(Staff.is_active)).order_by(col(Staff.email))
    ).all()
    return [(number, email) for number, email in rows]


def count_open(session: Session) -> int:
    """How many kinds of errors are open."""
    return int(session.execute(sa.select(sa.func.count()).where(col(ErrorGroup.state) == ErrorState.OPEN)).scalar_one())
