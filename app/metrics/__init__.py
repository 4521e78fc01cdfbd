"""What the product counts about itself: requests, jobs, outside calls, and the process they run in (docs/metrics.md has the table).

Counting is a few additions in memory; nothing here writes a file, a row or a Redis key. How the processes of one machine are shown
together: app/metrics/shared.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable

# With this the library would count in memory-mapped files: on a full disk writing to one ends the process.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from app.metrics.requests import Requests

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
_JOB_SECONDS = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0)
_OUTBOUND_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0)
_LAG_SECONDS = (0.005, 0.025, 0.1, 0.25, 1.0, 5.0)

_JOB_RUNS = Counter("inet_job_runs", "Runs of jobs that ended", ("job", "outcome"), registry=REGISTRY)
_JOB_TOOK = Histogram("inet_job_seconds", "Time a run of a job took", ("job",), buckets=_JOB_SECONDS, registry=REGISTRY)
_CALLS = Counter("inet_outbound_calls", "Calls to outside services", ("service", "operation", "outcome"), registry=REGISTRY)
_CALL_TOOK = Histogram(
    "inet_outbound_seconds",
    "Time a call to an outside service took",
    ("service", "operation"),
    buckets=_OUTBOUND_SECONDS,
    registry=REGISTRY,
)
_LOOP_LAG = Histogram(
    "inet_event_loop_lag_seconds", "How much later than asked the event loop came back", buckets=_LAG_SECONDS, registry=REGISTRY
)

_requests = Requests()
REGISTRY.register(_requests)
begin_request, end_request, answered = _requests.begin, _requests.end, _requests.answered
loop_lagged: Callable[[float], None] = _LOOP_LAG.observe


def job_ended(job: str, outcome: str, seconds: float) -> None:
    """Count one run of `job` (its dotted name); `outcome` is `done` or `failed`."""
    _JOB_RUNS.labels(job, outcome).inc()
    _JOB_TOOK.labels(job).observe(seconds)


def call_ended(service: str, operation: str, outcome: str, seconds: float) -> None:
    """Count one exchange with an outside service (app/outbound.py)."""
    _CALLS.labels(service, operation, outcome).inc()
    _CALL_TOOK.labels(service, operation).observe(seconds)
