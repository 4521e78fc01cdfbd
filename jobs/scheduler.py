"""The scheduler process: rq-scheduler under its own lock, made to survive a flushed or restarted Redis.

Its lock and its clock only keep it from ringing more than it must: which run happens is decided by the worker's claim of the slot in
PostgreSQL (services/operations/periodic.py).
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq_scheduler import Scheduler as RqScheduler

from app import db, faults, logs, redis, tracing
from app.metrics import running
from app.settings import get_settings
from jobs.schedule import PERIODIC
from services.operations import errors, periodic
from services.operations.beating import Beating
from services.operations.models import ProcessKind
from services.operations.periodic import Line

log = structlog.get_logger(__name__)
_TICK_SECONDS = 1.0


class Scheduler(RqScheduler):  # type: ignore[misc]  # rq-scheduler ships no types
    """Declares what is missing at every tick, so that a FLUSHALL loses no schedule (design.md, invariant 1)."""

    def __init__(
        self, *args: Any, lines: Iterable[Line] = PERIODIC, ahead_seconds: Callable[[], float] = lambda: 0.0, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lines = {line.id: line for line in lines}
        # How far PostgreSQL's clock is before this machine's: slots are counted by that clock.
        self._ahead_seconds = ahead_seconds
        self._was_compared = False

    def declare(self) -> None:
        """Add the periodic jobs that Redis does not hold, and remove those that are no longer declared."""
        held = {job_id.decode() for job_id in self.connection.zrange(self.scheduled_jobs_key, 0, -1)}
        for line in self._lines.values():
            if line.id not in held or not (self._was_compared or self._is_as_declared(line)):
                self._add(line)
        self._was_compared = True
        for stale in held - self._lines.keys():
            self._remove(stale)

    def _add(self, line: Line) -> None:
        # At once: after a long stop whatever is due should run, and a slot that had its run has no other.
        self.schedule(
            datetime.now(UTC).replace(tzinfo=None),
            line.job,
            interval=line.seconds,
            id=line.id,
            queue_name=line.queue,
            timeout=line.timeout_seconds,
        )

    def _is_as_declared(self, line: Line) -> bool:
        """Asked once a start: an earlier release may have declared it otherwise."""
        try:
            job = Job.fetch(line.id, connection=self.connection)
        except (NoSuchJobError, InvalidJobOperation):  # of a job that a FLUSHALL took meanwhile
            return False
        held = job.func_name, job.meta.get("interval"), job.origin, job.timeout
        return bool(held == (line.job, line.seconds, line.queue, line.timeout_seconds))

    def _remove(self, stale: str) -> None:
        """Out of the schedule, its queue and Redis."""
        self.connection.zrem(self.scheduled_jobs_key, stale)
        try:
            Job.fetch(stale, connection=self.connection).delete()
        except NoSuchJobError:
            return

    def enqueue_job(self, job: Job) -> None:
        """Hand a due job to its queue, unless its last run still waits there: a stopped worker must not find a pile.

        It is due again when its next slot begins. The list is asked, not the job's status: that is of whichever run ended last.
        """
        if not self._still_waits(job):
            self.get_queue_for_job(job).enqueue_job(job)
        self.connection.zadd(self.scheduled_jobs_key, {job.id: self._next_slot(int(job.meta["interval"]))})

    def _next_slot(self, seconds: int) -> float:
        ahead = self._ahead_seconds()
        now = datetime.now(UTC).timestamp() + ahead
        return (math.floor(now / seconds) + 1) * seconds - ahead

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


def run(*, lines: Iterable[Line] = PERIODIC) -> None:
    """Tick until told to stop. Redis being away is waited out. `lines` is the schedule."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="scheduler")
    running.start("scheduler")
    tracing.start("scheduler")
    faults.keep_with(errors.record)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    periodic.declare(lines)
    beating = Beating(ProcessKind.SCHEDULER)
    # With time-outs: a Redis that hangs must not hold the process when it is told to stop.
    scheduler = Scheduler(
        connection=redis.client(),
        interval=_TICK_SECONDS,
        lines=periodic.declared().values(),
        ahead_seconds=lambda: beating.database_ahead_seconds,
    )
    beating.start()
    is_away = False
    try:
        while not stop.is_set():
            try:
                scheduler.tick()
                is_away = False
            except (RedisError, OSError) as error:
                if not is_away:
                    log.warning("scheduler.redis_away", error=str(error))
                is_away = True
            stop.wait(_TICK_SECONDS)
    finally:
        # One more signal must not cut off what is written last, nor spoil the exit status.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        beating.stop()
        db.dispose()
