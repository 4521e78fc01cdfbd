"""Business time: spans, nights, holidays, changes of the clock, and calendars that are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import InvalidInput
from services.tickets.sla.calendar import NeverOpen, OwnDay, WorkCalendar, calendar_of, make_calendar
from tests.services.tickets.sla.histories import STARTS, hours
from tests.services.tickets.sla.oracle import MINUTE, Hours, open_minutes

HOUR = timedelta(hours=1)
WEEK = {str(day): [["08:00", "12:30"], ["14:00", "17:00"]] for day in range(5)}
NIGHT = {str(day): [["22:00", "06:00"]] for day in range(7)}


def made(spans: dict[str, Any] = WEEK, timezone: str = "Africa/Banjul", **more: Any) -> WorkCalendar:
    return make_calendar(name="Office", timezone=timezone, spans=spans, **{"holidays_of": "GM", "days": {}, "year": 2026} | more)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[datetime, WorkCalendar, Hours]:
    start = draw(st.sampled_from(STARTS))
    return start, *draw(hours(start))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(weeks(), st.integers(0, 9 * 1440), st.integers(0, 3000))
def test_time_between_and_time_added_are_what_counting_minutes_gives(
    week: tuple[datetime, WorkCalendar, Hours], offset: int, length: int
) -> None:
    start, calendar, plain = week
    marks = open_minutes(plain, start, 36 * 1440)
    begin = start + offset * MINUTE
    counted = sum(marks[offset : offset + length])
    assert calendar.between(begin, begin + length * MINUTE) == counted * MINUTE
    pieces = list(calendar.stretches(begin, begin + length * MINUTE))
    assert sum(((piece.end - piece.start) for piece in pieces if piece.is_open), timedelta()) == counted * MINUTE
    assert all(one.end == two.start for one, two in pairwise(pieces))
    wanted, minute = min(length, 900), offset
    while wanted and minute < len(marks):
        wanted -= marks[minute]
        minute += 1
    if not wanted:
        assert calendar.add(begin, min(length, 900) * MINUTE) == start + minute * MINUTE


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(weeks(), st.integers(0, 10 * 86400), st.integers(1, 5 * 86400))
def test_adding_and_measuring_agree_to_the_second(week: tuple[datetime, WorkCalendar, Hours], offset: int, seconds: int) -> None:
    start, calendar, _ = week
    begin, duration = start + timedelta(seconds=offset), timedelta(seconds=seconds)
    end = calendar.add(begin, duration)
    assert calendar.between(begin, end) == duration
    assert calendar.between(begin, end - timedelta(seconds=1)) == duration - timedelta(seconds=1)
    assert calendar.add(calendar.add(begin, duration / 2), duration / 2) == end


def test_the_lunch_break_and_the_weekend_do_not_count() -> None:
    # Friday 12:00, three hours: half an hour, then 14:00 to 16:30.
    assert made().add(utc("2026-11-27T12:00"), 3 * HOUR) == utc("2026-11-27T16:30")
    assert made().add(utc("2026-11-27T16:30"), HOUR) == utc("2026-11-30T08:30")


def test_time_that_is_used_up_as_the_office_closes_is_due_then() -> None:
    assert made().add(utc("2026-11-27T16:00"), HOUR) == utc("2026-11-27T17:00")


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    # Christmas is shut: the night that began on Christmas Eve runs into it, its own does not begin.
    calendar = made(NIGHT)
    assert calendar.between(utc("2026-12-25T00:00"), utc("2026-12-26T00:00")) == 6 * HOUR
    assert calendar.closed_for(date(2026, 12, 25)) == "Christmas Day"


def test_the_nights_in_which_the_clock_is_changed_count_what_really_passed() -> None:
    lisbon = made(NIGHT, timezone="Europe/Lisbon", holidays_of=None)
    assert lisbon.between(utc("2026-03-28T12:00"), utc("2026-03-29T12:00")) == 7 * HOUR
    assert lisbon.between(utc("2026-10-24T12:00"), utc("2026-10-25T12:00")) == 9 * HOUR


def test_a_span_that_begins_in_the_hour_that_is_skipped_opens_as_the_clock_is_put_forward() -> None:
    calendar = made({"6": [["01:30", "03:00"]]}, timezone="Europe/Lisbon", holidays_of=None)
    pieces = [piece for piece in calendar.stretches(utc("2026-03-29T00:00"), utc("2026-03-29T06:00")) if piece.is_open]
    assert [(piece.start, piece.end) for piece in pieces] == [(utc("2026-03-29T01:00"), utc("2026-03-29T02:00"))]


def test_a_day_that_an_island_skipped_has_no_hours() -> None:
    apia = made({str(day): [["08:00", "17:00"]] for day in range(7)}, timezone="Pacific/Apia", holidays_of=None, year=2011)
    # 30 December 2011 did not exist there.
    assert apia.between(utc("2011-12-29T10:00"), utc("2011-12-31T10:00")) == 2 * 9 * HOUR


def test_own_days_close_and_open() -> None:
    calendar = made(days={date(2026, 11, 24): OwnDay(False, "Staff day"), date(2026, 12, 25): OwnDay(True)})
    assert calendar.between(utc("2026-11-24T00:00"), utc("2026-11-25T00:00")) == timedelta(0)
    assert calendar.between(utc("2026-12-25T00:00"), utc("2026-12-26T00:00")) == 7.5 * HOUR


def test_a_closed_stretch_names_the_holidays_in_it() -> None:
    stretches = made().stretches(utc("2026-12-24T17:00"), utc("2026-12-29T09:00"))
    assert [(piece.is_open, piece.why) for piece in stretches] == [
        (False, "closed: Christmas Day, Boxing Day (observed)"),
        (True, "open hours of Office"),
    ]
    assert [piece.why for piece in made().stretches(utc("2026-11-23T13:00"), utc("2026-11-23T13:30"))] == ["outside open hours"]


def test_a_stored_calendar_means_what_it_meant() -> None:
    calendar = made(NIGHT, days={date(2026, 11, 24): OwnDay(False, "Staff day")}, id=7)
    assert calendar_of(calendar.document()) == calendar
    assert calendar_of(calendar.document()) is calendar_of(calendar.document())
    whole = made({"0": [["00:00", "24:00"]]})
    assert calendar_of(whole.document()) == whole


def test_fixed_holidays_stay_though_the_library_learns_of_others() -> None:
    document = made().document() | {"holidays": {"2026-11-24": "Proclaimed at short notice"}}
    assert calendar_of(document).closed_for(date(2026, 12, 25)) is None
    assert calendar_of(document).closed_for(date(2026, 11, 24)) == "Proclaimed at short notice"
    assert calendar_of(document).closed_for(date(2040, 12, 25)) == "Christmas Day"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"spans": {}}, "spans"),
        ({"spans": {"0": []}}, "spans"),
        ({"spans": {"7": [["08:00", "09:00"]]}}, "spans"),
        ({"spans": {"0": [["8", "9"]]}}, "spans"),
        ({"spans": {"0": [["25:00", "26:00"]]}}, "spans"),
        ({"spans": {"0": [["24:00", "06:00"]]}}, "spans"),
        ({"spans": {"0": ["08:00"]}}, "spans"),
        ({"spans": {"0": "08:00"}}, "spans"),
        ({"spans": {"0": [["08:00", "12:00"], ["11:00", "13:00"]]}}, "spans"),
        ({"spans": {"0": [["08:00", "09:00"]] * 9}}, "spans"),
        ({"timezone": "Banjul"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"holidays_of": "ZZ"}, "holidays_of"),
        ({"days": {date(2026, 11, 22): OwnDay(True)}}, "days"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused_and_the_field_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        made(**changes)
    assert refusal.value.field == field


def test_a_calendar_whose_only_hours_are_shut_for_years_is_refused() -> None:
    mondays = [date(2026, 1, 5) + timedelta(weeks=number) for number in range(-60, 200)]
    with pytest.raises(InvalidInput, match="nothing would ever be due"):
        made({"0": [["08:00", "09:00"]]}, days={day: OwnDay(False) for day in mondays})


def test_nothing_searches_for_ever_in_a_calendar_that_is_never_open() -> None:
    never = calendar_of(made().document() | {"spans": {}})
    with pytest.raises(NeverOpen):
        never.add(utc("2026-11-22T00:00"), HOUR)
    assert never.between(utc("2026-11-22T00:00"), utc("2036-11-22T00:00")) == timedelta(0)
