"""What a customer used, by day. A day is Banjul's, whose clock is UTC all year.

Routers report a session's bytes as one sum, so the bytes of a session over midnight are shared out by time. The days of a session always
add up to it exactly. Minutes are those that a device was online: two sessions of one device at the same time count once, two devices twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import AccessSession
from services.apps.callers import Caller

MOST_DAYS = 90
_DAY, _MICROSECOND, _SECOND = timedelta(days=1), timedelta(microseconds=1), 1_000_000


@dataclass(frozen=True)
class Online:
    """One session, cut at the moment that is asked about. `device` tells devices apart; several may be online at once."""

    device: str
    started_at: datetime
    ended_at: datetime
    bytes_down: int = 0
    bytes_up: int = 0


@dataclass(frozen=True)
class DayUsed:
    """`seconds` are those online, added up over the devices; of one device at most 86,400."""

    day: date
    bytes_down: int = 0
    bytes_up: int = 0
    seconds: int = 0

    @property
    def minutes(self) -> int:
        return (self.seconds + 30) // 60


def usage(session: Session, caller: Caller, *, days: int, now: datetime) -> tuple[DayUsed, ...]:
    """The last days, today last; also those without any use."""
    last = now.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    used = by_day(_sessions(session, caller.customer(), since=_midnight(first), now=now))
    return tuple(used.get(day, DayUsed(day)) for day in (first + timedelta(days=number) for number in range(days)))


def _sessions(session: Session, customer_id: int, *, since: datetime, now: datetime) -> list[Online]:
    found = session.exec(
        select(AccessSession).where(
            AccessSession.customer_id == customer_id,
            AccessSession.started_at < now,
            sa.or_(col(AccessSession.ended_at).is_(None), col(AccessSession.ended_at) >= since),
        )
    ).all()
    return [_online(one, now=now) for one in found]


def _online(one: AccessSession, *, now: datetime) -> Online:
    # One whose end was not reported is over, at the latest, when its router was to end it.
    end = one.ended_at or min(now, one.ends_at)
    device = f"device:{one.device_id}" if one.device_id is not None else f"mac:{one.mac}" if one.mac else f"session:{one.id}"
    down, up = (one.bytes_down, one.bytes_up) if one.bytes_down is not None else (one.live_bytes_down, one.live_bytes_up)
    return Online(device, one.started_at, max(end, one.started_at), down or 0, up or 0)


def by_day(sessions: Iterable[Online]) -> dict[date, DayUsed]:
    """What was used on each day on which there was any use; the days of all sessions add up to all that they used."""
    down: dict[date, int] = defaultdict(int)
    up: dict[date, int] = defaultdict(int)
    seconds: dict[date, int] = defaultdict(int)
    stretches: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for one in sessions:
        for day, part in _shares(one.started_at, one.ended_at, one.bytes_down):
            down[day] += part
        for day, part in _shares(one.started_at, one.ended_at, one.bytes_up):
            up[day] += part
        stretches[one.device].append((one.started_at, one.ended_at))
    for own in stretches.values():
        for day, online in _seconds(_united(own)):
            seconds[day] += online
    return {day: DayUsed(day, down[day], up[day], seconds[day]) for day in sorted({*down, *up, *seconds})}


def _shares(start: datetime, end: datetime, total: int) -> list[tuple[date, int]]:
    """`total` by the time on each day. What has come until each midnight is rounded, not each share, so that the sum is exact."""
    whole = (end - start) // _MICROSECOND
    if whole == 0:
        return [(start.astimezone(UTC).date(), total)]
    shares, told = [], 0
    for day, until in _days(start, end):
        come = total * ((until - start) // _MICROSECOND) // whole
        shares.append((day, come - told))
        told = come
    return shares


def _seconds(stretches: Iterable[tuple[datetime, datetime]]) -> list[tuple[date, int]]:
    """Whole seconds on each day; a fraction is carried on, so that they add up."""
    found, passed = [], 0
    for start, end in stretches:
        begin = start
        for day, until in _days(start, end):
            length = (until - begin) // _MICROSECOND
            found.append((day, (passed + length) // _SECOND - passed // _SECOND))
            passed, begin = passed + length, until
    return found


def _days(start: datetime, end: datetime) -> list[tuple[date, datetime]]:
    """The days between, each with the moment at which its part ends."""
    parts, day = [], start.astimezone(UTC).date()
    while (midnight := _midnight(day + _DAY)) < end:
        parts.append((day, midnight))
        day += _DAY
    return [*parts, (day, end)]


def _united(stretches: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Stretches that touch are one."""
    united: list[tuple[datetime, datetime]] = []
    for start, end in sorted(stretches):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
