from __future__ import annotations

import time

import pytest
from rq import Queue
from rq.job import Job, JobStatus

from app import redis
from app.queue import QUEUES
from jobs.schedule import PERIODIC
from jobs.scheduler import Scheduler


@pytest.fixture
def scheduler(servers: None) -> Scheduler:
    redis.client().flushall()
    return Scheduler(connection=redis.worker_client(), interval=1)


def _held(scheduler: Scheduler) -> set[str]:
    return {job_id.decode() for job_id in scheduler.connection.zrange(scheduler.scheduled_jobs_key, 0, -1)}


def _waiting() -> list[str]:
    return sorted(job_id for name in QUEUES for job_id in Queue(name, connection=redis.client()).job_ids)


def test_every_periodic_job_is_declared_once_however_often_it_ticks(scheduler: Scheduler) -> None:
    for _ in range(3):
        scheduler.tick()
    assert _held(scheduler) == {periodic.id for periodic in PERIODIC}


def test_a_flush_loses_no_schedule(scheduler: Scheduler) -> None:
    scheduler.tick()
    redis.client().flushall()
    scheduler.tick()
    assert _held(scheduler) == {periodic.id for periodic in PERIODIC}


def test_a_job_that_is_no_longer_declared_vanishes(scheduler: Scheduler) -> None:
    scheduler.connection.zadd(scheduler.scheduled_jobs_key, {"job-of-an-old-release": time.time() + 3600})
    scheduler.tick()
    assert "job-of-an-old-release" not in _held(scheduler)


def test_two_schedulers_enqueue_each_job_once(scheduler: Scheduler) -> None:
    other = Scheduler(connection=redis.worker_client(), interval=1)
    for one in (scheduler, other, scheduler, other):
        one.tick()
    assert _waiting() == sorted(periodic.id for periodic in PERIODIC)


def test_a_stopped_worker_does_not_find_a_pile(scheduler: Scheduler) -> None:
    scheduler.tick()
    for periodic in PERIODIC:
        scheduler.connection.zadd(scheduler.scheduled_jobs_key, {periodic.id: 0})
    scheduler.tick()
    assert _waiting() == sorted(periodic.id for periodic in PERIODIC)


def test_nor_does_a_slow_one_whose_last_run_ends_while_the_next_waits(scheduler: Scheduler) -> None:
    """Due while it runs, it waits once more; the run's end says "finished" of both, for they are one to RQ."""
    scheduler.tick()
    for job_id in _waiting():
        Job.fetch(job_id, connection=scheduler.connection).set_status(JobStatus.FINISHED)
        scheduler.connection.zadd(scheduler.scheduled_jobs_key, {job_id: 0})
    scheduler.tick()
    assert _waiting() == sorted(periodic.id for periodic in PERIODIC)


def test_every_declared_job_can_be_imported() -> None:
    from rq.utils import import_attribute

    for periodic in PERIODIC:
        assert callable(import_attribute(periodic.job))
