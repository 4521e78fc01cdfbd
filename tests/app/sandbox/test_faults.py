from __future__ import annotations

import httpx
import pytest

from app.sandbox.faults import Faults, ServiceFaults

from .harness import CREATE, WAVE_KEY, SandboxClient


def create(sandbox: SandboxClient) -> httpx.Response:
    return sandbox.post("/v1/checkout/sessions", json=CREATE, headers=WAVE_KEY)


def test_a_lost_reply_closes_the_socket_after_the_work_is_done(sandbox: SandboxClient) -> None:
    sandbox.control("faults", {"service": "wave", "drop_response_rate": 1, "operations": ["create"], "count": 1})
    with pytest.raises(httpx.TransportError):
        create(sandbox)
    assert len(sandbox.state()["sessions"]) == 1
    assert create(sandbox).status_code == 200


def test_a_lost_reply_can_be_a_gateway_time_out(sandbox: SandboxClient) -> None:
    sandbox.control("faults", {"service": "wave", "drop_response_rate": 1, "lost_reply_status": 504})
    answer = create(sandbox)
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html")
    assert len(sandbox.state()["sessions"]) == 1


def test_an_error_does_no_work(sandbox: SandboxClient) -> None:
    sandbox.control("faults", {"service": "wave", "error_rate": 1, "error_statuses": [429, 500, 502, 503]})
    answers = [create(sandbox) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {429, 500, 502, 503}
    assert {"retry-after" in answer.headers for answer in answers if answer.status_code == 429} == {True, False}
    assert sandbox.state()["sessions"] == []


def test_a_service_that_is_down_refuses_or_says_503_and_others_go_on(sandbox: SandboxClient) -> None:
    sandbox.control("faults", {"service": "wave", "down": True})
    outcomes = set()
    for _ in range(20):
        try:
            outcomes.add(create(sandbox).status_code)
        except httpx.TransportError:
            outcomes.add(0)
    assert outcomes == {0, 503}
    assert sandbox.get("/wsdl/AccountAdminService.wsdl").status_code == 200
    assert sandbox.state()["sessions"] == []
    assert sandbox.control("faults", {"service": "wave", "clear": True}) == {}
    assert create(sandbox).status_code == 200


def test_a_truncated_answer_is_half_of_it(sandbox: SandboxClient) -> None:
    sandbox.control("faults", {"service": "portabilling", "truncate_rate": 1})
    assert "</definitions>" not in sandbox.get("/wsdl/AccountAdminService.wsdl").text


def test_latency_comes_before_the_work(sandbox: SandboxClient) -> None:
    sandbox.control("faults", {"service": "wave", "latency_ms": 120_000, "operations": ["create"]})
    with pytest.raises(httpx.ReadTimeout):
        sandbox.post("/v1/checkout/sessions", json=CREATE, headers=WAVE_KEY, timeout=0.2)
    assert sandbox.state()["sessions"] == []


def test_the_same_seed_draws_the_same_faults() -> None:
    def draw(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.put("wave", ServiceFaults(drop_response_rate=0.5))
        return [faults.judge_call("wave", "create").dropped for _ in range(50)]

    assert draw(7) == draw(7) != draw(8)


def test_operations_limit_calls_and_count_ends_the_fault() -> None:
    faults = Faults(1)
    faults.put("wave", ServiceFaults(drop_response_rate=1, operations=["create"], count=2))
    verdicts = [faults.judge_call("wave", operation).dropped for operation in ("get", "create", "search", "create", "create")]
    assert verdicts == [False, True, False, True, False]


def test_webhook_faults_do_not_count_calls() -> None:
    faults = Faults(1)
    faults.put("wave", ServiceFaults(lose_webhook_rate=1, count=1))
    faults.judge_call("wave", "create")
    assert [faults.judge_webhook("wave").copies for _ in range(2)] == [0, 1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "moon"},
        {"service": "wave", "error_rate": 2},
        {"service": "wave", "eror_rate": 0.5},
        {"latency_ms": 5},
        {"service": "wave", "count": 0},
    ],
)
def test_a_wrong_fault_is_refused_with_a_problem(sandbox: SandboxClient, body: dict[str, object]) -> None:
    answer = sandbox.post("/_control/faults", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"]
    assert sandbox.control("faults", method="GET") == {}
