from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from rq import Queue

from app import db, redis
from app.embedded import EmbeddedPostgres, EmbeddedValkey
from app.queue import enqueue
from jobs.worker import Worker, make_worker
from services.operations import periodic
from services.operations.models import JobFailure, JobHour, PeriodicJob, RunOutcome
from services.operations.runs import recorder
from tests import prepared
from tests.jobs.noted import LINES, noted
from tests.jobs.standing import Standing, standing

_AWAY_SECONDS = 3.0


@pytest.fixture
def worker(database: sa.Engine) -> Iterator[Worker]:
    """In this very process, with the small schedule."""
    held = dict(periodic.declared())
    periodic.declare(LINES)
    recorder.flush(db.transaction)
    made = make_worker(("urgent", "default"))
    made.register_birth()
    with noted(database):
        yield made
    made.register_death()
    periodic.declare(held.values())


def _ring_as_scheduler(periodic_id: str) -> None:
    from jobs.scheduler import Scheduler

    scheduler = Scheduler(connection=redis.client(), interval=1, lines=LINES)
    scheduler.declare()
    scheduler.connection.zadd(scheduler.scheduled_jobs_key, {line.id: 0 if line.id == periodic_id else time.time() + 60 for line in LINES})
    scheduler.enqueue_jobs()


def test_a_failure_is_kept_with_its_trace_and_arguments_and_no_number(worker: Worker) -> None:
    enqueue("tests.jobs.noted.fails", "broken")
    worker.take_one()
    with db.transaction() as session:
        failure = session.execute(sa.select(JobFailure)).scalar_one()
        assert (failure.job, failure.arguments, failure.queue) == ("tests.jobs.noted.fails", ["broken"], "default")
        assert failure.error.startswith("ValueError: broken")
        assert "fails" in failure.trace
        assert "2203000001" not in failure.error + failure.trace
        assert len(failure.correlation_id) > 8


def test_a_job_that_this_release_does_not_know_is_told_of_too(worker: Worker) -> None:
    enqueue("tests.jobs.noted.was_removed", 7)
    worker.take_one()
    with db.transaction() as session:
        failure = session.execute(sa.select(JobFailure)).scalar_one()
        assert (failure.job, failure.arguments) == ("tests.jobs.noted.was_removed", [7])


def test_a_job_that_fails_all_the_time_is_counted_and_told_of_some_times(worker: Worker) -> None:
    recorder.flush(db.transaction)  # of the tests before
    with db.transaction() as session:
        session.execute(sa.delete(JobHour))
    for number in range(25):
        enqueue("tests.jobs.noted.fails", f"time {number}")
        worker.take_one()
    recorder.flush(db.transaction)
    with db.transaction() as session:
        counted = session.execute(sa.select(JobHour).where(JobHour.job == "tests.jobs.noted.fails")).scalars().all()
        assert sum(hour.failures for hour in counted) == sum(hour.runs for hour in counted) == 25
        told = sa.select(sa.func.count()).where(JobFailure.job == "tests.jobs.noted.fails")
        assert session.execute(told).scalar_one() <= 20 * len(counted)


def test_counts_of_two_workers_add_up(worker: Worker) -> None:
    for _ in range(2):
        enqueue("tests.jobs.noted.long", 1, 0)
        worker.take_one()
        recorder.flush(db.transaction)
    with db.transaction() as session:
        ours = sa.select(sa.func.sum(JobHour.runs)).where(JobHour.job == "tests.jobs.noted.long")
        assert session.execute(ours).scalar_one() == 2


def test_a_periodic_job_runs_once_for_its_slot_however_often_it_is_rung_for(worker: Worker) -> None:
    for _ in range(3):
        _ring_as_scheduler("note-slow")
        worker.take_one()
        assert Queue("urgent", connection=redis.client()).job_ids == []
    recorder.flush(db.transaction)
    with db.transaction() as session:
        row = session.get_one(PeriodicJob, "note-slow")
        assert row.last_outcome is RunOutcome.DONE
        assert row.last_ms >= 200
        # Two where the clock stepped into the next slot meanwhile.
        ours = sa.select(sa.func.sum(JobHour.runs)).where(JobHour.job == "tests.jobs.noted.slow")
        assert session.execute(ours).scalar_one() <= 2


def test_a_job_of_a_removed_schedule_is_not_run(worker: Worker) -> None:
    _ring_as_scheduler("note-run")
    periodic.declare([line for line in LINES if line.id != "note-run"])
    worker.take_one()
    with db.transaction() as session:
        assert session.execute(sa.text("SELECT count(*) FROM noted")).scalar_one() == 0


def test_without_postgresql_a_periodic_run_does_not_happen(worker: Worker) -> None:
    _ring_as_scheduler("note-run")
    nowhere = db.make_engine("postgresql+psycopg://inet@127.0.0.1:9/inet")
    db.use_bind(nowhere)
    try:
        worker.take_one()
    finally:
        db.use_bind(None)
    with db.transaction() as session:
        assert session.execute(sa.text("SELECT count(*) FROM noted")).scalar_one() == 0
    assert Queue("urgent", connection=redis.client()).job_ids == []


def test_the_job_under_way_is_finished_and_no_other_begun(database: sa.Engine, tmp_path: Path) -> None:
    with standing(database, tmp_path / "log") as product:
        enqueue("tests.jobs.noted.long", 1, 2)
        enqueue("tests.jobs.noted.long", 2, 0)
        process = product.start("worker")
        product.await_(lambda: product.noted("began 1"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert len(product.noted("ended 1")) == 1
        assert not product.noted("began 2")
        assert len(Queue("default", connection=redis.client()).job_ids) == 1
        assert product.asked("SELECT job, runs FROM job_hour") == [("tests.jobs.noted.long", 1)]
        assert product.asked("SELECT kind, serves, stopped_at IS NOT NULL FROM running_process WHERE kind = 'worker'") == [
            ("worker", "urgent,default", True)
        ]


def test_asked_twice_it_hands_the_job_back_and_another_worker_takes_it(database: sa.Engine, tmp_path: Path) -> None:
    with standing(database, tmp_path / "log") as product:
        enqueue("tests.jobs.noted.long", 1, 60)
        process = product.start("worker")
        product.await_(lambda: product.noted("began 1"))
        asked = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            time.sleep(0.05)
        assert process.wait(20) == 0
        assert time.monotonic() - asked < 6
        assert len(Queue("default", connection=redis.client()).job_ids) == 1
        assert product.asked("SELECT count(*) FROM job_failure") == [(0,)]
        product.start("worker", "default")
        product.await_(lambda: len(product.noted("began 1")) == 2)


@pytest.mark.stack
def test_a_worker_outlives_redis_and_postgresql(tmp_path: Path, servers: None) -> None:
    """Both gone for a while, one after the other: the same process goes on, and so does the schedule."""
    prepared.put_into(tmp_path / "pg")
    postgres, valkey = EmbeddedPostgres(tmp_path / "pg", durable=False), EmbeddedValkey(tmp_path / "valkey")
    try:
        urls = {"INET_DATABASE_URL": postgres.start(), "INET_REDIS_URL": valkey.start()}
        engine = db.make_engine(urls["INET_DATABASE_URL"])
        with standing(engine, tmp_path / "log") as product:
            _outlive(product, urls, postgres, valkey)
        engine.dispose()
    finally:
        valkey.stop()
        postgres.stop()


def _outlive(product: Standing, urls: dict[str, str], postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    processes = [product.start("worker", **urls), product.start("scheduler", **urls)]
    product.await_(lambda: len(product.noted()) >= 2)
    valkey.stop()
    time.sleep(_AWAY_SECONDS)
    valkey.start()
    seen = len(product.noted())
    product.await_(lambda: len(product.noted()) >= seen + 2, seconds=10)
    product.engine.dispose()
    postgres.stop()
    time.sleep(_AWAY_SECONDS)
    postgres.start()
    seen = len(product.noted())
    product.await_(lambda: len(product.noted()) >= seen + 2, seconds=20)
    assert [process.poll() for process in processes] == [None, None]
    assert product.asked("SELECT count(*) FROM running_process") == [(2,)]
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in processes] == [0, 0]
    assert product.asked("SELECT count(*) FROM running_process WHERE stopped_at IS NOT NULL") == [(2,)]
