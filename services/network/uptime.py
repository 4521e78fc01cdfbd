"""Up-time, exact to the second: how long access points were in each state, from their periods and from months that were rolled up.

A second belongs to the state that stood at its beginning. So the seconds of adjoining stretches add up without a rest, wherever a
stretch is cut, and a rolled-up month says exactly what its periods said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.network.models import AccessPoint, Health, HealthMonth, HealthPeriod


@dataclass(frozen=True)
class Uptime:
    """Seconds in each state. Up is online or degraded; unknown and retired count neither way, and are shown."""

    online: int = 0
    degraded: int = 0
    offline: int = 0
    unknown: int = 0
    retired: int = 0

    @property
    def up(self) -> int:
        return self.online + self.degraded

    @property
    def counted(self) -> int:
        return self.up + self.offline

    @property
    def share(self) -> float | None:
        """0 to 1; None when nothing is known of the whole time."""
        return self.up / self.counted if self.counted else None

    def __add__(self, other: Uptime) -> Uptime:
        return Uptime(
            self.online + other.online,
            self.degraded + other.degraded,
            self.offline + other.offline,
            self.unknown + other.unknown,
            self.retired + other.retired,
        )


@dataclass(frozen=True)
class Stretch:
    """One state without a break, cut to what was asked for: half-open [start, end)."""

    state: Health
    start: datetime
    end: datetime


def month_of(at: datetime) -> date:
    """The first of its month. Africa/Banjul has been on UTC all year since 1964."""
    return at.astimezone(UTC).date().replace(day=1)


def month_after(month: date, months: int = 1) -> date:
    """The first of the month that many later."""
    number = month.year * 12 + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def begins_at(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def uptime_by_access_point(
    session: Session, access_point_ids: Collection[int], *, start: datetime, end: datetime, now: datetime
) -> dict[int, Uptime]:
    """Of each in [start, end), as far as it has passed. A month that was rolled up counts where the range covers all of it."""
    seconds: dict[int, dict[str, int]] = {row_id: {} for row_id in access_point_ids}
    end = _passed(start, end, now)
    for row_id, state, number in session.execute(_periods(start, end).where(_owner.in_(access_point_ids)).group_by(_owner, _state)):
        seconds[row_id][state] = int(number)
    months = session.execute(_months(start, end).where(_month_owner.in_(access_point_ids)).group_by(_month_owner)).all()
    rolled = {row[0]: _uptime_of_row(row[1:]) for row in months}
    return {row_id: Uptime(**found) + rolled.get(row_id, Uptime()) for row_id, found in seconds.items()}


def uptime_by_site(session: Session, site_ids: Collection[int], *, start: datetime, end: datetime, now: datetime) -> dict[int, Uptime]:
    """Of all access points of each site together, which is their mean weighted by the seconds that count of each."""
    seconds: dict[int, dict[str, int]] = {site_id: {} for site_id in site_ids}
    end = _passed(start, end, now)
    site_id = col(AccessPoint.site_id)
    periods = _periods(start, end, by=site_id).join(AccessPoint, col(AccessPoint.id) == _owner)
    for found_id, state, number in session.execute(periods.where(site_id.in_(site_ids)).group_by(site_id, _state)):
        seconds[found_id][state] = int(number)
    months = _months(start, end, by=site_id).join(AccessPoint, col(AccessPoint.id) == _month_owner)
    rolled = {row[0]: _uptime_of_row(row[1:]) for row in session.execute(months.where(site_id.in_(site_ids)).group_by(site_id))}
    return {found_id: Uptime(**found) + rolled.get(found_id, Uptime()) for found_id, found in seconds.items()}


def history(session: Session, access_point_id: int, *, start: datetime, end: datetime, now: datetime) -> list[Stretch]:
    """The states of one access point in order, for a chart; of rolled-up months there are none."""
    until = _passed(start, end, now)
    if until <= start:
        return []
    rows = session.execute(
        sa.select(col(HealthPeriod.state), col(HealthPeriod.started_at), col(HealthPeriod.ended_at))
        .where(_owner == access_point_id, col(HealthPeriod.started_at) < until, _still_there_at(start))
        .order_by(col(HealthPeriod.started_at))
    ).all()
    return [Stretch(state, max(started_at, start), min(ended_at or until, until)) for state, started_at, ended_at in rows]


def months_by_access_point(session: Session, access_point_id: int, *, months: int, now: datetime) -> Mapping[date, Uptime]:
    """The last `months` months up to the running one, oldest first."""
    last = month_of(now)
    wanted = [month_after(last, -back) for back in reversed(range(months))]
    return {
        month: uptime_by_access_point(session, [access_point_id], start=begins_at(month), end=begins_at(month_after(month)), now=now)[
            access_point_id
        ]
        for month in wanted
    }


_owner, _state, _month_owner = col(HealthPeriod.access_point_id), col(HealthPeriod.state), col(HealthMonth.access_point_id)


def _passed(start: datetime, end: datetime, now: datetime) -> datetime:
    """The end of what has passed of [start, end)."""
    return max(start, min(end, now))


def _second_of(at: Any) -> sa.ColumnElement[Any]:
    """In SQL: the number of the first whole second that is not before `at` (an exact numeric)."""
    return sa.func.ceil(sa.extract("epoch", at))


def _still_there_at(start: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(col(HealthPeriod.ended_at).is_(None), col(HealthPeriod.ended_at) > start)


def _periods(start: datetime, end: datetime, *, by: Any = _owner) -> sa.Select[Any]:
    """Seconds in [start, end) by `by` and state, still to be grouped."""
    bounds = [sa.literal(bound, sa.DateTime(timezone=True)) for bound in (start, end)]
    cut = (
        sa.func.greatest(col(HealthPeriod.started_at), bounds[0]),
        sa.func.least(sa.func.coalesce(col(HealthPeriod.ended_at), bounds[1]), bounds[1]),
    )
    seconds = sa.func.sum(_second_of(cut[1]) - _second_of(cut[0]))
    return sa.select(by, _state, seconds).select_from(HealthPeriod).where(col(HealthPeriod.started_at) < end, _still_there_at(start))


def _months(start: datetime, end: datetime, *, by: Any = _month_owner) -> sa.Select[Any]:
    """Seconds in the whole months of [start, end) by `by`, still to be grouped."""
    first = month_of(start) if begins_at(month_of(start)) >= start else month_after(month_of(start))
    sums = [sa.func.sum(getattr(HealthMonth, f"{state.value}_seconds")) for state in Health]
    return sa.select(by, *sums).select_from(HealthMonth).where(col(HealthMonth.month) >= first, col(HealthMonth.month) < month_of(end))


def _uptime_of_row(sums: Collection[int]) -> Uptime:
    return Uptime(**{state.value: int(number) for state, number in zip(Health, sums, strict=True)})
