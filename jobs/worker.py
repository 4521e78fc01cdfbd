"""The worker process. Jobs run in the process itself, not in a fork: it keeps its connections, its SOAP client and its breakers warm.

Measured on one payment, a fork costs more CPU than everything else a job does. A job that takes the process down takes one worker
down; the supervisor starts another, and the sweeps find what was left (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from rq import Queue, SimpleWorker

from app import db, failpoints, logs, redis
from app.queue import QUEUES
from app.settings import get_settings
from services.integrations.clients import outside

log = structlog.get_logger(__name__)


def run(queues: Sequence[str] = ()) -> None:
    """Work until told to stop; the job under way is finished first."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="worker")
    failpoints.arm_from_environment()
    connection = redis.worker_client()
    if not outside().portabilling.warm_up():
        log.warning("worker.portabilling_away")
    worker = SimpleWorker([Queue(name, connection=connection) for name in queues or QUEUES], connection=connection)
    try:
        worker.work(logging_level="WARNING")
    finally:
        db.dispose()
