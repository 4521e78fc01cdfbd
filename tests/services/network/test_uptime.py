from __future__ import annotations

import csv
import io
import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from app.db import transaction
from app.errors import Forbidden
from services.accounts.permissions import Principal
from services.listing import Slice
from services.network import uptime_report
from services.network.models import Health
from services.network.uptime import (
    Stretch,
    Uptime,
    history,
    month_after,
    month_of,
    months_by_access_point,
    uptime_by_access_point,
    uptime_by_site,
)
from services.network.uptime_report import Range
from tests.conftest import NOON
from tests.factories import staff
from tests.services.network.lives import Life, by_the_second, live, lives
from tests.services.network.places import make_site

HOUR = timedelta(hours=1)
LONG_AFTER = NOON + timedelta(days=365)
# One database for all examples: each makes access points of its own.
_on_one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
_offsets = st.integers(-5_000_000, 65_000_000).map(lambda microseconds: NOON + timedelta(microseconds=microseconds))


@_on_one_database
@given(life=lives(NOON, seconds=60), bounds=st.tuples(_offsets, _offsets))
def test_any_life_in_any_range_is_what_counting_second_by_second_gives(
    session: Session, life: Life, bounds: tuple[datetime, datetime]
) -> None:
    point = live(session, life)
    assert point.id is not None
    found = uptime_by_access_point(session, [point.id], start=bounds[0], end=bounds[1], now=LONG_AFTER)
    assert found == {point.id: by_the_second(life, *bounds)}


@_on_one_database
@given(life=lives(NOON, seconds=60), cuts=st.lists(_offsets, max_size=4))
def test_ranges_that_adjoin_add_up_to_the_whole_wherever_they_are_cut(session: Session, life: Life, cuts: list[datetime]) -> None:
    point = live(session, life)
    assert point.id is not None
    bounds = [NOON - HOUR, *sorted(cuts), NOON + HOUR]
    parts = [
        uptime_by_access_point(session, [point.id], start=start, end=end, now=LONG_AFTER)[point.id]
        for start, end in itertools.pairwise(bounds)
    ]
    whole = uptime_by_access_point(session, [point.id], start=bounds[0], end=bounds[-1], now=LONG_AFTER)[point.id]
    assert sum(parts, Uptime()) == whole


@_on_one_database
@given(several=st.lists(lives(NOON, seconds=60), max_size=3))
def test_a_site_is_the_sum_of_its_access_points(session: Session, several: list[Life]) -> None:
    site = make_site(session)
    assert site.id is not None
    for life in several:
        live(session, life, site=site)
    end = NOON + timedelta(seconds=60)
    found = uptime_by_site(session, [site.id], start=NOON, end=end, now=LONG_AFTER)
    assert found == {site.id: sum((by_the_second(life, NOON, end) for life in several), Uptime())}


def test_up_is_online_or_degraded_and_what_is_unknown_or_retired_counts_neither_way() -> None:
    assert Uptime(online=60, degraded=15, offline=25, unknown=1000, retired=1000).share == 0.75
    assert Uptime(unknown=5, retired=5).share is None


def test_the_running_state_counts_up_to_now(session: Session) -> None:
    point = live(session, [(NOON, Health.ONLINE), (NOON + HOUR, Health.OFFLINE)])
    assert point.id is not None
    found = uptime_by_access_point(session, [point.id], start=NOON, end=LONG_AFTER, now=NOON + 3 * HOUR)[point.id]
    assert found == Uptime(online=3600, offline=7200)


def test_months_are_calendar_months_and_the_running_one_comes_last(session: Session) -> None:
    point = live(session, [(datetime(2026, 10, 31, 23, tzinfo=UTC), Health.ONLINE)])
    assert point.id is not None
    found = months_by_access_point(session, point.id, months=3, now=NOON)
    days = (NOON - datetime(2026, 11, 1, tzinfo=UTC)).total_seconds()
    assert dict(found) == {
        date(2026, 9, 1): Uptime(),
        date(2026, 10, 1): Uptime(online=3600),
        date(2026, 11, 1): Uptime(online=int(days)),
    }


def test_months_go_over_the_turn_of_the_year() -> None:
    assert (month_after(date(2026, 12, 1)), month_after(date(2026, 1, 1), -13)) == (date(2027, 1, 1), date(2024, 12, 1))
    assert month_of(NOON) == date(2026, 11, 1)


def test_the_history_is_cut_to_what_was_asked_for(session: Session) -> None:
    point = live(session, [(NOON, Health.ONLINE), (NOON + HOUR, Health.OFFLINE), (NOON + 2 * HOUR, Health.ONLINE)])
    assert point.id is not None
    found = history(session, point.id, start=NOON + HOUR / 2, end=NOON + 9 * HOUR, now=NOON + 3 * HOUR)
    assert found == [
        Stretch(Health.ONLINE, NOON + HOUR / 2, NOON + HOUR),
        Stretch(Health.OFFLINE, NOON + HOUR, NOON + 2 * HOUR),
        Stretch(Health.ONLINE, NOON + 2 * HOUR, NOON + 3 * HOUR),
    ]


# The report

SPAN = Range(NOON, NOON + 4 * HOUR)


def _two_access_points(session: Session) -> None:
    site = make_site(session, "=1+1 Market, old")
    live(session, [(NOON, Health.ONLINE), (NOON + HOUR, Health.OFFLINE)], site=site).name = "b"
    live(session, [(NOON, Health.ONLINE)], site=site).name = "a"
    session.flush()


def test_the_report_goes_by_name_in_pages_and_finds_by_either_name(session: Session) -> None:
    _two_access_points(session)
    part = Slice(0, 1, descending=False)
    found = uptime_report.report(session, actor=staff(), by="access_point", span=SPAN, part=part, search="market", now=LONG_AFTER)
    assert found.total == 2
    assert [(row.name, row.site, row.uptime.share) for row in found.rows] == [("a", "=1+1 Market, old", 1.0)]
    sites = uptime_report.report(session, actor=staff(), by="site", span=SPAN, part=Slice(), now=LONG_AFTER)
    assert [(row.name, row.uptime.share) for row in sites.rows] == [("=1+1 Market, old", 0.625)]


def test_the_file_has_the_same_rows_and_no_cell_that_a_spreadsheet_would_run(session: Session) -> None:
    _two_access_points(session)
    text = "".join(uptime_report.csv_lines(transaction, actor=staff(), by="access_point", span=SPAN, now=LONG_AFTER))
    assert text.startswith("\ufeffAccess point,Site,From,Until,Up-time percent,Online seconds")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1:] == [
        ["a", "'=1+1 Market, old", "2026-11-22T12:00:00Z", "2026-11-22T16:00:00Z", "100.0000", "14400", "0", "0", "0", "0"],
        ["b", "'=1+1 Market, old", "2026-11-22T12:00:00Z", "2026-11-22T16:00:00Z", "25.0000", "3600", "0", "10800", "0", "0"],
    ]


def test_a_long_file_is_made_in_batches_without_losing_a_row(session: Session) -> None:
    names = ["one", "one", "one", "two", "three"]
    for name in names:
        live(session, [(NOON, Health.ONLINE)]).name = name
    session.flush()
    lines = list(uptime_report.csv_lines(transaction, actor=staff(), by="access_point", span=SPAN, now=LONG_AFTER, batch=2))
    assert [line.split(",")[0] for line in lines[1:]] == sorted(names)


def test_only_who_may_read_the_network_gets_the_report(session: Session) -> None:
    nobody = Principal(kind="staff", id=9, name="nobody", permissions=frozenset())
    with pytest.raises(Forbidden):
        uptime_report.report(session, actor=nobody, by="site", span=SPAN, part=Slice(), now=NOON)
    with pytest.raises(Forbidden):
        uptime_report.csv_lines(transaction, actor=nobody, by="site", span=SPAN, now=NOON)
