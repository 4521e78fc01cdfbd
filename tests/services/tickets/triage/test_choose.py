from __future__ import annotations

import pytest

from app.settings import Settings, SettingsError
from services.tickets.triage.choose import reader
from services.tickets.triage.engine import Triage
from services.tickets.triage.provider import ProviderTriage

SOUND = {"database_url": "postgresql+psycopg://u:p@h/inet", "redis_url": "redis://h/0", "secret_key": "x" * 40}


def settings(**more: str) -> Settings:
    return Settings(_env_file=None, **(SOUND | more))  # type: ignore[call-arg, arg-type]


def test_tickets_are_read_here_unless_a_provider_is_named(without_encoder: Triage) -> None:
    assert reader(settings(), without_encoder) is without_encoder
    chosen = reader(settings(ai_provider="anthropic", ai_model="m", ai_key="k"), without_encoder)
    assert isinstance(chosen, ProviderTriage)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"ai_provider": "openai", "ai_key": "k"}, "INET_AI_MODEL"),
        ({"ai_provider": "openai", "ai_model": "m"}, "INET_AI_KEY"),
        ({"ai_provider": "anthropic", "ai_model": "m", "ai_url": "https://h"}, "INET_AI_KEY"),
        ({"ai_provider": "openai", "ai_model": "m", "ai_key": "k", "ai_url": "host:8000"}, "INET_AI_URL"),
    ],
)
def test_half_a_provider_is_refused_at_start(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings(**wrong).check()
    settings(ai_provider="openai", ai_model="m", ai_url="http://127.0.0.1:8000/v1/").check()
