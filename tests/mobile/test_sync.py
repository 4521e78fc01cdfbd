"""`GET sync` over HTTP: answers, ETags and bad input. What is told when is tested in tests/services/apps/test_sync.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.db import transaction
from app.main import plain_app
from mobile.sync import SyncAnswer
from services.apps.sync_cursor import Cursor, Snapshot, open_cursor
from tests.app.api.asking import refusal
from tests.mobile.customers import Phone, a_phone, technicians_phone
from tests.services.apps.syncing import SEEN, a_device, a_mac


@pytest.fixture
def phone(database: sa.Engine) -> Iterator[Phone]:
    """On a database that commits: what a transaction has not committed is told to nobody."""
    with TestClient(plain_app(("mobile",)), base_url="http://127.0.0.1:8080", raise_server_exceptions=False) as line:
        with transaction() as session:
            made = a_phone(line, session)
        yield made


def synced(phone: Phone, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = phone.get("sync", **query)
    SyncAnswer.model_validate(answer)
    return answer


def test_everything_is_told_once_and_then_what_changed(phone: Phone) -> None:
    first = synced(phone)
    assert [(one["kind"], one["id"]) for one in first["changes"]] == [("profile", str(phone.caller.customer_id))]
    assert (first["start_over"], first["more"]) == (True, False)
    with transaction() as session:
        device = a_device(session, phone.caller)
    second = synced(phone, cursor=first["cursor"])
    assert [one["id"] for one in second["changes"]] == [str(device)]
    assert second["start_over"] is False


def test_with_nothing_changed_it_is_304_until_something_is(phone: Phone) -> None:
    first = phone.ask("GET", "sync")
    cursor, tag = first.json()["cursor"], first.headers["etag"]
    again = phone.ask("GET", "sync", params={"cursor": cursor}, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    without = phone.ask("GET", "sync", params={"cursor": cursor})
    assert (without.status_code, without.json()["changes"], without.json()["cursor"]) == (200, [], cursor)
    # The tag of an answer says nothing of what a phone without a cursor holds.
    assert phone.ask("GET", "sync", headers={"If-None-Match": tag}).status_code == 200
    with transaction() as session:
        session.execute(SEEN, {"mac": a_mac(), "id": a_device(session, phone.caller)})
    changed = phone.ask("GET", "sync", params={"cursor": cursor}, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_kinds_and_pages_are_as_asked(phone: Phone) -> None:
    with transaction() as session:
        for _ in range(3):
            a_device(session, phone.caller)
    page = synced(phone, kinds="device,profile", limit=3)
    assert (len(page["changes"]), page["more"]) == (3, True)
    rest = synced(phone, cursor=page["cursor"], kinds="profile,device", limit=3)
    assert (len(rest["changes"]), rest["more"], rest["start_over"]) == (1, False, False)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"cursor": "forged"}, 422, "cursor_unknown"),
        ({"cursor": ""}, 422, "cursor_unknown"),
        ({"cursor": "\x00"}, 422, "cursor_unknown"),
        ({"cursor": "x" * 7000}, 422, "invalid_input"),
        ({"kinds": "incident"}, 422, "invalid_input"),
        ({"kinds": "ticket,,profile"}, 422, "invalid_input"),
        ({"kinds": ""}, 422, "invalid_input"),
        ({"limit": 0}, 422, "invalid_input"),
        ({"limit": 501}, 422, "invalid_input"),
        ({"limit": "many"}, 422, "invalid_input"),
    ],
)
def test_what_makes_no_sense_is_refused(phone: Phone, query: dict[str, Any], status: int, code: str) -> None:
    assert refusal(phone.ask("GET", "sync", params=query), status)["code"] == code


def test_cursors_of_others_and_from_the_future_are_refused(phone: Phone) -> None:
    with transaction() as session:
        other = technicians_phone(phone.line, session)
    cursor = synced(phone)["cursor"]
    assert refusal(other.ask("GET", "sync", params={"cursor": cursor}), 422)["code"] == "cursor_unknown"
    opened = open_cursor(cursor, app_device_id=phone.caller.app_device_id)
    assert opened is not None
    ahead = Cursor(opened.app_device_id, opened.epoch, opened.scope, opened.kinds, False, Snapshot(10**12, 10**12)).seal()
    assert refusal(phone.ask("GET", "sync", params={"cursor": ahead}), 409)["code"] == "cursor_from_the_future"
    assert refusal(phone.line.get("/api/mobile/v1/sync"), 401)["code"] == "unauthenticated"
    assert synced(other)["changes"][0]["data"]["permissions"]
