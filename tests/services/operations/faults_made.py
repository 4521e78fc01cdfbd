"""Faults as a process hands them over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.faults import Fault
from tests.conftest import NOON

TRACE = [
    {
        "kind": "KeyError",
        "message": "'currency'",
        "frames": [
            {"module": "rq.job", "function": "Job.perform", "line": 12, "ours": False},
            {"module": "services.payments.absorb", "function": "absorb", "line": 71, "ours": True},
        ],
    }
]


def a_fault(name: str = "a", *, times: int = 1, at: datetime = NOON, release: str = "1.0.0", **example: Any) -> Fault:
    hour = at.replace(minute=0, second=0, microsecond=0)
    told = {"trace": TRACE, "event": "job.failed", "where": "job", "name": "jobs.payments.sweep", "correlation_id": "story-0001"}
    return Fault(
        fingerprint=name * 32,
        kind="KeyError",
        place="services.payments.absorb:absorb",
        process="worker",
        release=release,
        first_at=at,
        last_at=at,
        hours={hour: times},
        example=told | {"process": "worker"} | example,
    )
