from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from app.db import transaction
from services.network import retention
from services.network.models import Health, HealthMonth, HealthPeriod
from services.network.uptime import Uptime, begins_at, month_after, uptime_by_access_point
from tests.services.network.lives import Life, live, lives

DAY = timedelta(days=1)
JANUARY = date(2026, 1, 1)
_SIX_MONTHS = 181 * 86_400


def _months(session: Session, point_id: int, now: datetime) -> list[Uptime]:
    """Each month of the year, and the whole of it."""
    firsts = [begins_at(month_after(JANUARY, number)) for number in range(13)]
    spans = [*itertools.pairwise(firsts), (firsts[0], firsts[-1])]
    return [uptime_by_access_point(session, [point_id], start=start, end=end, now=now)[point_id] for start, end in spans]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(life=lives(begins_at(JANUARY), seconds=_SIX_MONTHS, most=8), rolled=st.integers(0, 8))
def test_up_time_is_the_same_before_and_after_a_roll_up(session: Session, life: Life, rolled: int) -> None:
    point = live(session, life)
    assert point.id is not None
    now = begins_at(month_after(JANUARY, retention.MONTHS_OF_PERIODS + rolled)) + timedelta(days=3)
    before = _months(session, point.id, now)
    first = retention.roll_up(transaction, now=now)
    session.expire_all()
    assert _months(session, point.id, now) == before
    assert all(month < month_after(JANUARY, rolled) for month in first)
    assert retention.roll_up(transaction, now=now) == []
    assert _months(session, point.id, now) == before
    kept = session.exec(select(HealthPeriod).where(HealthPeriod.access_point_id == point.id)).all()
    assert all(period.started_at >= begins_at(month_after(JANUARY, rolled)) for period in kept)


def test_a_state_that_lasts_for_months_is_cut_at_each_of_them_and_goes_on(session: Session) -> None:
    point = live(session, [(begins_at(JANUARY) + DAY, Health.ONLINE)])
    now = begins_at(month_after(JANUARY, retention.MONTHS_OF_PERIODS + 2)) + timedelta(days=20)
    assert retention.roll_up(transaction, now=now) == [date(2026, 1, 1), date(2026, 2, 1)]
    session.expire_all()
    months = session.exec(select(HealthMonth).where(HealthMonth.access_point_id == point.id).order_by(col(HealthMonth.month))).all()
    assert [(month.month, month.online_seconds) for month in months] == [
        (date(2026, 1, 1), 30 * 86_400),
        (date(2026, 2, 1), 28 * 86_400),
    ]
    period = session.exec(select(HealthPeriod)).one()
    assert (period.started_at, period.ended_at) == (datetime(2026, 3, 1, tzinfo=UTC), None)


def test_a_roll_up_that_dies_in_its_second_month_is_gone_on_with(session: Session) -> None:
    point = live(session, [(begins_at(JANUARY), Health.ONLINE)])
    now = begins_at(month_after(JANUARY, retention.MONTHS_OF_PERIODS + 3))
    opened = 0

    def begin_once() -> object:
        nonlocal opened
        opened += 1
        if opened > 1:
            raise RuntimeError("died")
        return transaction()

    with pytest.raises(RuntimeError, match="died"):
        retention.roll_up(begin_once, now=now)  # type: ignore[arg-type]
    assert retention.roll_up(transaction, now=now) == [date(2026, 2, 1), date(2026, 3, 1)]
    total = session.execute(sa.select(sa.func.sum(HealthMonth.online_seconds)).where(col(HealthMonth.access_point_id) == point.id))
    assert total.scalar_one() == 90 * 86_400
