from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from rq import Queue
from sqlmodel import Session

from app import redis
from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from services.audit.models import AuditEntry
from services.listing import Slice
from services.operations import periodic
from services.operations.failures import (
    FailureFilter,
    FailureRetried,
    FailureUnknown,
    failing_jobs,
    list_failures,
    retry,
)
from services.operations.models import JobFailure, JobHour, PeriodicJob
from services.operations.periodic import claim, claim_by_hand, end_run
from services.operations.periodic_desk import (
    JobNotPaused,
    JobPaused,
    JobRuns,
    JobUnknown,
    list_periodic,
    one_periodic,
    pause,
    resume,
    run_now,
)
from services.operations.queues import list_queues
from tests.conftest import NOON
from tests.services.operations.test_periodic import DAILY, SWEEP

ADMIN = Principal("staff", 1, "Awa", ROLE_PERMISSIONS[Role.SYSTEM_ADMIN], email="admin@inet.demo")
CARE = Principal("staff", 2, "Binta", ROLE_PERMISSIONS[Role.CUSTOMER_CARE], email="care@inet.demo")


@pytest.fixture(autouse=True)
def schedule(servers: None) -> Iterator[None]:
    held = dict(periodic.declared())
    periodic.declare([SWEEP, DAILY])
    redis.client().flushall()
    yield
    periodic.declare(held.values())


def _rung(queue: str = "default") -> list[tuple[str, tuple[Any, ...], int]]:
    found = Queue(queue, connection=redis.client())
    return [(job.func_name, tuple(job.args), job.timeout) for job in found.jobs]


def _actions(session: Session) -> list[str]:
    return list(session.execute(sa.select(AuditEntry.action).order_by(AuditEntry.id)).scalars())


def _fail(session: Session, job: str = "jobs.payments.advance_payment", **more: Any) -> int:
    failure = JobFailure(job=job, queue="urgent", failed_at=NOON, error="ValueError: no", **more)
    session.add(failure)
    session.flush()
    assert failure.id is not None
    return failure.id


def test_the_whole_schedule_is_shown_also_what_never_ran(session: Session) -> None:
    views = list_periodic(session, actor=ADMIN, now=NOON)
    assert [view.line.id for view in views] == [SWEEP.id, DAILY.id]
    assert {view.next_at for view in views} == {NOON}
    assert not any(view.is_late or view.is_running or view.is_paused for view in views)


def test_a_job_shows_its_last_run_its_next_and_its_hours(session: Session) -> None:
    run = claim(session, SWEEP, now=NOON)
    assert run is not None
    end_run(session, run, took_ms=17, error=None, now=NOON)
    session.add(JobHour(job=SWEEP.job, hour=NOON, runs=4, failures=1, total_ms=80, longest_ms=50))
    session.flush()
    view = one_periodic(session, actor=ADMIN, job_id=SWEEP.id, now=NOON + timedelta(seconds=2))
    assert (view.row.last_ms, view.next_at) == (17, NOON + timedelta(seconds=10))
    assert [(hour.runs, hour.failures, hour.mean_ms, hour.longest_ms) for hour in view.hours] == [(4, 1, 20, 50)]


def test_pausing_needs_a_reason_and_the_right_and_is_audited(session: Session) -> None:
    with pytest.raises(Forbidden):
        pause(session, actor=CARE, job_id=SWEEP.id, reason="for a while", now=NOON)
    with pytest.raises(InvalidInput):
        pause(session, actor=ADMIN, job_id=SWEEP.id, reason="  ", now=NOON)
    with pytest.raises(JobUnknown):
        pause(session, actor=ADMIN, job_id="no-such-job", reason="for a while", now=NOON)
    view = pause(session, actor=ADMIN, job_id=SWEEP.id, reason="for a while", now=NOON)
    assert (view.is_paused, view.next_at, view.row.paused_by) == (True, None, "staff:admin@inet.demo")
    with pytest.raises(JobPaused):
        pause(session, actor=ADMIN, job_id=SWEEP.id, reason="once more", now=NOON)
    assert _actions(session) == ["job.pause"]
    assert claim(session, SWEEP, now=NOON) is None


def test_a_resumed_job_is_not_late_for_the_time_of_its_pause(session: Session) -> None:
    with pytest.raises(JobNotPaused):
        resume(session, actor=ADMIN, job_id=SWEEP.id, now=NOON)
    pause(session, actor=ADMIN, job_id=SWEEP.id, reason="for a while", now=NOON)
    view = resume(session, actor=ADMIN, job_id=SWEEP.id, now=NOON + timedelta(hours=9))
    assert not view.is_late
    assert one_periodic(session, actor=ADMIN, job_id=SWEEP.id, now=NOON + timedelta(hours=10)).is_late
    assert claim(session, SWEEP, now=NOON + timedelta(hours=10)) is not None
    assert _actions(session) == ["job.pause", "job.resume"]


def test_running_now_rings_at_once_with_the_jobs_own_bound_unless_it_runs(session: Session) -> None:
    run_now(session, actor=ADMIN, job_id=DAILY.id, now=NOON)
    assert _rung() == [("jobs.by_hand.run", (DAILY.id,), 600)]
    assert claim_by_hand(session, DAILY, now=NOON) is not None
    with pytest.raises(JobRuns):
        run_now(session, actor=ADMIN, job_id=DAILY.id, now=NOON + timedelta(seconds=3))
    assert _actions(session) == ["job.run"]


def test_a_failure_is_retried_once_with_its_arguments(session: Session) -> None:
    failure_id = _fail(session, arguments=[4711])
    with pytest.raises(Forbidden):
        retry(session, actor=CARE, failure_id=failure_id, now=NOON)
    retry(session, actor=ADMIN, failure_id=failure_id, now=NOON)
    assert _rung("urgent") == [("jobs.payments.advance_payment", (4711,), 120)]
    with pytest.raises(FailureRetried):
        retry(session, actor=ADMIN, failure_id=failure_id, now=NOON)
    with pytest.raises(FailureUnknown):
        retry(session, actor=ADMIN, failure_id=failure_id + 1, now=NOON)
    assert _actions(session) == ["job.retry"]


def test_a_failed_run_of_the_schedule_is_retried_as_a_run_by_hand(session: Session) -> None:
    retry(session, actor=ADMIN, failure_id=_fail(session, SWEEP.job), now=NOON)
    assert _rung() == [("jobs.by_hand.run", (SWEEP.id,), 60)]


def test_failures_are_listed_by_job(session: Session) -> None:
    for job in ("jobs.a.b", "jobs.a.b", "jobs.c.d"):
        _fail(session, job)
    assert failing_jobs(session, actor=ADMIN) == ("jobs.a.b", "jobs.c.d")
    assert list_failures(session, actor=ADMIN, wanted=FailureFilter("jobs.a.b"), part=Slice()).total == 2
    assert list_failures(session, actor=ADMIN, wanted=FailureFilter(), part=Slice()).total == 3
    with pytest.raises(Forbidden):
        list_failures(session, actor=CARE, wanted=FailureFilter(), part=Slice())


def test_a_queue_shows_how_many_wait_and_how_long_the_oldest_has(session: Session) -> None:
    from app.clock import utc_now
    from app.queue import enqueue

    for number in range(3):
        enqueue("jobs.payments.advance_payment", number, queue="urgent")
    views = list_queues(actor=ADMIN, now=utc_now() + timedelta(seconds=40))
    assert views is not None
    urgent = views[0]
    assert (urgent.name, urgent.waiting, urgent.is_old) == ("urgent", 3, True)
    assert 39 < (urgent.oldest_seconds or 0) < 60
    assert [(view.waiting, view.oldest_seconds) for view in views[1:]] == [(0, None)] * 3


def test_rows_of_jobs_that_left_the_schedule_are_not_shown(session: Session) -> None:
    session.add(PeriodicJob(id="of-old-times", first_seen_at=NOON))
    session.flush()
    assert "of-old-times" not in {view.line.id for view in list_periodic(session, actor=ADMIN, now=NOON)}
