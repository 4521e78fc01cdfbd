"""How the parts fared: buckets are made by PostgreSQL, and a week of samples is counted quickly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.operations.health import history
from services.operations.health.history import BUCKETS, RANGES, count
from services.operations.models import HealthSample, HealthState
from tests.conftest import NOON
from tests.factories import staff

DAY, WEEK = RANGES["day"], RANGES["week"]


@pytest.fixture(autouse=True)
def _uncounted() -> Iterator[None]:
    history.forget()
    yield
    history.forget()


def sample(
    session: Session, minutes_ago: int, state: HealthState = HealthState.OK, latency_ms: int | None = 10, part: str = "wave"
) -> None:
    session.add(HealthSample(part=part, at=NOON - timedelta(minutes=minutes_ago), state=state, latency_ms=latency_ms))
    session.flush()


def test_a_bucket_says_the_worst_and_the_mean(session: Session) -> None:
    for minutes, state, latency in ((5, HealthState.OK, 10), (4, HealthState.DOWN, 90), (3, HealthState.DEGRADED, 20)):
        sample(session, minutes, state, latency)
    fared = count(session, wanted=DAY, now=NOON).of("wave")
    (bucket,) = fared.buckets
    assert (bucket.samples, bucket.down, bucket.degraded, bucket.latency_ms, bucket.worst_latency_ms) == (3, 1, 1, 40, 90)
    assert bucket.state is HealthState.DOWN
    assert fared.uptime == pytest.approx(2 / 3)
    assert fared.bad_at == NOON - timedelta(minutes=3)


def test_what_was_not_set_up_and_what_is_too_old_counts_nowhere(session: Session) -> None:
    sample(session, 5, HealthState.OFF, None, part="push")
    sample(session, 60 * 25, HealthState.DOWN)
    found = count(session, wanted=DAY, now=NOON)
    assert dict(found.parts) == {}
    assert found.of("push").uptime is None
    assert count(session, wanted=WEEK, now=NOON).of("wave").uptime == 0


def test_a_range_has_about_a_hundred_buckets_and_begins_at_one(session: Session) -> None:
    for wanted in RANGES.values():
        found = count(session, wanted=wanted, now=NOON)
        assert 80 <= wanted.length / wanted.width <= 100
        assert found.end - found.start <= wanted.length
        assert (found.start - NOON) % wanted.width == timedelta(0)


def test_it_is_counted_once_for_all_who_look(session: Session) -> None:
    first = history.history(session, actor=staff(), wanted=DAY, now=NOON)
    sample(session, 5)
    assert history.history(session, actor=staff(), wanted=DAY, now=NOON + timedelta(seconds=5)) is first
    assert history.history(session, actor=staff(), wanted=DAY, now=NOON + timedelta(seconds=40)).of("wave").uptime == 1
    with pytest.raises(Forbidden):
        history.history(session, actor=staff(Role.BILLING_OFFICER), wanted=DAY, now=NOON)


def test_a_week_of_all_parts_is_counted_in_one_pass_over_that_week_alone(session: Session) -> None:
    """Ninety days are there: only the week's part of them is read, by its index, and nothing is sorted on disk."""
    session.execute(
        sa.text(
            "INSERT INTO health_sample (part, at, state, latency_ms, detail) SELECT 'part-' || p, :now - m * interval '10 minutes',"
            " CASE WHEN m % 97 = 0 THEN 'down' ELSE 'ok' END, m % 50, '' FROM generate_series(1, 18) AS p, generate_series(0, 12960) AS m"
        ),
        {"now": NOON},
    )
    session.execute(sa.text("ANALYZE health_sample"))
    values = {"width": WEEK.width, "origin": NOON, "start": NOON - WEEK.length, "end": NOON + timedelta(seconds=1)}
    explained = sa.text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {BUCKETS.text}")
    plan = session.execute(explained, values).scalar_one()
    said = json.dumps(plan)
    assert "ix_health_sample_at" in said
    assert "Seq Scan" not in said
    assert '"Sort Space Type": "Disk"' not in said
    rows = session.execute(BUCKETS, values).all()
    assert sum(row.samples for row in rows) == 18 * 7 * 144 + 18
    assert len(rows) <= 18 * 85
