from __future__ import annotations

import json

import pytest

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, Unavailable
from services.integrations.llm import LlmClient

KEY = "sk-very-secret-key"
SCHEMA = {"type": "object", "properties": {"category": {"type": "string"}}}
ANTHROPIC = {"content": [{"type": "text", "text": "well"}, {"type": "tool_use", "name": "answer", "input": {"category": "payment"}}]}
OPENAI = {"choices": [{"message": {"role": "assistant", "content": '{"category": "payment"}'}}]}


@pytest.fixture(params=["anthropic", "openai"])
def provider(request):
    return request.param


@pytest.fixture
def client(server, provider):
    asked = LlmClient(provider, url=server.url + "/base", key=KEY, model="m-1", timeout_seconds=0.3, breaker=CircuitBreaker("ai", 3))
    yield asked
    asked.close()


def ask(client):
    return client.ask(instructions="sort it", text="a ticket", schema=SCHEMA)


def test_each_provider_is_asked_in_its_own_way(server, make, client, provider):
    server.will(make.as_json(ANTHROPIC if provider == "anthropic" else OPENAI))
    assert ask(client) == {"category": "payment"}
    got = server.got[0]
    sent = json.loads(got.body)
    assert sent["model"] == "m-1"
    assert sent["messages"][-1] == {"role": "user", "content": "a ticket"}
    if provider == "anthropic":
        assert (got.path, got.headers["x-api-key"]) == ("/base/v1/messages", KEY)
        assert sent["tools"][0]["input_schema"] == SCHEMA
        assert sent["tool_choice"] == {"type": "tool", "name": "answer"}
        assert sent["system"] == "sort it"
    else:
        assert (got.path, got.headers["Authorization"]) == ("/base/chat/completions", f"Bearer {KEY}")
        assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
        assert sent["messages"][0] == {"role": "system", "content": "sort it"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"content": []},
        {"content": "text"},
        {"content": [{"type": "text", "text": "payment"}]},
        {"choices": []},
        {"choices": [{"message": {"content": "payment"}}]},
        {"choices": [{"message": {"content": None, "refusal": "no"}}]},
        {"choices": [{"message": {"content": "[1]"}}]},
        {"content": [{"type": "tool_use", "input": "payment"}]},
    ],
)
def test_what_is_no_object_is_no_answer(server, make, client, body):
    server.will(make.as_json(body))
    with pytest.raises(OutcomeUnknown, match="unreadable"):
        ask(client)


def test_pages_hurry_silence_and_refusals_are_told_apart(server, make, client):
    server.will(make.Reply(200, make.html, {"Content-Type": "text/html"}))
    with pytest.raises(OutcomeUnknown, match="page"):
        ask(client)
    server.will(make.as_json({"error": {"message": f"bad key {KEY}"}}, 401))
    with pytest.raises(Refused) as refused:
        ask(client)
    assert KEY not in repr(refused.value)
    server.will(make.as_json({"error": "slow down"}, 429, **{"Retry-After": "7"}))
    with pytest.raises(Unavailable) as busy:
        ask(client)
    assert busy.value.retry_after == 7
    server.will(make.Reply(ends="hung"))
    with pytest.raises(OutcomeUnknown):
        ask(client)


def test_a_provider_that_keeps_failing_is_left_alone(server, make, client):
    server.will(*[make.as_json({}, 503)] * 3)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            ask(client)
    with pytest.raises(Unavailable) as spared:
        ask(client)
    assert spared.value.breaker_open
    assert len(server.got) == 3


def test_an_address_of_ones_own_may_want_no_key(server, make):
    client = LlmClient("openai", url=server.url, key="", model="m", timeout_seconds=1)
    server.will(make.as_json(OPENAI))
    ask(client)
    assert "Authorization" not in server.got[0].headers
    client.close()
