"""The services outside, asked over the wire at the sandbox: there, away, and back; nothing is made or sent by asking."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from app.settings import Settings, get_settings
from services.operations.health import outside
from services.operations.health.reading import Reading
from services.operations.models import HealthState
from tests.conftest import Sandbox, free_port

NAMES = ("wave", "portabilling", "openwisp", "sms", "push")


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    return get_settings().model_copy(
        update={
            "openwisp_base_url": sandbox.url,
            "openwisp_token": SecretStr("5afe" * 10),
            "expo_push_url": sandbox.url + "/--/api/v2/push",
        }
    )


def ask(name: str, settings: Settings) -> Reading:
    return getattr(outside, name)(settings)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_who_answers_is_well_and_asking_leaves_no_trace(name: str, settings: Settings, sandbox: Sandbox) -> None:
    before = sandbox.state()
    found = ask(name, settings)
    assert (found.state, found.advice) == (HealthState.OK, "")
    after = sandbox.state()
    assert [key for key in before if before[key] != after[key] and key not in ("now", "requests", "calls")] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sms"])
def test_who_is_away_is_down_with_advice_and_well_when_back(name: str, settings: Settings, sandbox: Sandbox) -> None:
    sandbox.fault(name, down=True)
    found = ask(name, settings)
    assert found.state is HealthState.DOWN
    assert found.advice
    sandbox.fault(name, down=False)
    assert ask(name, settings).ok


def test_a_gateway_of_texts_where_nobody_listens_is_down_and_its_key_is_not_told() -> None:
    url = SecretStr(f"http://inet:the-sms-key@127.0.0.1:{free_port()}/version1/messaging")
    found = outside.sms(Settings(sms_url=url))
    assert found.state is HealthState.DOWN
    assert "the-sms-key" not in found.said + found.advice


def test_a_refused_key_is_told_as_such(settings: Settings) -> None:
    found = outside.wave(settings.model_copy(update={"wave_api_key": SecretStr("not-the-key")}))
    assert "refuses the key" in found.said
    assert "not-the-key" not in found.said + found.advice


def test_what_is_not_set_up_is_no_trouble_where_it_is_an_extra() -> None:
    bare = Settings(wave_base_url="", portabilling_url="", openwisp_base_url="", expo_push_url="", sms_url=None)
    states = {name: ask(name, bare).state for name in (*NAMES, "ai")}
    assert states == {
        "wave": HealthState.DOWN,
        "portabilling": HealthState.DOWN,
        "sms": HealthState.DOWN,
        "openwisp": HealthState.OFF,
        "push": HealthState.OFF,
        "ai": HealthState.OFF,
    }


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_provider_of_ai_is_asked_for_its_models(provider: str) -> None:
    away = Settings.model_validate(
        {"ai_provider": provider, "ai_url": f"http://127.0.0.1:{free_port()}", "ai_key": "the-ai-key", "ai_model": "m"}
    )
    found = outside.ai(away)
    assert found.state is HealthState.DOWN
    assert "the-ai-key" not in found.said
