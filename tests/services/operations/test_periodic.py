from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from app import db
from app.queue import QueueName
from services.operations import periodic
from services.operations.models import PeriodicJob, RunOutcome
from services.operations.periodic import claim, claim_by_hand, end_run, hand_back, keep_rows
from tests.conftest import NOON


@dataclass(frozen=True)
class Line:
    id: str = "sweep-things"
    job: str = "jobs.things.sweep"
    seconds: int = 10
    queue: QueueName = "default"
    what: str = "Things that are due"
    timeout_seconds: int = 60


SWEEP = Line()
DAILY = Line(id="count-things", seconds=86400, timeout_seconds=600)


def _later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _run(session: Session, line: Line, at: datetime, *, error: str | None = None) -> bool:
    run = claim(session, line, now=at)
    if run is not None:
        end_run(session, run, took_ms=5, error=error, now=at)
    return run is not None


def _row(session: Session, line: Line = SWEEP) -> PeriodicJob:
    return session.get_one(PeriodicJob, line.id, populate_existing=True)


def test_a_slot_is_claimed_once(session: Session) -> None:
    assert [_run(session, SWEEP, _later(at)) for at in (0, 3, 9.9, 10, 19, 20)] == [True, False, False, True, False, True]
    assert _row(session).run_slot == int(_later(20).timestamp()) // 10


def test_a_claim_that_was_under_way_while_another_was_made_comes_too_late(session: Session) -> None:
    assert _run(session, SWEEP, _later(30))
    assert not _run(session, SWEEP, _later(25))


def test_a_clock_that_ran_far_ahead_and_was_set_back_holds_nothing_up(session: Session) -> None:
    assert _run(session, SWEEP, NOON + timedelta(days=400))
    assert _run(session, SWEEP, NOON)
    assert not _run(session, SWEEP, _later(1))


def test_a_paused_job_claims_nothing_but_by_hand(session: Session) -> None:
    assert _run(session, SWEEP, NOON)
    _row(session).paused_at = NOON
    session.flush()
    assert claim(session, SWEEP, now=_later(60)) is None
    assert claim_by_hand(session, SWEEP, now=_later(61)) is not None


def test_a_run_by_hand_takes_no_slot_and_stands_beside_no_other(session: Session) -> None:
    by_hand = claim_by_hand(session, SWEEP, now=NOON)
    assert by_hand is not None
    assert by_hand.slot is None
    assert claim_by_hand(session, SWEEP, now=_later(1)) is None
    assert claim(session, SWEEP, now=_later(2)) is None
    end_run(session, by_hand, took_ms=3000, error=None, now=_later(3))
    assert _run(session, SWEEP, _later(4))


def test_a_run_that_died_with_its_worker_holds_up_no_more_than_two_periods(session: Session) -> None:
    assert claim(session, SWEEP, now=NOON) is not None
    assert claim(session, SWEEP, now=_later(10)) is None
    assert claim(session, SWEEP, now=_later(20)) is not None


def test_a_run_by_hand_waits_for_a_dead_one_until_that_would_have_been_ended(session: Session) -> None:
    assert claim(session, DAILY, now=NOON) is not None
    assert claim_by_hand(session, DAILY, now=_later(600)) is None
    assert claim_by_hand(session, DAILY, now=_later(606)) is not None


def test_how_a_run_ended_is_kept_and_the_end_of_an_older_one_changes_nothing(session: Session) -> None:
    first = claim(session, SWEEP, now=NOON)
    second = claim(session, SWEEP, now=_later(30))
    assert first is not None
    assert second is not None
    end_run(session, second, took_ms=7, error="ValueError: for +2203000001", now=_later(31))
    end_run(session, first, took_ms=31_000, error=None, now=_later(31))
    row = _row(session)
    assert (row.last_outcome, row.last_ms, row.failures_in_a_row) == (RunOutcome.FAILED, 7, 1)
    assert "3000001" not in row.last_error
    assert row.last_error.startswith("ValueError")
    assert not _run(session, SWEEP, _later(35))
    assert _run(session, SWEEP, _later(45), error="again")
    assert _row(session).failures_in_a_row == 2
    assert _run(session, SWEEP, _later(55))
    assert (_row(session).failures_in_a_row, _row(session).last_error) == (0, "")


def test_a_run_that_is_handed_back_frees_its_slot(session: Session) -> None:
    run = claim(session, DAILY, now=NOON)
    assert run is not None
    hand_back(session, run)
    assert _row(session, DAILY).last_outcome is None
    assert claim(session, DAILY, now=_later(1)) is not None


def test_rows_follow_the_schedule_and_those_of_another_release_are_kept_for_a_day(session: Session) -> None:
    held = dict(periodic.declared())
    try:
        periodic.declare([SWEEP, DAILY])
        keep_rows(session, now=NOON)
        assert _run(session, SWEEP, NOON)
        periodic.declare([DAILY])
        keep_rows(session, now=_later(3600))
        assert session.get(PeriodicJob, SWEEP.id) is not None
        keep_rows(session, now=NOON + timedelta(days=1, seconds=1))
        session.expire_all()
        assert session.get(PeriodicJob, SWEEP.id) is None
        assert _row(session, DAILY).first_seen_at == NOON
    finally:
        periodic.declare(held.values())


def test_of_many_claims_at_once_one_gets_the_slot(database: sa.Engine) -> None:
    def attempt(number: int) -> bool:
        with db.transaction() as session:
            # Clocks differ by less than the slot.
            return claim(session, DAILY, now=NOON + timedelta(seconds=number)) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1


def test_by_the_databases_own_clock_no_moment_is_claimed_twice(database: sa.Engine) -> None:
    line = Line(seconds=1, timeout_seconds=1)

    def attempts(_: int) -> list[int]:
        won = []
        for _ in range(60):
            with db.transaction() as session:
                run = claim(session, line)
                if run is not None:
                    assert run.slot is not None
                    won.append(run.slot)
                    end_run(session, run, took_ms=0, error=None)
        return won

    with ThreadPoolExecutor(4) as pool:
        slots = [slot for won in pool.map(attempts, range(4)) for slot in won]
    assert slots
    assert len(slots) == len(set(slots))


@pytest.mark.parametrize("seconds", [1, 10])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["rings", "dies", "by hand", "handed back"]), st.floats(0, 45)), max_size=25))
def test_whatever_rings_when_no_slot_has_two_runs(session: Session, seconds: int, steps: list[tuple[str, float]]) -> None:
    """Rings of any number of schedulers, runs that end, die or are handed back, in any order of moments within a few slots."""
    line, point = Line(id="machine", seconds=seconds), session.begin_nested()
    ran: list[int] = []
    for what, at in steps:
        if what == "by hand":
            if (by_hand := claim_by_hand(session, line, now=_later(at))) is not None:
                end_run(session, by_hand, took_ms=0, error=None, now=_later(at))
            continue
        run = claim(session, line, now=_later(at))
        if run is None:
            continue
        assert run.slot == int(_later(at).timestamp()) // seconds
        if what == "handed back":
            hand_back(session, run)
            continue
        assert run.slot not in ran
        ran.append(run.slot)
        if what == "rings":
            end_run(session, run, took_ms=0, error=None, now=_later(at))
    point.rollback()
