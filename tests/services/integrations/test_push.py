"""Expo's wire: what is sent, and what each answer means for us."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.integrations.push import ProjectsMixed, PushClient, PushMessage, Receipt, Ticket, is_token
from tests.services.integrations.conftest import HTML, Got, Reply, ScriptedServer, as_json

ONE = PushMessage("ExponentPushToken[a]", "INET", "Hello", "n-1")


@pytest.fixture
def expo(server: ScriptedServer) -> Iterator[PushClient]:
    made = PushClient(server.url + "/--/api/v2/push", access_token="a-secret-token", timeout_seconds=0.3)
    yield made
    made.close()


def body_of(got: Got) -> Any:
    return json.loads(gzip.decompress(got.body) if got.headers.get("Content-Encoding") == "gzip" else got.body)


def test_a_batch_is_an_array_with_our_number_in_each_and_gzip_when_it_is_long(server: ScriptedServer, expo: PushClient) -> None:
    server.will(as_json({"data": [{"status": "ok", "id": "t"}]}), as_json({"data": [{"status": "ok", "id": "t"}] * 50}))
    assert expo.send([ONE]) == [Ticket("t")]
    expo.send([ONE] * 50)
    first, second = server.got
    assert (first.path, first.headers["Authorization"]) == ("/--/api/v2/push/send", "Bearer a-secret-token")
    assert body_of(first)[0]["data"] == {"notification_id": "n-1"}
    assert (second.headers["Content-Encoding"], len(body_of(second))) == ("gzip", 50)


def test_an_object_for_one_message_is_understood_and_errors_are_named(server: ScriptedServer, expo: PushClient) -> None:
    server.will(as_json({"data": {"status": "error", "message": "x", "details": {"error": "DeviceNotRegistered"}}}))
    assert expo.send([ONE]) == [Ticket(None, "DeviceNotRegistered")]


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (as_json({"errors": [{"code": "TOO_MANY_REQUESTS"}]}, 429), Unavailable),
        (as_json({"errors": [{"code": "TOO_MANY_REQUESTS"}]}, 400), Unavailable),
        (as_json({"errors": [{"code": "UNAUTHORIZED", "message": "a-secret-token"}]}, 401), Refused),
        (as_json({"errors": [{"code": "API_ERROR"}]}, 200), Refused),
        (as_json({"errors": [{"code": "PUSH_TOO_MANY_EXPERIENCE_IDS", "details": {"@a/b": ["x"]}}]}, 400), ProjectsMixed),
        (Reply(502, HTML), OutcomeUnknown),
        (Reply(200, HTML), OutcomeUnknown),
        (Reply(200, b'{"data": [{"status"'), OutcomeUnknown),
        (as_json({"data": []}), OutcomeUnknown),
        (as_json({"data": [5]}), OutcomeUnknown),
        (Reply(ends="dropped"), OutcomeUnknown),
        (Reply(ends="hung"), OutcomeUnknown),
    ],
)
def test_every_answer_says_whether_the_pushes_may_have_gone_out(
    server: ScriptedServer, expo: PushClient, reply: Reply, raised: type[Exception]
) -> None:
    server.will(reply)
    with pytest.raises(raised) as caught:
        expo.send([ONE])
    assert "a-secret-token" not in repr(caught.value.args)


def test_receipts_that_are_not_there_are_absent(server: ScriptedServer, expo: PushClient) -> None:
    error = {"status": "error", "message": "x", "details": {"error": "MessageRateExceeded"}}
    server.will(as_json({"data": {"a": {"status": "ok"}, "b": error}}))
    assert expo.receipts(["a", "b", "c"]) == {"a": Receipt(), "b": Receipt("MessageRateExceeded")}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]", True),
        ("ExpoPushToken[x]", True),
        ("f5a6b7c8-1234-abcd-ef01-0123456789ab", True),
        ("ExponentPushToken[]", False),
        ("token", False),
        ("ExponentPushToken[" + "x" * 300 + "]", False),
    ],
)
def test_tokens_are_told_by_their_shape(text: str, is_one: bool) -> None:
    assert is_token(text) is is_one
