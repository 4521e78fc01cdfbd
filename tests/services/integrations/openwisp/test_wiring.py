"""That the process's settings make the client, and that health pages see its breaker."""

from collections.abc import Iterator

import pytest

from app.settings import get_settings
from services.integrations import clients
from services.operations.health import breakers


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def forget() -> None:
        clients.close()
        get_settings.cache_clear()

    forget()
    with monkeypatch.context() as changed:
        changed.setenv("INET_PORTABILLING_PASSWORD", "sandbox-portabilling")
        yield changed
        forget()
    get_settings.cache_clear()


def test_without_an_address_there_is_no_client_and_nothing_to_probe(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("INET_OPENWISP_BASE_URL", "")
    assert clients.outside().openwisp is None
    assert "openwisp" not in {probe.name for probe in breakers.states(clients.outside())}


def test_with_an_address_there_is_one_and_its_breaker_is_shown(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("INET_OPENWISP_BASE_URL", "https://openwisp.example.gm/")
    settings.setenv("INET_OPENWISP_TOKEN", "a-token")
    client = clients.outside().openwisp
    assert client is not None
    assert client is clients.outside().openwisp
    assert {probe.name: probe.state for probe in breakers.states(clients.outside())}["openwisp"] == "ok"
