"""Any history gives the deadlines that counting minute by minute gives; and the rules of the clocks one by one, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from services.tickets.sla.calendar import make_calendar
from services.tickets.sla.replay import Happened, Replayed, replay
from services.tickets.sla.terms import FIRST, NEXT, RESOLUTION, Terms
from tests.services.tickets.sla.histories import DAYS_AHEAD, Case, cases
from tests.services.tickets.sla.oracle import MINUTE, Count, Counted

HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OFFICE = make_calendar(
    name="Office",
    timezone="Africa/Banjul",
    spans={str(day): [["08:00", "16:00"]] for day in range(5)},
    holidays_of="GM",
    days={},
    year=2026,
)
ALWAYS = make_calendar(
    name="Always", timezone="UTC", spans={str(day): [["00:00", "24:00"]] for day in range(7)}, holidays_of=None, days={}, year=2026
)
PAUSES = {"pending": frozenset({RESOLUTION}), "on_hold:part": frozenset({RESOLUTION})}
TERMS = {
    1: Terms(1, "Normal", OFFICE, {FIRST: 4 * HOUR, NEXT: 4 * HOUR, RESOLUTION: 16 * HOUR}, PAUSES),
    2: Terms(2, "Urgent", ALWAYS, {FIRST: HOUR, NEXT: HOUR, RESOLUTION: 4 * HOUR}, PAUSES),
}


def at(hours: float) -> datetime:
    return MONDAY + hours * HOUR


def happened(hours: float, kind: str, /, **data: object) -> Happened:
    return Happened(at(hours), kind, data)


def played(*events: Happened, now: float = 0, terms: Mapping[int, Terms] = TERMS) -> Replayed:
    first = (happened(0, "created"), happened(0, "policy", version_id=1))
    return replay((*first, *events), terms, at(now))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_any_history_is_counted_as_minute_by_minute(case: Case) -> None:
    found = replay(case.happened, case.terms, case.start + case.until * MINUTE)
    horizon = case.until + DAYS_AHEAD * 1440
    expected = Count(case.promises, case.events, case.until, horizon, case.start).run()
    for clock, runs in found.runs.items():
        assert [_moments(case, run) for run in runs] == [_expected(run, horizon) for run in expected[clock]], clock


def _minute(case: Case, moment: datetime | None) -> float | None:
    return None if moment is None else (moment - case.start) / MINUTE


def _moments(case: Case, run: object) -> tuple[object, ...]:
    minutes = [_minute(case, getattr(run, name)) for name in ("started_at", "met_at", "breached_at", "due_at")]
    # The deadline of one that was met in time is not what the oracle looks for.
    due = minutes[3] if minutes[1] is None or (minutes[3] or 0) <= minutes[1] else None
    return (*minutes[:3], due if due is None or due <= case.until + DAYS_AHEAD * 1440 else "far", run.counted / MINUTE)  # type: ignore[attr-defined]


def _expected(run: Counted, horizon: int) -> tuple[object, ...]:
    due = run.due if run.met is None or (run.due is not None and run.due <= run.met) else None
    return (run.started, run.met, run.breached, due, float(run.minutes))


def test_the_first_response_is_due_in_open_hours_and_met_by_the_first_public_reply() -> None:
    noted = played(happened(1, "message", kind="note"), now=2).current(FIRST)
    assert noted is not None
    assert (noted.due_at, noted.met_at, noted.remaining) == (at(4), None, 2 * HOUR)
    answered = played(happened(1, "message", kind="note"), happened(3, "message", kind="reply"), now=30).current(FIRST)
    assert answered is not None
    assert (answered.met_at, answered.breached_at, answered.due_at) == (at(3), None, at(4))


def test_a_promise_goes_on_when_the_office_opens_again() -> None:
    run = played(happened(0, "tag"), now=9).current(RESOLUTION)
    assert run is not None
    # Eight hours on Monday and eight on Tuesday: due as the office closes, not as it opens on Wednesday.
    assert (run.due_at, run.remaining) == (at(32), 8 * HOUR)


def test_waiting_for_the_customer_stops_what_the_policy_says_and_nothing_else() -> None:
    story = played(happened(2, "state", to="pending"), happened(5, "state", to="open"), now=6)
    first, resolution = story.current(FIRST), story.current(RESOLUTION)
    assert first is not None
    assert resolution is not None
    assert first.breached_at == at(4)
    assert (resolution.counted, resolution.due_at) == (3 * HOUR, at(48 + 3))
    waiting = played(happened(2, "state", to="pending"), now=6).current(RESOLUTION)
    assert waiting is not None
    assert (waiting.due_at, waiting.stands, waiting.remaining) == (None, "waiting for the customer", 14 * HOUR)


@pytest.mark.parametrize(("reason", "counted"), [("part", 1), ("third_party", 3)])
def test_holding_stops_a_clock_by_its_reason(reason: str, counted: int) -> None:
    run = played(happened(1, "state", to="on_hold", hold_reason=reason), now=3).current(RESOLUTION)
    assert run is not None
    assert run.counted == counted * HOUR


def test_the_next_response_counts_from_the_first_of_several_words_and_starts_anew_after_each_answer() -> None:
    story = played(
        happened(0, "message", kind="customer"),
        happened(1, "message", kind="reply"),
        happened(2, "message", kind="customer"),
        happened(3, "message", kind="customer"),
        happened(4, "message", kind="reply"),
        happened(5, "message", kind="customer"),
        now=6,
    )
    assert [(run.round, run.started_at, run.due_at, run.met_at) for run in story.runs[NEXT]] == [
        (1, at(2), at(6), at(4)),
        (2, at(5), at(24 + 1), None),
    ]


def test_a_policy_change_counts_from_then_on_and_what_was_counted_stays() -> None:
    run = played(happened(3, "policy", version_id=2), now=3).current(RESOLUTION)
    assert run is not None
    assert (run.counted, run.due_at, run.breached_at) == (3 * HOUR, at(4), None)
    late = played(happened(7, "policy", version_id=2), now=7).current(RESOLUTION)
    assert late is not None
    assert (late.due_at, late.breached_at) == (at(7), at(7))


def test_a_breach_stands_though_a_gentler_policy_follows() -> None:
    story = played(happened(0, "policy", version_id=2), happened(5, "policy", version_id=1), now=5)
    run = story.current(RESOLUTION)
    assert run is not None
    assert (run.breached_at, run.due_at, run.remaining) == (at(4), at(24 + 8), 11 * HOUR)


def test_a_reopened_ticket_has_what_was_left_and_at_least_a_quarter() -> None:
    early = played(happened(2, "state", to="resolved"), happened(30, "state", to="open"), now=30).current(RESOLUTION)
    assert early is not None
    assert (early.round, early.remaining) == (2, 14 * HOUR)
    late = played(happened(31, "state", to="resolved"), happened(49, "state", to="open"), now=49).current(RESOLUTION)
    assert late is not None
    assert (late.remaining, late.due_at) == (4 * HOUR, at(53))


def test_closing_what_was_resolved_changes_nothing() -> None:
    runs = played(happened(2, "state", to="resolved"), happened(40, "state", to="closed"), now=50).runs[RESOLUTION]
    assert [run.met_at for run in runs] == [at(2)]


@pytest.mark.parametrize("order", [("state", "merged"), ("merged", "state")])
def test_a_merged_ticket_stops_and_goes_on_when_the_merge_is_undone(order: tuple[str, str]) -> None:
    merge = [happened(2, kind, to="closed") if kind == "state" else happened(2, kind, into="T-2") for kind in order]
    resting = played(*merge, now=7)
    assert [(run.met_at, run.due_at, run.stands) for run in resting.all()] == [(None, None, "merged into another ticket")] * 2
    undone = played(*merge, happened(7, "unmerged"), happened(7, "state", to="open"), now=7).current(RESOLUTION)
    assert undone is not None
    assert (undone.round, undone.counted, undone.due_at) == (1, 2 * HOUR, at(48 + 5))


def test_without_a_policy_nothing_is_due() -> None:
    story = replay([happened(0, "created"), happened(1, "message", kind="customer")], {}, at(50))
    assert [(run.due_at, run.breached_at, run.stands) for run in story.all()] == [(None, None, "no policy")] * 2


def test_what_comes_after_the_moment_asked_for_is_left_out() -> None:
    events = [happened(0, "created"), happened(0, "policy", version_id=1), happened(3, "message", kind="reply")]
    run = replay(events, TERMS, at(2)).current(FIRST)
    assert run is not None
    assert run.met_at is None


def test_a_point_on_the_way_is_found_before_and_after_it_was_passed() -> None:
    story = played(happened(2, "state", to="pending"), happened(6, "state", to="open"), now=7)
    run = story.current(RESOLUTION)
    assert run is not None
    assert (run.reached_at(HOUR), run.reached_at(3 * HOUR), run.reached_at(12 * HOUR)) == (at(1), at(7), at(32))
    waiting = played(happened(2, "state", to="pending"), now=7).current(RESOLUTION)
    assert waiting is not None
    assert waiting.reached_at(12 * HOUR) is None


def test_clocks_of_two_hosts_that_differ_do_not_turn_time_back() -> None:
    run = played(happened(2, "message", kind="note"), happened(1.5, "state", to="pending"), now=3).current(RESOLUTION)
    assert run is not None
    assert run.counted == 2 * HOUR
