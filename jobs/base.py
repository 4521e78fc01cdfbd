"""What every job has: the correlation ID of the request that rang for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import structlog
from rq import get_current_job

from app import correlation

P = ParamSpec("P")
log = structlog.get_logger(__name__)


def job(function: Callable[P, None]) -> Callable[P, None]:
    """Run under the correlation ID that was handed over with the ring."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        current = get_current_job()
        sent = current.meta.get("correlation_id") if current is not None else None
        with correlation.correlated(sent):
            try:
                function(*args, **kwargs)
            except Exception:
                log.exception("job.failed", job=function.__name__)
                raise

    return run
