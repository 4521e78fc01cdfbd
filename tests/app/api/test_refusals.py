"""Who is kept from what stands in the log, one line each, and never with the credential that was shown (OWASP ASVS 5.0, 16.3.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.types import Message, Scope

from app.edge import Edge
from app.origin import coming_from
from app.refusals import place
from services.accounts.models import Role
from tests.app.api.asking import Api, bearer
from tests.pages import builders
from tests.portal.served import Served

CARE = builders.email_of(Role.CUSTOMER_CARE)


@contextmanager
def logged(process: Served) -> Iterator[list[dict[str, Any]]]:
    """What the process logs meanwhile."""
    begun, lines = process.log.stat().st_size, list[dict[str, Any]]()
    yield lines
    with process.log.open("rb") as log:
        log.seek(begun)
        lines += [json.loads(line) for line in log.read().decode().splitlines()]


def refused(lines: list[dict[str, Any]], code: str) -> dict[str, Any]:
    (line,) = [line for line in lines if line["event"] == "request.refused" and line["code"] == code]
    return line


def test_a_made_up_token_is_logged_with_the_route_and_without_the_token(api: Api, api_process: Served) -> None:
    with logged(api_process) as lines:
        api.http.get("/api/v1/payments/7KMNPRST", headers=bearer("inet_made-up-token") | {"X-Correlation-ID": "a-stranger-01"})
    line = refused(lines, "unauthenticated")
    assert (line["status"], line["method"], line["actor"], line["address"]) == (401, "GET", None, "127.0.0.0/24")
    assert line["route"].endswith("/payments/{reference}")
    assert line["correlation_id"] == "a-stranger-01"
    assert "made-up" not in str(lines)
    assert "7KMNPRST" not in str(lines)


def test_a_role_that_may_not_is_logged_by_its_number(api: Api, api_process: Served) -> None:
    who = api.staff(Role.FIELD_TECHNICIAN)
    number = api.get("/api/auth/me", who)["id"]
    with logged(api_process) as lines:
        api.http.get("/api/v1/audit", headers=who)
    assert refused(lines, "forbidden")["actor"] == f"staff:{number}"


def test_failed_log_ins_are_logged_also_when_there_are_too_many(api: Api, api_process: Served) -> None:
    with logged(api_process) as lines:
        for _ in range(6):
            api.http.post("/api/auth/login", json={"email": CARE, "password": "wrong-password-1"})
        api.http.post("/api/auth/login", json={"email": "nobody@inet.test", "password": "wrong-password-1"})
    tries = [line for line in lines if line["event"] == "log_in.refused"]
    assert [bool(line["staff_id"]) for line in tries] == [True] * 5 + [False]
    assert refused(lines, "too_many_tries")["status"] == 429
    assert "wrong-password" not in str(lines)
    assert CARE not in str(lines)


@pytest.mark.parametrize(("address", "network"), [("203.0.113.7", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("", "")])
def test_an_address_is_logged_as_its_network(address: str, network: str) -> None:
    with coming_from(address):
        assert place() == network


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_another_sites_page_is_logged(servers: None, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError("it must not get here")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"portal.example.gm"), (b"origin", b"https://evil.example")]
    scope: Scope = {"type": kind, "method": "POST", "path": "/console/login", "headers": headers, "client": ("203.0.113.7", 1)}
    await Edge(nothing)(scope, nothing, send)
    assert sent[0].get("status") == 403 or sent[0]["type"] == "websocket.close"
    assert "foreign_origin" in capsys.readouterr().out
