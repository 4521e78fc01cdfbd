"""The doorbell in a real Redis: what waits is there once, and no ring after a look has begun is lost."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from rq import Queue

from app import redis
from app.db import transaction
from app.queue import QUEUES, enqueue, ring

JOB = "jobs.payments.advance_payment"


def waiting(queue: str = "default") -> list[tuple[object, ...]]:
    jobs = (Queue(queue, connection=redis.client()).fetch_job(one) for one in Queue(queue, connection=redis.client()).job_ids)
    return [tuple(job.args) for job in jobs if job is not None]


@pytest.fixture(autouse=True)
def empty(servers: None) -> None:
    redis.client().flushall()


def test_what_still_waits_is_not_rung_again() -> None:
    for _ in range(5):
        enqueue(JOB, 7, queue="urgent")
    assert waiting("urgent") == [(7,)]


def test_other_rows_other_jobs_and_other_queues_have_rings_of_their_own() -> None:
    enqueue(JOB, 7)
    enqueue(JOB, 8)
    enqueue("jobs.payments.look_for_strays", 7)
    enqueue(JOB, 7, queue="urgent")
    enqueue(JOB, "7")
    assert waiting() == [(7,), (8,), (7,), ("7",)]
    assert waiting("urgent") == [(7,)]


def test_once_a_worker_has_taken_it_the_next_ring_waits_again() -> None:
    enqueue(JOB, 7)
    queue = Queue("default", connection=redis.client())
    taken = Queue.dequeue_any([queue], None, connection=redis.client())
    assert taken is not None
    enqueue(JOB, 7)
    enqueue(JOB, 7)
    assert waiting() == [(7,)]
    assert queue.job_ids != [taken[0].id]


def test_what_was_handed_back_counts_as_waiting() -> None:
    enqueue(JOB, 7)
    queue = Queue("default", connection=redis.client())
    taken = Queue.dequeue_any([queue], None, connection=redis.client())
    assert taken is not None
    queue.enqueue_job(taken[0], at_front=True)
    enqueue(JOB, 7)
    assert queue.job_ids == [taken[0].id]


def test_a_redis_that_forgot_everything_is_rung_again() -> None:
    enqueue(JOB, 7)
    redis.client().flushall()
    enqueue(JOB, 7)
    assert waiting() == [(7,)]


def test_a_list_that_was_lost_alone_is_rung_again() -> None:
    enqueue(JOB, 7)
    redis.client().delete("rq:queue:default")
    enqueue(JOB, 7)
    assert waiting() == [(7,)]


def test_a_thousand_sweeps_over_workers_that_stand_still_leave_one_ring_for_each_row(database: sa.Engine) -> None:
    for _ in range(100):
        with transaction() as session:
            for number in range(10):
                ring(session, JOB, number, queue="urgent")
    assert sorted(waiting("urgent")) == [(number,) for number in range(10)]


@pytest.mark.parametrize("queue", QUEUES)
def test_the_keys_of_rings_do_not_stay_for_ever(queue: str) -> None:
    enqueue(JOB, 7, queue=queue)  # type: ignore[arg-type]
    (bell,) = redis.client().keys("bell:*")
    assert 0 < redis.client().ttl(bell) <= 3600
