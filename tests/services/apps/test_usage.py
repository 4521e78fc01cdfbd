"""What was used by day: the days add up to the sessions, and no device is online longer than a day has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select

from services.access.models import AccessSession, SessionState
from services.apps.callers import Caller
from services.apps.models import App
from services.apps.usage import DayUsed, Online, by_day, usage
from tests.conftest import NOON
from tests.services.access.online import online
from tests.services.apps.texting import logged_in

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVE, DAY = date(2026, 11, 21), date(2026, 11, 22)
moments = st.integers(0, 6 * 86_400 * 1_000_000).map(lambda number: MIDNIGHT + timedelta(microseconds=number))


@st.composite
def sessions(draw: st.DrawFn) -> Online:
    start, end = sorted((draw(moments), draw(moments)))
    return Online(draw(st.sampled_from("abc")), start, end, draw(st.integers(0, 1 << 50)), draw(st.integers(0, 1 << 50)))


@given(st.lists(sessions(), max_size=12))
def test_the_days_add_up_to_the_sessions(found: list[Online]) -> None:
    used = by_day(found).values()
    assert sum(one.bytes_down for one in used) == sum(one.bytes_down for one in found)
    assert sum(one.bytes_up for one in used) == sum(one.bytes_up for one in found)
    assert all(one.bytes_down >= 0 and one.bytes_up >= 0 and one.seconds >= 0 for one in used)


@given(st.lists(sessions(), max_size=12))
def test_no_device_is_online_longer_than_a_day_has(found: list[Online]) -> None:
    for device in "abc":
        own = by_day([one for one in found if one.device == device]).values()
        assert all(one.seconds <= 86_400 and one.minutes <= 1440 for one in own)


@given(sessions())
def test_a_single_session_is_all_of_its_days(found: Online) -> None:
    assert sum(one.seconds for one in by_day([found]).values()) == int((found.ended_at - found.started_at).total_seconds())


def test_a_session_over_midnight_is_shared_out_by_time() -> None:
    over = Online("a", MIDNIGHT - HOUR, MIDNIGHT + 3 * HOUR, bytes_down=1001, bytes_up=2)
    assert list(by_day([over]).values()) == [DayUsed(EVE, 250, 0, 3600), DayUsed(DAY, 751, 2, 10_800)]


def test_a_device_in_two_sessions_at_once_is_online_once_and_two_devices_twice() -> None:
    def at(device: str) -> Online:
        return Online(device, MIDNIGHT, MIDNIGHT + HOUR, 10)

    assert by_day([at("a"), at("a")])[DAY] == DayUsed(DAY, 20, 0, 3600)
    assert by_day([at("a"), at("b")])[DAY] == DayUsed(DAY, 20, 0, 7200)


def test_what_came_in_no_time_is_of_its_day() -> None:
    assert by_day([Online("a", MIDNIGHT, MIDNIGHT, 7, 1)])[DAY] == DayUsed(DAY, 7, 1, 0)


def test_each_of_the_last_days_is_told_also_one_without_use_and_only_ones_own(session: Session) -> None:
    _, me = logged_in(session, "+220833000001")
    _, time = online(session, at=NOON - 16 * HOUR, minutes=24 * 60, phone="+220833000001")
    online(session, at=NOON, phone="+220833000002")
    row = session.exec(select(AccessSession).where(AccessSession.entitlement_id == time.id)).one()
    row.bytes_down, row.bytes_up = 2000, 200
    row.state, row.ended_at = SessionState.ENDED, NOON - 6 * HOUR
    session.flush()
    used = usage(session, me, days=3, now=NOON)
    # Four of its ten hours were on the eve.
    assert [(one.day, one.bytes_down, one.bytes_up, one.minutes) for one in used] == [
        (date(2026, 11, 20), 0, 0, 0),
        (EVE, 800, 80, 240),
        (DAY, 1200, 120, 360),
    ]
    # Asked about the last day alone, the same share of it is told.
    assert usage(session, me, days=1, now=NOON) == used[-1:]


def test_a_session_that_runs_counts_until_now_with_what_the_router_counted_so_far(session: Session) -> None:
    _, me = logged_in(session, "+220833000001")
    _, time = online(session, at=NOON, phone="+220833000001")
    row = session.exec(select(AccessSession).where(AccessSession.entitlement_id == time.id)).one()
    row.live_bytes_down, row.live_bytes_up, row.live_at = 500, 50, NOON
    session.flush()
    (today,) = usage(session, me, days=1, now=NOON + timedelta(minutes=10))
    assert (today.bytes_down, today.bytes_up, today.minutes) == (500, 50, 10)
    # Its router ends it after an hour, whether that is reported or not.
    (today,) = usage(session, me, days=1, now=NOON + 5 * HOUR)
    assert today.minutes == 60


def test_somebody_new_has_used_nothing(session: Session) -> None:
    _, me = logged_in(session)
    assert isinstance(me, Caller)
    assert me.app is App.GO
    assert [(one.bytes_down, one.minutes) for one in usage(session, me, days=2, now=NOON)] == [(0, 0), (0, 0)]
