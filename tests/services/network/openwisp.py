"""The sandbox's OpenWISP as these tests turn it, and the stored network as one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.sandbox.config import DEMO_OPENWISP_TOKEN
from services.integrations.openwisp import OpenWispClient
from services.network.alarm_models import CheckOutcome
from tests.conftest import NOON, Sandbox

# What a failed check may not touch.
NETWORK_TABLES = ("site", "access_point", "health_change", "health_period", "health_month", "incident", "incident_member")

_SHAPE = "not OpenWISP as we know it"
# What the sandbox is told, how a check must end, and what its message must say.
TROUBLES: dict[str, tuple[dict[str, dict[str, Any]], CheckOutcome, str]] = {
    "an empty list": ({"mode": {"answer": "empty"}}, CheckOutcome.SUDDEN_LOSS, "suddenly"),
    "half a list": ({"mode": {"answer": "half"}}, CheckOutcome.INCOMPLETE, "half a list tells nothing"),
    "HTML for JSON": ({"mode": {"answer": "html_200"}}, CheckOutcome.MALFORMED, _SHAPE),
    "cut JSON": ({"mode": {"answer": "truncated"}}, CheckOutcome.MALFORMED, _SHAPE),
    "an error page": ({"mode": {"answer": "bad_gateway"}}, CheckOutcome.UNREACHABLE, "does not answer"),
    "no right": ({"mode": {"forbidden": True}}, CheckOutcome.REFUSED, "lacks the right to view devices"),
    "an organisation's rights lost": ({"organization": {"slug": "inet-gambia"}}, CheckOutcome.SUDDEN_LOSS, "A right may have been lost"),
    "a revoked token": ({"token": {"action": "revoke"}}, CheckOutcome.REFUSED, "INET_OPENWISP_TOKEN is not accepted"),
    "too slow": ({"fault": {"latency_ms": 3000}}, CheckOutcome.UNREACHABLE, "does not answer"),
}


class Clock:
    """Stands still unless told to go on."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float = 60) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class OpenWisp:
    """The strings behind the sandbox's OpenWISP."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def order(self, path: str, **body: Any) -> Any:
        return self._sandbox.http.post(f"/_control/openwisp/{path}", json=body).raise_for_status().json()

    def state(self) -> dict[str, Any]:
        return dict(self._sandbox.state()["openwisp"])

    def devices(self) -> list[dict[str, Any]]:
        return list(self.state()["devices"])

    def well(self, number: int) -> list[str]:
        """The ids of some devices that are well and whose names are their own."""
        names = [device["name"] for device in self.devices()]
        return [device["id"] for device in self.devices() if device["status"] == "ok" and names.count(device["name"]) == 1][:number]

    def status(self, ids: list[str], status: str) -> None:
        self.order("devices", ids=ids, status=status)

    def trouble(self, orders: dict[str, dict[str, Any]]) -> None:
        for path, body in orders.items():
            if path == "fault":
                self._sandbox.fault("openwisp", **body)
            else:
                self.order(path, **body)


@contextmanager
def client_of(sandbox: Sandbox, **options: Any) -> Iterator[OpenWispClient]:
    """A client that tries once and waits briefly, so that what fails fails quickly."""
    options = {"timeout_seconds": 1.0, "read_attempts": 1} | options
    client = OpenWispClient(sandbox.url, DEMO_OPENWISP_TOKEN, **options)
    yield client
    client.close()


def digest(connection: sa.Connection) -> str:
    """The stored network, row by row, as one hash."""
    text = ""
    for table in NETWORK_TABLES:
        rows = connection.execute(sa.text(f'SELECT to_jsonb(t)::text FROM "{table}" AS t ORDER BY 1')).scalars()
        text += table + "".join(rows)
    return hashlib.sha256(text.encode()).hexdigest()
