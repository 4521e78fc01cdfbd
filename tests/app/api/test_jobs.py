"""The schedule over JSON: reading it, pausing, resuming and running a job, and failed runs."""

from __future__ import annotations

import pytest

from app import redis
from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.operations.models import JobFailure
from tests.app.api.asking import Api, Headers, refusal

BASE, FAILURES = "/api/v1/jobs", "/api/v1/job-failures"


@pytest.fixture
def admin(api: Api) -> Headers:
    redis.client().delete("rq:queue:urgent", "rq:queue:bulk")
    return api.staff(Role.SYSTEM_ADMIN)


@pytest.fixture
def failures(api: Api) -> list[int]:
    with transaction() as session:
        rows = [
            JobFailure(
                job=f"jobs.things.sweep_{number % 2}", arguments=[number], queue="urgent", failed_at=utc_now(), error="ValueError: no"
            )
            for number in range(3)
        ]
        session.add_all(rows)
        session.flush()
        return [row.id or 0 for row in rows]


def test_the_schedule_is_read_whole(api: Api, admin: Headers) -> None:
    items = {item["id"]: item for item in api.get(BASE, admin)["items"]}
    sweep = items["sweep-payments"]
    assert (sweep["every_seconds"], sweep["queue"], sweep["job"]) == (3, "urgent", "jobs.payments.sweep")
    assert (sweep["last_ended_at"], sweep["is_late"]) == (None, False)
    refusal(api.http.get(f"{BASE}/no-such-job", headers=admin), 404, "job_unknown")


def test_a_job_is_paused_for_a_reason_and_resumed(api: Api, admin: Headers) -> None:
    address = f"{BASE}/keep-stock"
    assert api.http.post(f"{address}/pause", json={"reason": " "}, headers=admin).status_code == 422
    paused = api.http.post(f"{address}/pause", json={"reason": "PortaBilling moves"}, headers=admin).json()
    assert (paused["is_paused"], paused["pause_reason"], paused["next_at"]) == (True, "PortaBilling moves", None)
    refusal(api.http.post(f"{address}/pause", json={"reason": "again"}, headers=admin), 409, "job_paused")
    assert api.http.post(f"{address}/resume", headers=admin).json()["is_paused"] is False
    refusal(api.http.post(f"{address}/resume", headers=admin), 409, "job_not_paused")


def test_a_job_is_rung_for_once_under_a_key(api: Api, admin: Headers) -> None:
    headers = admin | {"Idempotency-Key": "run-it-now-1"}
    for _ in range(2):
        assert api.http.post(f"{BASE}/lapse-unused/run", headers=headers).status_code == 202
    assert redis.client().llen("rq:queue:bulk") == 1


def test_failed_runs_are_paged_filtered_and_retried_once(api: Api, admin: Headers, failures: list[int]) -> None:
    assert [item["id"] for item in api.every(FAILURES, admin, limit=2)] == failures[::-1]
    assert [item["id"] for item in api.get(FAILURES, admin, job="jobs.things.sweep_1")["items"]] == [failures[1]]
    answer = api.http.post(f"{FAILURES}/{failures[1]}/retry", headers=admin)
    assert (answer.status_code, answer.json()["retried_by"], answer.json()["arguments"]) == (202, "staff:system.admin@inet.test", [1])
    refusal(api.http.post(f"{FAILURES}/{failures[1]}/retry", headers=admin), 409, "job_failure_retried")
    refusal(api.http.get(f"{FAILURES}/999999", headers=admin), 404, "job_failure_unknown")


def test_others_neither_read_nor_act(api: Api, failures: list[int]) -> None:
    care = api.staff(Role.CUSTOMER_CARE)
    for address in (BASE, FAILURES):
        refusal(api.http.get(address, headers=care), 403)
    for address in (f"{BASE}/keep-stock/run", f"{FAILURES}/{failures[0]}/retry"):
        refusal(api.http.post(address, headers=care), 403)
