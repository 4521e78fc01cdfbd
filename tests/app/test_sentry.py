"""What reaches Sentry, on the wire: the error and where it was, and nothing of whom it was about."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import sentry
from tests.app import sentry_wire
from tests.app.sentry_wire import Taken

ROOT = Path(__file__).parents[2]
SECRETS = (
    "833000017",
    "ABCD-EFGHJ-KMNPR",
    "a-local-variable",
    "s3cret-cookie",
    "sandbox-wave-key",
    "hunter2",
    "awa@example.gm",
    "4000-body",
)


@pytest.fixture
def listening() -> Iterator[Taken]:
    with sentry_wire.listening() as taken:
        yield taken


_PROCESS = """
import logging, sys
import structlog
from app import correlation, logs
from app.settings import get_settings
from tests.app.faulty import raised, refuse
logs.configure(get_settings(), process="web")
cookie, password = "s3cret-cookie", "hunter2"
with correlation.correlated("story-of-a-request"):
    try:
        try:
            raised_here = {"body": "4000-body", "cookie": cookie}
            raise KeyError("ABCD-EFGHJ-KMNPR of +220833000017, password=hunter2, awa@example.gm")
        except KeyError as cause:
            raise raised(refuse(RuntimeError("token=sandbox-wave-key"))) from cause
    except RuntimeError:
        structlog.get_logger().exception("request.failed", route="/api/wave/checkout")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
"""


def test_an_error_arrives_with_its_place_and_without_a_secret(listening: Taken) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "INET_SENTRY_DSN": listening.url,
        "INET_RELEASE": "1.4.2",
        "INET_SECRET_KEY": "a-secret-key-that-is-long-enough-for-a-test",
    }
    done = subprocess.run([sys.executable, "-c", _PROCESS], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert listening.came.wait(10)
    (event,) = listening.events
    assert (event["release"], event["environment"], event["level"]) == ("1.4.2", "demo", "error")
    assert event["tags"] == {
        "process": "web",
        "correlation_id": "story-of-a-request",
        "event": "request.failed",
        "route": "/api/wave/checkout",
    }
    first, last = event["exception"]["values"]
    assert (first["type"], last["type"]) == ("KeyError", "RuntimeError")
    assert [frame["function"] for frame in last["stacktrace"]["frames"] if frame["in_app"]] == ["entry", "inner"]
    assert {"request", "user", "extra", "breadcrumbs", "modules", "contexts"} & set(event) == set()
    everything = b"\n".join(listening.bodies).decode()
    assert [secret for secret in SECRETS if secret in everything] == []
    assert [secret for secret in SECRETS if secret in done.stderr] == []


def test_the_net_takes_away_whatever_else_an_event_may_come_to_hold() -> None:
    frame = {"function": "buy", "module": "services", "lineno": 7, "in_app": True, "vars": {"phone": "+220833000017"}, "context_line": "x"}
    event = {
        "exception": {"values": [{"type": "KeyError", "value": "x", "stacktrace": {"frames": [frame]}}, {"type": "X", "stacktrace": None}]},
        "request": {"data": "body", "cookies": "c", "headers": {"Authorization": "x"}},
        "user": {"ip_address": "1.2.3.4"},
        "extra": {"sys.argv": ["--password"]},
        "breadcrumbs": {"values": []},
        "contexts": {},
        "level": "error",
    }
    kept = sentry.scrub(event, {})
    assert set(kept) == {"exception", "level"}
    assert kept["exception"]["values"][0]["stacktrace"]["frames"] == [
        {"function": "buy", "module": "services", "lineno": 7, "in_app": True}
    ]
