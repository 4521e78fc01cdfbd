"""The business calendars that staff keep: read, checked and saved; a change becomes new versions of the policies that count by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.revision import require, revision_of
from services.tickets.sla.calendar import OwnDay, WorkCalendar, make_calendar
from services.tickets.sla_models import BusinessCalendar, CalendarDay

MAX_OWN_DAYS = 400
_MAX_NAME = 80


class CalendarNotFound(NotFound):
    code, title = "calendar_not_found", "No such calendar"
    message = "There is no calendar with that number."


class CalendarNameTaken(Conflict):
    code, title = "name_taken", "The name is taken"
    message = "There is a calendar of that name already."


@dataclass(frozen=True)
class CalendarDraft:
    """A calendar as somebody wishes it: `spans` by weekday ("0" is Monday), own days by date."""

    name: str
    timezone: str = "Africa/Banjul"
    spans: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    holidays_of: str | None = "GM"
    days: Mapping[date, OwnDay] = field(default_factory=dict)

    def checked(self, *, now: datetime, id: int | None = None) -> WorkCalendar:
        """Raises InvalidInput, naming the field."""
        name = self.name.replace("\x00", "").strip()
        if not 0 < len(name) <= _MAX_NAME:
            raise InvalidInput(f"Give it a name of at most {_MAX_NAME} characters.", field="name")
        if len(self.days) > MAX_OWN_DAYS:
            raise InvalidInput(f"A calendar keeps at most {MAX_OWN_DAYS} own days.", field="days")
        days = {day: OwnDay(own.is_open, own.name.replace("\x00", "").strip()[:80]) for day, own in sorted(self.days.items())}
        return make_calendar(
            name=name, timezone=self.timezone, spans=self.spans, holidays_of=self.holidays_of, days=days, year=now.year, id=id
        )


@dataclass(frozen=True)
class CalendarView:
    """A stored calendar. `revision` names this state of it; `used_by` the active policies that count by it."""

    id: int
    draft: CalendarDraft
    calendar: WorkCalendar
    revision: str
    used_by: tuple[str, ...]


def list_calendars(session: Session, *, actor: Principal, now: datetime) -> list[CalendarView]:
    """By name. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    rows = session.exec(select(BusinessCalendar).order_by(col(BusinessCalendar.name))).all()
    return [view_of(session, row, now=now) for row in rows]


def one_calendar(session: Session, *, actor: Principal, calendar_id: int, now: datetime) -> CalendarView:
    """Raises Forbidden or CalendarNotFound."""
    actor.require(Permission.TICKETS_READ)
    return view_of(session, calendar_row(session, calendar_id), now=now)


def calendar_row(session: Session, calendar_id: int) -> BusinessCalendar:
    row = session.get(BusinessCalendar, calendar_id)
    if row is None:
        raise CalendarNotFound
    return row


def view_of(session: Session, row: BusinessCalendar, *, now: datetime) -> CalendarView:
    assert row.id is not None
    draft = draft_of(session, row)
    revision = revision_of(draft.name, draft.timezone, draft.spans, draft.holidays_of, sorted((str(k), v) for k, v in draft.days.items()))
    return CalendarView(row.id, draft, draft.checked(now=now, id=row.id), revision, tuple(_users(session, row.id)))


def draft_of(session: Session, row: BusinessCalendar) -> CalendarDraft:
    own = session.exec(select(CalendarDay).where(CalendarDay.calendar_id == row.id).order_by(col(CalendarDay.day))).all()
    days = {one.day: OwnDay(one.is_open, one.name) for one in own}
    return CalendarDraft(row.name, row.timezone, row.spans, row.holidays_of, days)


def _users(session: Session, calendar_id: int) -> list[str]:
    rows = session.execute(
        sa.text(
            "SELECT p.name FROM sla_policy p JOIN sla_policy_version v ON v.policy_id = p.id AND v.version = p.current_version"
            " WHERE p.is_active AND (v.calendar->>'id')::bigint = :id ORDER BY p.position"
        ),
        {"id": calendar_id},
    )
    return [row.name for row in rows]


def keep_calendar(
    session: Session, *, actor: Principal, calendar_id: int | None, draft: CalendarDraft, expected_revision: str | None, now: datetime
) -> BusinessCalendar:
    """Write the calendar itself; services.tickets.sla.desk.save_calendar lets the policies follow.

    Raises Forbidden, InvalidInput, CalendarNotFound, CalendarNameTaken or Stale.
    """
    actor.require(Permission.DESK_EDIT)
    checked = draft.checked(now=now, id=calendar_id)
    taken = sa.exists().where(col(BusinessCalendar.name) == checked.name, col(BusinessCalendar.id) != (calendar_id or 0))
    if session.execute(sa.select(taken)).scalar_one():
        raise CalendarNameTaken(field="name")
    row, before = BusinessCalendar(name=""), None
    if calendar_id is not None:
        found = session.exec(select(BusinessCalendar).where(BusinessCalendar.id == calendar_id).with_for_update()).one_or_none()
        if found is None:
            raise CalendarNotFound
        view = view_of(session, found, now=now)
        require(expected_revision, view.revision)
        row, before = found, _said(view.calendar)
    written = checked.document()
    row.name, row.timezone, row.spans, row.holidays_of = checked.name, written["timezone"], written["spans"], checked.holidays_of
    session.add(row)
    session.flush()
    _keep_days(session, row, checked.days)
    audit.record(session, actor, "sla.calendar", target=("business_calendar", row.id), now=now, before=before, after=_said(checked))
    return row


def _keep_days(session: Session, row: BusinessCalendar, days: Mapping[date, OwnDay]) -> None:
    assert row.id is not None
    for known in session.exec(select(CalendarDay).where(CalendarDay.calendar_id == row.id)).all():
        session.delete(known)
    session.flush()
    for day, own in days.items():
        session.add(CalendarDay(calendar_id=row.id, day=day, is_open=own.is_open, name=own.name))
    session.flush()


def _said(calendar: WorkCalendar) -> dict[str, Any]:
    document = calendar.document()
    return {name: document[name] for name in ("name", "timezone", "spans", "holidays_of", "days")}
