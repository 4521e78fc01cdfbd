"""Business time: which moments count, exact to the second, in the calendar's own time zone. Pure: no clock is read, no table asked.

A span opens when the wall clock first shows its beginning and closes when it first shows its end; in between, real seconds count. So a
night in which the clock is put back or forward counts what really passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays as public_holidays
import orjson

from app.errors import InvalidInput

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_SPANS = 6
# A calendar that opens nowhere in so many days opens never: nothing looks further.
_GIVE_UP_DAYS = 800
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class NeverOpen(Exception):
    """No open hour within two years of a moment."""


@dataclass(frozen=True)
class Span:
    """Minutes since midnight; `end` past 1440 lies on the next day. The whole span belongs to the day on which it begins."""

    start: int
    end: int

    @property
    def text(self) -> str:
        return f"{_clock(self.start)} to {_clock(self.end if self.end <= 1440 else self.end - 1440)}"


@dataclass(frozen=True)
class OwnDay:
    """A day that is not like its weekday: closed, or open in spite of a public holiday."""

    is_open: bool
    name: str = ""


@dataclass(frozen=True)
class Open:
    """From when until when somebody works, in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Stretch:
    """A piece of time that is wholly open or wholly closed, and why."""

    start: datetime
    end: datetime
    is_open: bool
    why: str


@dataclass(frozen=True)
class WorkCalendar:
    """`holidays` are fixed for the years up to `holidays_until`; those after are computed from the country when they are asked for."""

    name: str
    zone: ZoneInfo
    spans: Mapping[int, tuple[Span, ...]]
    holidays_of: str | None = None
    days: Mapping[date, OwnDay] = field(default_factory=dict)
    holidays: Mapping[date, str] = field(default_factory=dict)
    holidays_from: int = 0
    holidays_until: int = -1
    id: int | None = None
    _opened: dict[date, tuple[Open, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """The moment at which `duration` of open time has passed since `start`. Raises NeverOpen."""
        left = duration
        if left <= timedelta(0):
            return start
        for one in self._open_from(start):
            length = one.end - one.start
            if left <= length:
                return one.start + left
            left -= length
        raise NeverOpen

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much open time lies between two moments."""
        total = timedelta(0)
        if end <= start:
            return total
        for one in self._open_from(start, end):
            total += min(one.end, end) - one.start
        return total

    def stretches(self, start: datetime, end: datetime) -> Iterator[Stretch]:
        """The time between two moments without a gap, each piece open or closed."""
        at = start
        for one in self._open_from(start, end):
            if one.start > at:
                yield Stretch(at, one.start, False, self._why_closed(at, one.start))
            at = min(one.end, end)
            yield Stretch(one.start, at, True, f"open hours of {self.name}")
        if at < end:
            yield Stretch(at, end, False, self._why_closed(at, end))

    def closed_for(self, day: date) -> str | None:
        """The name of the holiday that shuts this day; None when the weekday's own hours hold."""
        own = self.days.get(day)
        if own is not None:
            return None if own.is_open else own.name or "own holiday"
        return self.holiday(day)

    def holiday(self, day: date) -> str | None:
        if self.holidays_from <= day.year <= self.holidays_until:
            return self.holidays.get(day)
        return holidays_in(self.holidays_of, day.year).get(day)

    def _open_from(self, start: datetime, end: datetime | None = None) -> Iterator[Open]:
        """What is open after `start` and before `end`, in order and without overlap; the first piece is cut at `start`.

        Ends without an `end` when nothing was open for two years.
        """
        day = _local_date(start, self.zone) - _DAY
        reached, empty = start, 0
        while empty < _GIVE_UP_DAYS:
            empty += 1
            for one in self._open_on(day):
                if end is not None and max(one.start, reached) >= end:
                    return
                if one.end > reached:
                    yield Open(max(one.start, reached), one.end)
                    reached, empty = one.end, 0
            if end is not None and _local_midnight(day, self.zone) > end:
                return
            if day == date.max:
                return
            day += _DAY

    def _open_on(self, day: date) -> tuple[Open, ...]:
        known = self._opened.get(day)
        if known is None:
            known = self._opened[day] = self._computed(day)
        return known

    def _computed(self, day: date) -> tuple[Open, ...]:
        spans = self.spans.get(day.weekday(), ())
        if not spans or self.closed_for(day) is not None:
            return ()
        pairs = (Open(_first_shown(day, span.start, self.zone), _first_shown(day, span.end, self.zone)) for span in spans)
        return tuple(one for one in pairs if one.end > one.start)

    def _why_closed(self, start: datetime, end: datetime) -> str:
        day, last = _local_date(start, self.zone), _local_date(end - timedelta(microseconds=1), self.zone)
        names: dict[str, None] = {}
        while day <= last and len(names) < 3:
            if (name := self.closed_for(day)) is not None and self.spans.get(day.weekday()):
                names[name] = None
            day += _DAY
        return f"closed: {', '.join(names)}" if names else "outside open hours"

    def document(self) -> dict[str, Any]:
        """All of it as JSON: what a policy version keeps, so that an old history gives the old deadline for ever."""
        return {
            "id": self.id,
            "name": self.name,
            "timezone": self.zone.key,
            "spans": {str(day): [[_clock(span.start), _end_clock(span)] for span in spans] for day, spans in self.spans.items()},
            "holidays_of": self.holidays_of,
            "days": {day.isoformat(): {"is_open": own.is_open, "name": own.name} for day, own in self.days.items()},
            "holidays": {day.isoformat(): name for day, name in self.holidays.items()},
            "holidays_from": self.holidays_from,
            "holidays_until": self.holidays_until,
        }

    def hours_text(self) -> list[str]:
        """`Monday 08:00 to 12:30, 14:00 to 18:00`, a line for each weekday that has hours."""
        return [f"{WEEKDAYS[day]} {', '.join(span.text for span in self.spans[day])}" for day in sorted(self.spans) if self.spans[day]]


def make_calendar(
    *,
    name: str,
    timezone: str,
    spans: Mapping[str, Any],
    holidays_of: str | None,
    days: Mapping[date, OwnDay],
    year: int,
    id: int | None = None,
) -> WorkCalendar:
    """A checked calendar whose public holidays are fixed from the year before `year` to the third after. Raises InvalidInput.

    One that would open nowhere is refused here, so that no deadline is ever sought in it.
    """
    zone = _zone(timezone)
    if holidays_of is not None and holidays_of not in countries():
        raise InvalidInput(f"There are no public holidays known under '{holidays_of}'.", field="holidays_of")
    first, last = year - 1, year + 3
    fixed = {day: name for one in range(first, last + 1) for day, name in holidays_in(holidays_of, one).items()}
    calendar = WorkCalendar(name, zone, parse_spans(spans), holidays_of, dict(days), fixed, first, last, id)
    if not any(calendar.spans.values()):
        raise InvalidInput("A calendar needs at least one open hour in the week; without one, nothing would ever be due.", field="spans")
    for day, own in days.items():
        if own.is_open and not calendar.spans.get(day.weekday()):
            raise InvalidInput(f"{day:%d %B %Y} is a {WEEKDAYS[day.weekday()]}, which has no hours: it cannot be open.", field="days")
    try:
        calendar.add(datetime(year, 1, 1, tzinfo=UTC), _SECOND)
    except NeverOpen:
        raise InvalidInput("Holidays shut every open hour of this calendar; nothing would ever be due.", field="spans") from None
    return calendar


def calendar_of(document: Mapping[str, Any]) -> WorkCalendar:
    """The calendar that `document()` wrote; the same one again for the same text, with what it has computed so far."""
    return _read(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=64)
def _read(text: bytes) -> WorkCalendar:
    raw = orjson.loads(text)
    return WorkCalendar(
        name=raw["name"],
        zone=ZoneInfo(raw["timezone"]),
        spans=parse_spans(raw["spans"]),
        holidays_of=raw["holidays_of"],
        days={date.fromisoformat(day): OwnDay(own["is_open"], own["name"]) for day, own in raw["days"].items()},
        holidays={date.fromisoformat(day): name for day, name in raw["holidays"].items()},
        holidays_from=raw["holidays_from"],
        holidays_until=raw["holidays_until"],
        id=raw["id"],
    )


def parse_spans(spans: Mapping[str, Any]) -> dict[int, tuple[Span, ...]]:
    """`{"0": [["08:00", "12:30"], ["22:00", "06:00"]]}`; Monday is 0; an end that is not later is tomorrow's. Raises InvalidInput."""
    parsed = {}
    for key, pairs in spans.items():
        if key not in {str(day) for day in range(7)}:
            raise InvalidInput(f"'{key}' is no weekday: 0 is Monday, 6 is Sunday.", field="spans")
        parsed[int(key)] = _parse_day(WEEKDAYS[int(key)], pairs)
    return parsed


def _parse_day(weekday: str, pairs: Sequence[Any]) -> tuple[Span, ...]:
    if not isinstance(pairs, list | tuple) or len(pairs) > MAX_SPANS:
        raise InvalidInput(f"{weekday} has more than {MAX_SPANS} spans, or is not a list of them.", field="spans")
    spans = sorted((_parse_span(weekday, pair) for pair in pairs), key=lambda span: span.start)
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise InvalidInput(f"{weekday}: {before.text} and {after.text} overlap.", field="spans")
    return tuple(spans)


def _parse_span(weekday: str, pair: Any) -> Span:
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(one, str) and _CLOCK.fullmatch(one) for one in pair):
        raise InvalidInput(f"{weekday}: a span is two times of day such as 08:00 and 17:30.", field="spans")
    start, end = (_minutes(one) for one in pair)
    if start == 1440:
        raise InvalidInput(f"{weekday}: a span cannot begin at 24:00.", field="spans")
    return Span(start, end if end > start else end + 1440)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _end_clock(span: Span) -> str:
    return _clock(span.end if span.end <= 1440 else span.end - 1440)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"'{name}' is not a time zone; one is called like 'Africa/Banjul'.", field="timezone") from None


def _local_date(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _local_midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _first_shown(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """The first moment at which the wall clock shows this time of that day, or a later one if it skips it."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # The clock is put forward over it (PEP 495: a gap): the moment of the change lies between the two readings.
    low, high = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=512)
def holidays_in(country: str | None, year: int) -> Mapping[date, str]:
    """The public holidays of a country in one year; those that hang on the moon are the library's estimate until own days correct them."""
    return dict(public_holidays.country_holidays(country, years=year)) if country else {}


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """Two-letter codes of the countries whose public holidays are known."""
    return frozenset(code for code in public_holidays.list_supported_countries() if len(code) == 2)
