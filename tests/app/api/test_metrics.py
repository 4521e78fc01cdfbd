from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app import redis
from app.main import plain_app
from app.metrics import loop
from app.settings import get_settings
from tests.app.metrics.test_running import values


@pytest.fixture
async def http(servers: None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=plain_app(("portal", "api")), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    await redis.close_async()


@pytest.fixture
def token(servers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("INET_METRICS_TOKEN", "a-token-for-prometheus")
    get_settings.cache_clear()
    yield "a-token-for-prometheus"
    monkeypatch.undo()
    get_settings.cache_clear()


async def test_requests_are_told_by_the_templates_of_their_routes(http: httpx.AsyncClient) -> None:
    before = values((await http.get("/metrics")).text)
    paths = ("/portal/v/SECRETCODE1", "/portal/v/SECRETCODE2", "/api/nothing-here", "/fas/nowhere?auth_get=view", "/healthz/live")
    for path in (*paths, "/api/v1/payments/ABCDEF"):
        await http.get(path)
    await http.post("/api/portal/voucher", content=b"x" * 300_000)
    answer = await http.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "SECRETCODE" not in answer.text
    after = values(answer.text)
    grown = {
        (dict(labels)["route"], dict(labels)["method"], dict(labels)["status"]): value - before.get((name, labels), 0)
        for (name, labels), value in after.items()
        if name == "inet_http_requests_total" and value > before.get((name, labels), 0)
    }
    voucher = next(key for key in grown if key[0].startswith("/portal/v/"))
    assert voucher[0] == "/portal/v/{code}"
    assert grown[voucher] == 2
    assert grown["/healthz/live", "GET", "200"] == 1
    assert grown["/fas/{slug}", "GET", "200"] == 1
    assert grown["/metrics", "GET", "200"] == 1
    # With the prefix of its router: several have a list of payments.
    assert grown["/api/v1/payments/{reference}", "GET", "401"] == 1
    assert grown["none", "POST", "413"] == 1
    assert after["inet_figures_up", ()] == 1
    assert after["inet_payments", (("status", "attention"),)] >= 0


async def test_with_a_token_set_only_who_brings_it_is_answered(http: httpx.AsyncClient, token: str) -> None:
    refused = [await http.get("/metrics", headers=headers) for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": token})]
    assert [answer.status_code for answer in refused] == [401, 401, 401]
    assert (await http.get("/metrics", headers={"Authorization": f"Bearer {token}"})).status_code == 200


async def test_the_lag_of_the_event_loop_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_EVERY_SECONDS", 0.0)
    seen: list[float] = []
    monkeypatch.setattr("app.metrics.loop_lagged", seen.append)
    async with loop.watched():
        while len(seen) < 3:
            await loop.asyncio.sleep(0)
    assert all(lag >= 0 for lag in seen)


async def test_a_production_process_is_asked_by_its_address(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"INET_ENV": "production", "INET_PUBLIC_URL": "https://inet.example.gm"}.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    transport = httpx.ASGITransport(app=plain_app(("api",)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://172.30.8.11:8000") as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/api/v1/payments")).json()["code"] == "unknown_host"
    monkeypatch.undo()
    get_settings.cache_clear()
