"""The worker process. Jobs run in the process itself, not in a fork: it keeps its connections, its SOAP client and its breakers warm.

Measured on one payment, a fork costs more CPU than everything else a job does. A job that takes the process down takes one worker
down; the supervisor starts another, and the sweeps find what was left (docs/decisions.md).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from redis.client import Pipeline
from rq import Queue, SimpleWorker

from app import db, failpoints, logs, redis
from app.queue import QUEUES
from app.settings import get_settings
from services.integrations.clients import outside

log = structlog.get_logger(__name__)
_HEARTBEAT_SECONDS = 15.0


class Worker(SimpleWorker):
    """RQ's worker without what it tells Redis over and over: two round trips a job instead of a dozen."""

    _beat_at = float("-inf")

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


def run(queues: Sequence[str] = ()) -> None:
    """Work until told to stop; the job under way is finished first."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="worker")
    failpoints.arm_from_environment()
    connection = redis.worker_client()
    if not outside().portabilling.warm_up():
        log.warning("worker.portabilling_away")
    if tuple(queues) == ("triage",):
        # Imported here: the model's libraries are not for the workers that move money.
        from jobs.tickets import warm_up

        warm_up()
    worker = Worker([Queue(name, connection=connection) for name in queues or QUEUES], connection=connection)
    try:
        worker.work(logging_level="WARNING")
    finally:
        db.dispose()
