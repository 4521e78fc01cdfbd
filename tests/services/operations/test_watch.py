from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col

from app import db
from app.queue import QUEUES
from services.network.alarm_models import NetworkAlarm
from services.operations import periodic
from services.operations.models import PeriodicJob, ProcessKind, RunningProcess, RunOutcome
from services.operations.processes import Identity, beat, stopped
from services.operations.queues import QueueView
from services.operations.watch import SCHEDULE, Watch, check
from tests.conftest import NOON
from tests.services.operations.test_periodic import DAILY, SWEEP

LONG = timedelta(days=1)
EMPTY = tuple(QueueView(name, 0, None) for name in QUEUES)


@pytest.fixture(autouse=True)
def schedule() -> Iterator[None]:
    held = dict(periodic.declared())
    periodic.declare([SWEEP, DAILY])
    yield
    periodic.declare(held.values())


def _alarms(session: Session) -> set[tuple[str, str]]:
    standing = session.execute(sa.select(NetworkAlarm).where(col(NetworkAlarm.ended_at).is_(None))).scalars()
    return {(alarm.kind.value, alarm.subject) for alarm in standing}


def _process(session: Session, kind: ProcessKind, serves: str = "", *, beat_at: datetime = NOON, is_stopped: bool = False) -> None:
    row = RunningProcess(id=secrets.token_hex(8), kind=kind, host="a", pid=1, serves=serves, started_at=beat_at, beat_at=beat_at)
    row.stopped_at = beat_at if is_stopped else None
    session.add(row)
    session.flush()


def _all_there(session: Session, *, at: datetime = NOON) -> None:
    _process(session, ProcessKind.SCHEDULER, beat_at=at)
    _process(session, ProcessKind.WORKER, ",".join(QUEUES), beat_at=at)


def _look(session: Session, *, now: datetime = NOON, watched: timedelta = LONG, waiting: tuple[QueueView, ...] | None = EMPTY) -> None:
    check(session, waiting=waiting, watched=watched, now=now)


def _ran(session: Session, job_id: str, *, ended: datetime, failures: int = 0) -> None:
    row = session.get(PeriodicJob, job_id) or PeriodicJob(id=job_id, first_seen_at=NOON - timedelta(days=30))
    row.last_started_at = row.last_ended_at = ended
    row.failures_in_a_row, row.last_outcome = failures, RunOutcome.FAILED if failures else RunOutcome.DONE
    session.add(row)
    session.flush()


def test_all_is_well(session: Session) -> None:
    _all_there(session)
    _ran(session, SWEEP.id, ended=NOON)
    _ran(session, DAILY.id, ended=NOON - timedelta(days=2))
    _look(session)
    assert _alarms(session) == set()


def test_a_job_that_did_not_end_a_run_for_three_periods_and_a_minute_is_missed_until_it_did(session: Session) -> None:
    _all_there(session)
    _ran(session, SWEEP.id, ended=NOON - timedelta(seconds=91))
    _ran(session, DAILY.id, ended=NOON - timedelta(days=2, hours=23))
    _look(session)
    assert _alarms(session) == {("job_missed", SWEEP.id)}
    _ran(session, SWEEP.id, ended=NOON)
    _look(session, now=NOON + timedelta(seconds=15))
    assert _alarms(session) == set()


def test_a_daily_job_is_given_ten_minutes_after_a_start(session: Session) -> None:
    _all_there(session)
    _ran(session, SWEEP.id, ended=NOON)
    _ran(session, DAILY.id, ended=NOON - timedelta(days=3, hours=1))
    _look(session, watched=timedelta(minutes=9))
    assert _alarms(session) == set()
    _look(session, watched=timedelta(minutes=11))
    assert _alarms(session) == {("job_missed", DAILY.id)}


def test_nobody_is_late_right_after_a_start_or_a_long_stop(session: Session) -> None:
    for job_id in (SWEEP.id, DAILY.id):
        _ran(session, job_id, ended=NOON - timedelta(days=20))
    _look(session, watched=timedelta(seconds=50))
    assert _alarms(session) == set()


def test_a_job_just_added_has_its_first_periods(session: Session) -> None:
    _all_there(session)
    _look(session)
    assert _alarms(session) == set()
    _all_there(session, at=NOON + timedelta(seconds=91))
    _look(session, now=NOON + timedelta(seconds=91))
    assert _alarms(session) == {("job_missed", SWEEP.id)}


def test_a_paused_job_is_not_missed_nor_is_a_running_one(session: Session) -> None:
    _all_there(session)
    _ran(session, SWEEP.id, ended=NOON - timedelta(hours=1))
    _ran(session, DAILY.id, ended=NOON - timedelta(days=9))
    session.get_one(PeriodicJob, SWEEP.id).paused_at = NOON
    session.get_one(PeriodicJob, DAILY.id).last_started_at = NOON - timedelta(minutes=5)
    session.flush()
    _look(session)
    assert _alarms(session) == set()


def test_failures_in_a_row_are_told_of_and_end_with_a_run_that_goes_well(session: Session) -> None:
    _all_there(session)
    _ran(session, SWEEP.id, ended=NOON, failures=5)
    _ran(session, DAILY.id, ended=NOON, failures=3)
    _look(session)
    assert _alarms(session) == {("job_failing", DAILY.id)}
    _ran(session, SWEEP.id, ended=NOON, failures=6)
    _ran(session, DAILY.id, ended=NOON)
    _look(session)
    assert _alarms(session) == {("job_failing", SWEEP.id)}


def test_a_dead_scheduler_and_the_last_worker_of_a_queue_are_seen_as_the_one_cause(session: Session) -> None:
    _process(session, ProcessKind.SCHEDULER, beat_at=NOON - timedelta(seconds=61))
    _process(session, ProcessKind.WORKER, "urgent,default,triage", beat_at=NOON)
    _process(session, ProcessKind.WORKER, "bulk", beat_at=NOON, is_stopped=True)
    _ran(session, SWEEP.id, ended=NOON - timedelta(hours=1))
    _look(session)
    assert _alarms(session) == {("process_absent", "scheduler"), ("process_absent", "worker-bulk")}
    _all_there(session)
    _ran(session, SWEEP.id, ended=NOON)
    _look(session)
    assert _alarms(session) == set()


def test_what_never_ran_anywhere_is_given_time_to_come_up(session: Session) -> None:
    _process(session, ProcessKind.WORKER, "urgent,default,bulk")
    _process(session, ProcessKind.SCHEDULER)
    _look(session, watched=timedelta(minutes=5))
    assert _alarms(session) == set()
    _look(session, watched=timedelta(minutes=11))
    assert _alarms(session) == {("process_absent", "worker-triage")}


def test_jobs_wait_longer_than_their_queue_is_for(session: Session) -> None:
    _all_there(session)
    waiting = (QueueView("urgent", 40, 31.0), QueueView("default", 3, 60.0), QueueView("triage", 0, None), QueueView("bulk", 1, 1700.0))
    _look(session, waiting=waiting)
    assert _alarms(session) == {("queue_old", "urgent")}
    _look(session, waiting=None)
    assert _alarms(session) == {("queue_old", "urgent")}
    _look(session)
    assert _alarms(session) == set()


def test_without_redis_one_alarm_stands_for_all_jobs(session: Session) -> None:
    _all_there(session)
    for job_id in (SWEEP.id, DAILY.id):
        _ran(session, job_id, ended=NOON - timedelta(days=9))
    _look(session, waiting=None)
    assert _alarms(session) == {("job_missed", SCHEDULE)}
    _look(session)
    assert _alarms(session) == {("job_missed", SWEEP.id), ("job_missed", DAILY.id)}


def test_a_process_that_beats_is_there_and_one_that_stops_says_so(session: Session) -> None:
    me = Identity(ProcessKind.WORKER, ("urgent", "bulk"))
    first = beat(session, me)
    assert beat(session, me) > first
    row = session.get_one(RunningProcess, me.id, populate_existing=True)
    assert (row.serves, row.stopped_at) == ("urgent,bulk", None)
    assert row.memory_bytes > 1_000_000
    stopped(session, me)
    assert session.get_one(RunningProcess, me.id, populate_existing=True).stopped_at is not None


def test_one_process_looks_at_a_time_and_any_may(database: sa.Engine) -> None:
    watches = [Watch() for _ in range(3)]
    assert [watch.look(db.transaction, now=NOON) for watch in watches] == [True, False, False]
    later = NOON + timedelta(seconds=15)
    assert [watch.look(db.transaction, now=later) for watch in reversed(watches)] == [True, False, False]


def test_a_process_that_stood_still_forgets_how_long_it_has_watched(database: sa.Engine) -> None:
    watch = Watch()
    with db.transaction() as session:
        _ran(session, SWEEP.id, ended=NOON - timedelta(days=3))
    for seconds in range(0, 61, 15):
        watch.look(db.transaction, now=NOON + timedelta(seconds=seconds))
    frozen = NOON + timedelta(hours=2)
    for seconds in range(0, 61, 15):
        watch.look(db.transaction, now=frozen + timedelta(seconds=seconds))
    with db.transaction() as session:
        assert _alarms(session) == set()
