"""The imitated push service, as phones' makers know it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from .harness import SandboxClient

SEND, RECEIPTS = "/--/api/v2/push/send", "/--/api/v2/push/getReceipts"
TOKEN = "ExponentPushToken[a]"


def message(to: Any = TOKEN, **more: Any) -> dict[str, Any]:
    return {"to": to, "title": "INET", "body": "Hello", **more}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_a_list_is_answered_by_a_list_and_one_message_by_an_object(sandbox: SandboxClient) -> None:
    assert len(sandbox.post(SEND, json=[message(), message()]).json()["data"]) == 2
    assert sandbox.post(SEND, json=message()).json()["data"]["status"] == "ok"
    assert [push["body"] for push in sandbox.get("/_control/state").json()["pushes"]] == ["Hello"] * 3
    assert "Hello" in sandbox.get("/push", headers={"Accept": "text/html"}).text


def test_tickets_of_one_batch_differ(sandbox: SandboxClient) -> None:
    sandbox.control("push/phone", {"token": TOKEN, "ticket": "DeviceNotRegistered"})
    first, second = sandbox.post(SEND, json=[message(), message("ExponentPushToken[b]")]).json()["data"]
    assert (first["details"]["error"], second["status"]) == ("DeviceNotRegistered", "ok")


def test_a_request_is_refused_whole(sandbox: SandboxClient) -> None:
    assert code(sandbox.post(SEND, json=[message()] * 101)) == (400, "PUSH_TOO_MANY_NOTIFICATIONS")
    assert code(sandbox.post(SEND, json=[message(), message("nonsense")])) == (400, "API_ERROR")
    assert code(sandbox.post(SEND, json=[message(data={"x": "y" * 5000})])) == (400, "API_ERROR")
    mixed = sandbox.post(SEND, json=[message(), message("ExponentPushToken[@other/app:b]")])
    assert code(mixed) == (400, "PUSH_TOO_MANY_EXPERIENCE_IDS")
    assert set(mixed.json()["errors"][0]["details"]) == {"@inet/portal", "@other/app"}
    assert sandbox.get("/push").json() == []


def test_receipts_come_late_and_go_after_a_day(sandbox: SandboxClient) -> None:
    sandbox.control("push/phone", {"token": TOKEN, "receipt": "DeviceNotRegistered"})
    ids = [ticket["id"] for ticket in sandbox.post(SEND, json=[message(), message("ExponentPushToken[b]")]).json()["data"]]
    assert sandbox.post(RECEIPTS, json={"ids": ids}).json()["data"] == {}
    sandbox.control("clock", {"advance_seconds": 901})
    found = sandbox.post(RECEIPTS, json={"ids": [*ids, "nobody's"]}).json()["data"]
    assert [found[one]["status"] for one in ids] == ["error", "ok"]
    sandbox.control("clock", {"advance_seconds": 86400})
    assert sandbox.post(RECEIPTS, json={"ids": ids}).json()["data"] == {}


def test_compressed_requests_the_access_token_and_too_many(sandbox: SandboxClient) -> None:
    packed = gzip.compress(json.dumps([message()]).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert sandbox.post(SEND, content=packed, headers=headers).status_code == 200
    sandbox.control("push/mode", {"needs_access_token": True})
    assert code(sandbox.post(SEND, json=[message()])) == (401, "UNAUTHORIZED")
    sandbox.control("push/mode", {"too_many": 1})
    assert code(sandbox.post(SEND, json=[message()])) == (429, "TOO_MANY_REQUESTS")
    assert sandbox.post(SEND, json=[message()]).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"to": 5}'])
def test_nonsense_is_refused(sandbox: SandboxClient, body: bytes) -> None:
    assert code(sandbox.post(SEND, content=body, headers={"Content-Type": "application/json"})) == (400, "API_ERROR")
