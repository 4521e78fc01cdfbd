"""The scheduler process: rq-scheduler under its own lock, made to survive a flushed or restarted Redis."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime

import structlog
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq_scheduler import Scheduler as RqScheduler

from app import logs, redis
from app.settings import get_settings
from jobs.schedule import PERIODIC

log = structlog.get_logger(__name__)
_TICK_SECONDS = 1.0


class Scheduler(RqScheduler):  # type: ignore[misc]  # rq-scheduler ships no types
    """Declares what is missing at every tick, so that a FLUSHALL loses no schedule (design.md, invariant 1)."""

    def declare(self) -> None:
        """Add the periodic jobs that Redis does not hold, and remove those that are no longer declared."""
        held = {job_id.decode() for job_id in self.connection.zrange(self.scheduled_jobs_key, 0, -1)}
        for periodic in PERIODIC:
            if periodic.id not in held:
                self.schedule(
                    datetime.now(UTC).replace(tzinfo=None),
                    periodic.job,
                    interval=periodic.seconds,
                    id=periodic.id,
                    queue_name=periodic.queue,
                    timeout=periodic.timeout_seconds,
                )
        for stale in held - {periodic.id for periodic in PERIODIC}:
            self.connection.zrem(self.scheduled_jobs_key, stale)

    def enqueue_job(self, job: Job) -> None:
        """Hand a due job to its queue, unless its last run still waits there: a stopped worker must not find a pile."""
        if job.get_status() is JobStatus.QUEUED and self._still_waits(job):
            self.connection.zadd(self.scheduled_jobs_key, {job.id: datetime.now(UTC).timestamp() + int(job.meta["interval"])})
            return
        super().enqueue_job(job)

    def _still_waits(self, job: Job) -> bool:
        return self.connection.lpos(f"rq:queue:{job.origin}", job.id) is not None

    def tick(self) -> None:
        """One round, if this is the scheduler that holds the lock."""
        if not self.acquire_lock():
            return
        try:
            self.declare()
            self.enqueue_jobs()
        except NoSuchJobError:
            log.info("scheduler.job_vanished")
        finally:
            self.remove_lock()


def run() -> None:
    """Tick until told to stop. Redis being away is waited out."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="scheduler")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scheduler = Scheduler(connection=redis.worker_client(), interval=_TICK_SECONDS)
    is_away = False
    while not stop.is_set():
        try:
            scheduler.tick()
            is_away = False
        except (RedisError, OSError) as error:
            if not is_away:
                log.warning("scheduler.redis_away", error=str(error))
            is_away = True
        stop.wait(_TICK_SECONDS)
