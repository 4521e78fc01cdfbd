"""The pages of jobs in a simulated browser: the schedule, one job, and a run that failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from nicegui import ui
from nicegui.testing import User

from app import redis
from app.db import transaction
from services.accounts.models import Role
from services.operations import periodic
from services.operations.models import JobFailure, JobHour, PeriodicJob, ProcessKind, RunningProcess, RunOutcome
from tests.pages.conftest import SignIn
from tests.services.operations.test_periodic import DAILY, SWEEP

JOBS = "/console/jobs"


@pytest.fixture(autouse=True)
def schedule(shop: None, now: datetime) -> Iterator[None]:
    held = dict(periodic.declared())
    periodic.declare([SWEEP, DAILY])
    with transaction() as session:
        session.add(
            PeriodicJob(
                id=SWEEP.id,
                first_seen_at=now - timedelta(days=1),
                last_started_at=now - timedelta(hours=1),
                last_ended_at=now - timedelta(hours=1),
                last_outcome=RunOutcome.FAILED,
                last_ms=1234,
                last_error="ValueError: no such thing",
                failures_in_a_row=4,
            )
        )
        session.add(JobHour(job=SWEEP.job, hour=now.replace(minute=0, second=0, microsecond=0), runs=3, failures=1, total_ms=30))
        session.add(
            RunningProcess(
                id="w1", kind=ProcessKind.WORKER, host="host-a", pid=77, serves="urgent,default", started_at=now, beat_at=now, release="7.7"
            )
        )
    yield
    periodic.declare(held.values())


@pytest.fixture
def failure_id(now: datetime) -> int:
    with transaction() as session:
        failure = JobFailure(
            job="jobs.payments.advance_payment",
            arguments=[4711],
            queue="urgent",
            failed_at=now,
            error="ValueError: no",
            trace="Traceback: in advance",
            correlation_id="abc-123-def",
        )
        session.add(failure)
        session.flush()
        return failure.id or 0


def rows(user: User, marker: str) -> list[dict[str, object]]:
    (found,) = user.find(kind=ui.table, marker=f"{marker}-table").elements
    return list(found.rows)


async def test_the_schedule_shows_what_is_late_and_who_works(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(JOBS)
    first, second = rows(user, "schedule")
    assert (first["what"], first["mark"], first["took"]) == (SWEEP.what, {"text": "Late", "tone": "bad"}, "1.2 s")
    assert (second["mark"], second["last"]) == ({"text": "Not yet", "tone": "off"}, None)
    await user.should_see("host-a, process 77")
    await user.should_see("urgent, default")


async def test_a_job_is_paused_resumed_and_run(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"{JOBS}/{DAILY.id}")
    user.find(marker="pause").click()
    await user.should_see(marker="confirm-pause")
    user.find(marker="confirm-pause").click()
    await user.should_see("Say in a few words why", retries=20)
    user.find(marker="field-reason").type("The books are being closed")
    user.find(marker="confirm-pause").click()
    await user.should_see(marker="resume", retries=100)
    await user.should_see("The books are being closed")
    user.find(marker="resume").click()
    await user.should_see("It runs again.", retries=40)
    user.find(marker="run-now").click()
    await user.should_see("A worker takes it now.", retries=40)
    assert redis.client().llen("rq:queue:default") == 1


async def test_a_job_that_fails_says_why(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"{JOBS}/{SWEEP.id}")
    await user.should_see("It has not run for too long")
    await user.should_see(marker="duration-bars")
    await user.open(f"{JOBS}/of-old-times")
    await user.should_see("No such job")


async def test_a_failed_run_is_shown_with_its_trace_and_run_again(user: User, sign_in: SignIn, failure_id: int) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"{JOBS}/failures/{failure_id}")
    await user.should_see("4711")
    await user.should_see("Traceback: in advance")
    user.find(marker="retry").click()
    await user.should_see("A worker takes it now.", retries=40)
    await user.should_not_see(marker="retry", retries=40)
    assert redis.client().llen("rq:queue:urgent") == 1


async def test_care_sees_no_jobs(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(JOBS)
    await user.should_see(marker="not-allowed")
