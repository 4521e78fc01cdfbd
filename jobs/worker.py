"""The worker process. Jobs run in the process itself, not in a fork: it keeps its connections, its SOAP client and its breakers warm.

Measured on one payment, a fork costs more CPU than everything else a job does. A job that takes the process down takes one worker
down; the supervisor starts another, and the sweeps find what was left (docs/decisions.md).
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Sequence
from types import FrameType, TracebackType
from typing import Any

import structlog
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job

from app import db, failpoints, faults, logs, redis, tracing
from app.metrics import running
from app.queue import QUEUES
from app.settings import get_settings
from jobs import base
from jobs.schedule import PERIODIC
from services.integrations.clients import outside
from services.operations import errors, periodic
from services.operations.beating import Beating
from services.operations.models import ProcessKind
from services.operations.periodic import Line

log = structlog.get_logger(__name__)
FINISH_SECONDS = 7.0
"""How long the job under way may go on once the process was told to stop. Supervisors and containers kill after 10 s."""
_HEARTBEAT_SECONDS = 15.0
# How long one look into the queues waits: a worker that was told to stop notices by then.
_LOOK_SECONDS = 1
_REDIS_PAUSE_SECONDS = (0.2, 2.0)
_BREAK_OFF = signal.SIGUSR1


class Worker(SimpleWorker):
    """RQ's worker without what it tells Redis over and over, with a loop of ours: it survives Redis and stops in good order.

    RQ's own loop ends the process whenever Redis fails at the wrong moment, breaks an idle wait off by an exception within its signal
    handler (a job that was just handed over is lost then), and lets a second signal fail the job under way.
    """

    _beat_at = float("-inf")
    finish_seconds = FINISH_SECONDS

    @property
    def dequeue_timeout(self) -> int:
        return _LOOK_SECONDS

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Alone only now and then: the worker's entry lives for minutes, and jobs come every second or so."""
        if pipeline is None:
            if time.monotonic() - self._beat_at < _HEARTBEAT_SECONDS:
                return
            self._beat_at = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        if pipeline is not None or state != self.get_state():
            super().set_state(state, pipeline)

    def run_until_stopped(self) -> None:
        """Take jobs until `ask_to_stop`; Redis being away is waited out."""
        pause, longest = _REDIS_PAUSE_SECONDS
        is_born, is_away = False, False
        while not self._stop_requested:
            try:
                if not is_born:
                    self.register_birth()  # type: ignore[no-untyped-call]  # RQ's own, as the others here
                    is_born = True
                self.take_one()
                if is_away:
                    log.info("worker.redis_back")
                is_away, pause = False, _REDIS_PAUSE_SECONDS[0]
            except (RedisError, OSError) as error:
                if not is_away:
                    log.warning("worker.redis_away", error=type(error).__name__)
                is_away = True
                time.sleep(pause)
                pause = min(pause * 2, longest)
        if is_born:
            self._say_goodbye()

    def take_one(self) -> None:
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
        self.heartbeat()
        try:
            found = self.queue_class.dequeue_any(self._ordered_queues, _LOOK_SECONDS, connection=self.connection, job_class=self.job_class)
        except DequeueTimeout:
            return
        if found is None:
            return
        if self._stop_requested:
            self._put_back(*found)
        else:
            self.execute_job(*found)

    def _put_back(self, job: Job, queue: Queue) -> None:
        """It came while this worker was told to stop: another one takes it."""
        queue.enqueue_job(job, at_front=True)
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)

    def _say_goodbye(self) -> None:
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            log.info("worker.redis_away_at_end")

    def execute_job(self, job: Job, queue: Queue) -> None:
        base.state.was_entered = False
        super().execute_job(job, queue)

    # Stopping

    def ask_to_stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Take no new job and end when the one under way has; after `finish_seconds`, or asked once more, it is broken off and handed back.

        A signal handler: it only notes, and starts a clock.
        """
        if self._stop_requested:
            break_off()
            return
        self._stop_requested = True
        # From a thread of its own: the alarm signal is taken by the jobs' time-outs.
        clock = threading.Timer(self.finish_seconds, signal.pthread_kill, [threading.main_thread().ident, _BREAK_OFF])
        clock.daemon = True
        clock.start()

    def install_handlers(self) -> None:
        """For SIGTERM and SIGINT, in the main thread."""
        signal.signal(_BREAK_OFF, lambda *_: break_off())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.ask_to_stop)

    def _finalize_failure(
        self,
        job: Job,
        queue: Queue,
        execution: Execution,
        exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
    ) -> None:
        if isinstance(exc_info[1], base.HandedBack):
            self._hand_back(job, queue, execution)
            return
        super()._finalize_failure(job, queue, execution, exc_info)

    def _hand_back(self, job: Job, queue: Queue, execution: Execution) -> None:
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()
        queue.enqueue_job(job, at_front=True)
        log.info("job.handed_back", job=job.func_name)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """What failed before the job's own function was reached is told of here; the rest was told of there."""
        error = exc_info[1]
        if not base.state.was_entered and isinstance(error, Exception) and not isinstance(error, RedisError | OSError):
            log.error("job.not_begun", job=job.id, exc_info=error)
            base.note_unentered(job, error)


def break_off() -> None:
    """In the main thread, from a signal handler: end the job under way, if one is. Its row says how far it came."""
    if base.state.is_under_way:
        raise base.HandedBack


def heed_no_more() -> None:
    """The process ends by itself now: one more signal must not cut off what it writes last, nor spoil its exit status."""
    for number in (signal.SIGTERM, signal.SIGINT, _BREAK_OFF):
        signal.signal(number, signal.SIG_IGN)


def make_worker(queues: Sequence[str]) -> Worker:
    """A worker of these queues, in their order of urgency. Raises redis.RedisError when Redis is away."""
    connection = redis.worker_client()
    return Worker([Queue(name, connection=connection) for name in queues], connection=connection)


def run(queues: Sequence[str] = (), *, lines: Iterable[Line] = PERIODIC) -> None:
    """Work until told to stop; the job under way is finished first. `lines` is the schedule."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="worker")
    running.start("worker")
    tracing.start("worker")
    faults.keep_with(errors.record)
    failpoints.arm_from_environment()
    periodic.declare(lines)
    serves = tuple(queues) or QUEUES
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if not outside().portabilling.warm_up():
        log.warning("worker.portabilling_away")
    if serves == ("triage",):
        # Imported here: the model's libraries are not for the workers that move money.
        from jobs.tickets import warm_up

        warm_up()
    worker = _when_redis_answers(serves, stop)
    if worker is None:
        return
    worker.install_handlers()
    if stop.is_set():
        worker.ask_to_stop()
    beating = Beating(ProcessKind.WORKER, serves)
    beating.start()
    try:
        worker.run_until_stopped()
    finally:
        heed_no_more()
        beating.stop()
        db.dispose()


def _when_redis_answers(queues: Sequence[str], stop: threading.Event) -> Worker | None:
    is_away = False
    while not stop.is_set():
        try:
            return make_worker(queues)
        except (RedisError, OSError) as error:
            if not is_away:
                log.warning("worker.redis_away", error=type(error).__name__)
            is_away = True
            stop.wait(_REDIS_PAUSE_SECONDS[1])
    return None
