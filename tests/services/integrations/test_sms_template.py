"""A local gateway, described by configuration alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import pytest

from app.outbound import OutcomeUnknown, Refused
from services.integrations.sms_template import TemplateGateway
from tests.services.integrations.conftest import Reply, ScriptedServer

TO, TEXT = "+220833000001", "Salaam & {to} 100%"
FIELDS = {"username": "u", "password": "p4ssw0rd", "from": "INET", "to": "{to}", "text": "{text}"}


Make = Callable[..., TemplateGateway]


@pytest.fixture
def gateway(server: ScriptedServer) -> Iterator[Make]:
    made: list[TemplateGateway] = []

    def make(**more: object) -> TemplateGateway:
        shape = {"url": server.url + "/send?v=1", "fields": FIELDS, "timeout_seconds": 0.3} | more
        made.append(TemplateGateway.from_json(json.dumps(shape)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_form_is_posted_and_the_gateways_id_is_read(server: ScriptedServer, gateway: Make) -> None:
    server.will(Reply(200, b"OK 7741\n"))
    assert gateway().send(to=TO, text=TEXT).message_id == "7741"
    (got,) = server.got
    sent = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
    assert (got.path, sent["to"], sent["text"], sent["password"]) == ("/send", TO, TEXT, "p4ssw0rd")


def test_a_get_puts_the_fields_into_the_address(server: ScriptedServer, gateway: Make) -> None:
    server.will(Reply(200, b"OK 1"))
    gateway(method="GET", plus=False).send(to=TO, text=TEXT)
    assert (server.got[0].query["to"], server.got[0].query["text"], server.got[0].query["v"]) == (TO[1:], TEXT, "1")


def test_a_json_gateway_has_its_own_words_for_success(server: ScriptedServer, gateway: Make) -> None:
    server.will(Reply(202, b'{"result":"accepted","id":"ab-1"}'))
    made = gateway(body="json", success='"accepted"', id='"id":"([^"]+)"', refused='"rejected"')
    assert made.send(to=TO, text=TEXT).message_id == "ab-1"
    assert json.loads(server.got[0].body)["text"] == TEXT


def test_a_refusal_quotes_neither_number_nor_password(server: ScriptedServer, gateway: Make) -> None:
    server.will(Reply(200, f"ERR 42 bad p4ssw0rd {TO}".encode()))
    with pytest.raises(Refused) as caught:
        gateway().send(to=TO, text=TEXT)
    assert "p4ssw0rd" not in caught.value.message
    assert TO not in caught.value.message


@pytest.mark.parametrize("reply", [Reply(200, b"hm"), Reply(500, b"ERR"), Reply(ends="dropped"), Reply(ends="hung"), Reply(200, b"<html>")])
def test_whatever_is_neither_may_have_been_sent(server: ScriptedServer, gateway: Make, reply: Reply) -> None:
    server.will(reply)
    with pytest.raises(OutcomeUnknown):
        gateway().send(to=TO, text=TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"url": "ftp://x", "fields": {}}',
        '{"url": "http://x", "fields": {"to": "{to}", "pw": "h1dden"}}',
        '{"url": "http://x"}',
    ],
)
def test_a_shape_that_would_not_work_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="INET_SMS_SECOND") as caught:
        TemplateGateway.from_json(text)
    assert "h1dden" not in str(caught.value)
