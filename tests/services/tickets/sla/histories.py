"""Hypothesis draws calendars, promises and histories: as the product's own types and, apart from those, as the oracle's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import holidays
from hypothesis import strategies as st

from services.tickets.sla.calendar import OwnDay, WorkCalendar, make_calendar
from services.tickets.sla.replay import Happened
from services.tickets.sla.terms import CLOCKS, Clock, Terms
from tests.services.tickets.sla.oracle import MINUTE, Hours, Promise

# Ordinary weeks, Banjul's Christmas, and nights in which Lisbon and New York change their clocks.
STARTS = (
    datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
    datetime(2026, 12, 23, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 27, 20, 0, tzinfo=UTC),
    datetime(2026, 10, 30, 22, 10, tzinfo=UTC),
)
ZONES = ("Africa/Banjul", "Africa/Banjul", "Europe/Lisbon", "America/New_York")
HOLD_REASONS = ("part", "third_party", "site_access", "outage")
DAYS_AHEAD = 24


@dataclass(frozen=True)
class Case:
    """One drawn world: what the product is told, and what the oracle is told."""

    start: datetime
    until: int
    events: tuple[tuple[int, str, Mapping[str, object]], ...]
    terms: Mapping[int, Terms]
    promises: Mapping[int, Promise]

    @property
    def happened(self) -> list[Happened]:
        return [Happened(self.start + minute * MINUTE, kind, data) for minute, kind, data in self.events]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@st.composite
def weekday_spans(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """None, one or two by day, by night across midnight, or round the clock."""
    shape = draw(st.sampled_from(("day", "split", "night", "whole", "none", "odd")))
    if shape == "day":
        return ((480, 1020),)
    if shape == "split":
        return ((7 * 60 + 15, 12 * 60), (13 * 60 + 30, 19 * 60 + 45))
    if shape == "night":
        return ((22 * 60, 30 * 60),)
    if shape == "whole":
        return ((0, 1440),)
    if shape == "odd":
        start = draw(st.integers(0, 1439))
        return ((start, start + draw(st.integers(120, 1440))),)
    return ()


@st.composite
def hours(draw: st.DrawFn, start: datetime) -> tuple[WorkCalendar, Hours]:
    zone = draw(st.sampled_from(ZONES))
    spans = {day: draw(weekday_spans()) for day in range(7)}
    if sum(two - one for day in spans.values() for one, two in day) < 600:
        spans[draw(st.integers(0, 6))] = ((0, 1440),)
    country = draw(st.sampled_from(("GM", None)))
    near = [start.date() + timedelta(days=number) for number in range(-2, 10)]
    shut = draw(st.sets(st.sampled_from(near), max_size=3))
    worked = draw(st.sets(st.sampled_from([day for day in near if spans[day.weekday()]] or near[:1]), max_size=2)) - shut
    worked = {day for day in worked if spans[day.weekday()]}
    public = set(holidays.country_holidays("GM", years=[2026, 2027])) if country else set()
    calendar = make_calendar(
        name="drawn",
        timezone=zone,
        spans={str(day): [[_clock(one), _clock(two % 1440)] for one, two in pairs] for day, pairs in spans.items()},
        holidays_of=country,
        days={day: OwnDay(False) for day in shut} | {day: OwnDay(True) for day in worked},
        year=2026,
    )
    closed: frozenset[date] = frozenset((public | shut) - worked)
    return calendar, Hours(zone, spans, closed)


@st.composite
def promise(draw: st.DrawFn, start: datetime, number: int) -> tuple[Terms, Promise]:
    calendar, plain = draw(hours(start))
    minutes: dict[Clock, int] = {
        clock: draw(st.integers(1, most)) * 4 for clock, most in zip(CLOCKS, (60, 90, 350), strict=True) if draw(st.integers(0, 5))
    }
    states = ("pending", "on_hold", *(f"on_hold:{reason}" for reason in HOLD_REASONS[:2]))
    pauses = {state: frozenset(draw(st.sets(st.sampled_from(CLOCKS)))) for state in draw(st.sets(st.sampled_from(states))) | {"pending"}}
    targets: dict[Clock, timedelta] = {clock: count * MINUTE for clock, count in minutes.items()}
    terms = Terms(number, f"Policy {number}", calendar, targets, pauses)
    return terms, Promise(
        plain, {str(clock): count for clock, count in minutes.items()}, {k: frozenset(map(str, v)) for k, v in pauses.items()}
    )


@st.composite
def event(draw: st.DrawFn) -> tuple[str, Mapping[str, object]]:
    kinds = (
        "customer",
        "reply",
        "reply",
        "note",
        "state",
        "state",
        "hold",
        "policy",
        "merged",
        "unmerged",
        "took_in",
        "took_in",
        "gave_back",
        "tag",
    )
    kind = draw(st.sampled_from(kinds))
    if kind in ("customer", "reply", "note"):
        return "message", {"kind": kind}
    if kind == "state":
        to = draw(st.sampled_from(("open", "open", "pending", "resolved", "closed")))
        return "state", {"to": to, "hold_reason": None}
    if kind == "took_in":
        return kind, {"unanswered": draw(st.booleans()), "operation_id": draw(st.integers(1, 3))}
    if kind == "gave_back":
        # Of a merge, or of a split, which moved no words that a clock knows of.
        return kind, draw(st.sampled_from(({"operation_id": 1}, {"operation_id": 2}, {"operation_id": 3}, {})))
    if kind == "hold":
        return "state", {"to": "on_hold", "hold_reason": draw(st.sampled_from(HOLD_REASONS))}
    if kind == "policy":
        return "policy", {"version_id": draw(st.sampled_from((1, 2, 3, None)))}
    return kind, {}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    start = draw(st.sampled_from(STARTS))
    made = {number: draw(promise(start, number)) for number in (1, 2, 3)}
    events: list[tuple[int, str, Mapping[str, object]]] = [(0, "created", {}), (0, "policy", {"version_id": 1})]
    minute = 0
    gaps = st.one_of(st.just(0), st.integers(1, 90), st.integers(60, 1500))
    for kind, data in draw(st.lists(event(), max_size=12)):
        minute += draw(gaps)
        events.append((minute, kind, data))
    until = min(minute, 14 * 1440) + draw(st.integers(0, 1500))
    return Case(start, until, tuple(events), {n: one[0] for n, one in made.items()}, {n: one[1] for n, one in made.items()})
