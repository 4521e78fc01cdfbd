from __future__ import annotations

import httpx
import pytest

from app.main import plain_app


@pytest.fixture
def http(servers: None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=plain_app(("portal", "api")), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_a_well_formed_correlation_id_is_kept(http: httpx.AsyncClient) -> None:
    answer = await http.get("/healthz/live", headers={"X-Correlation-ID": "a-phone-0001"})
    assert answer.headers["X-Correlation-ID"] == "a-phone-0001"


@pytest.mark.parametrize("sent", ["", "short", "x" * 65, "with space in it", "a\tb-injected-header", "<script>alert(1)"])
async def test_a_malformed_correlation_id_is_replaced(http: httpx.AsyncClient, sent: str) -> None:
    answer = await http.get("/healthz/live", headers={"X-Correlation-ID": sent})
    assert answer.headers["X-Correlation-ID"] != sent
    assert len(answer.headers["X-Correlation-ID"]) == 24


async def test_a_body_over_the_limit_is_refused_whether_announced_or_streamed(http: httpx.AsyncClient) -> None:
    announced = await http.post("/api/portal/voucher", content=b"x" * 300_000)

    async def pieces():  # type: ignore[no-untyped-def]
        for _ in range(300):
            yield b"x" * 1024

    streamed = await http.post("/api/portal/voucher", content=pieces())
    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_large"


async def test_an_unknown_address_is_a_problem_document(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/nothing-here")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail", "instance", "correlation_id"}


async def test_health_names_each_dependency(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")
    assert {check["name"] for check in answer.json()["checks"]} >= {"postgresql", "redis", "wave", "portabilling"}
    assert (await http.get("/healthz/ready")).json()["status"] == "ok"
