"""Which reader this process uses, by the settings."""

from __future__ import annotations

from app.outbound import CircuitBreaker
from app.settings import Settings
from services.integrations.llm import LlmClient
from services.tickets.triage.engine import Triage
from services.tickets.triage.provider import ProviderTriage


def reader(settings: Settings, local: Triage) -> Triage | ProviderTriage:
    """`local` alone, or with the provider that the settings name as its second reader. Build it once a process: it holds connections."""
    if settings.ai_provider == "local":
        return local
    client = LlmClient(
        settings.ai_provider,
        url=settings.ai_url,
        key=settings.ai_key.get_secret_value(),
        model=settings.ai_model,
        timeout_seconds=settings.ai_timeout_seconds,
        breaker=CircuitBreaker("ai", failure_threshold=3, recovery_seconds=60),
    )
    return ProviderTriage(local, client)
