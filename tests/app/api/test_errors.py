"""Errors of the product over JSON."""

from __future__ import annotations

import pytest

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.operations import errors
from tests.app.api.asking import Api, refusal
from tests.services.operations.faults_made import a_fault

LIST = "/api/v1/errors"


@pytest.fixture
def numbers(api: Api) -> list[int]:
    """The newest first."""
    with transaction() as session:
        errors.record(session, [a_fault(name, at=utc_now(), times=place + 1) for place, name in enumerate("abc")], now=utc_now())
    return [item["id"] for item in api.every(LIST, api.staff(Role.SYSTEM_ADMIN), limit=1)]


def test_they_are_listed_filtered_and_shown_with_their_trace(api: Api, numbers: list[int]) -> None:
    admin = api.staff(Role.SYSTEM_ADMIN)
    assert len(set(numbers)) == 3
    assert [item["id"] for item in api.get(LIST, admin, search="absorb", state="open", process="worker")["items"]] == numbers
    assert api.get(LIST, admin, state="resolved")["items"] == api.get(LIST, admin, assignee_id=2**40)["items"] == []
    shown = api.get(f"{LIST}/{numbers[0]}", admin)
    assert (shown["kind"], shown["where"], shown["correlation_id"]) == ("KeyError", "jobs.payments.sweep", "story-0001")
    assert [frame["function"] for frame in shown["trace"][0]["frames"] if frame["ours"]] == ["absorb"]
    assert sum(hour["count"] for hour in shown["hours"]) == shown["count"] == shown["last_day"]
    refusal(api.http.get(f"{LIST}/{2**40}", headers=admin), 404, "error_not_found")
    refusal(api.http.get(LIST, headers=api.staff(Role.CUSTOMER_CARE)), 403)


def test_one_is_resolved_and_assigned_with_the_etag_that_was_read(api: Api, numbers: list[int]) -> None:
    address, admin = f"{LIST}/{numbers[0]}", api.staff(Role.SYSTEM_ADMIN)
    tag = api.http.get(address, headers=admin).headers["etag"]
    refusal(api.http.patch(address, json={"state": "resolved"}, headers=admin), 428, "precondition_missing")
    me = api.http.get("/api/auth/me", headers=admin).json()["id"]
    done = api.http.patch(address, json={"state": "resolved", "assignee_id": me}, headers={**admin, "If-Match": tag})
    assert (done.status_code, done.json()["state"], done.json()["assignee_id"]) == (200, "resolved", me), done.text
    assert done.headers["etag"] != tag
    refusal(api.http.patch(address, json={"state": "ignored"}, headers={**admin, "If-Match": tag}), 412, "stale")
    refusal(api.http.patch(address, json={"state": "gone"}, headers={**admin, "If-Match": "*"}), 422)
    refusal(api.http.patch(address, json={"assignee_id": 2**40}, headers={**admin, "If-Match": "*"}), 422, "invalid_input")
    refusal(api.http.patch(address, json={"state": "open"}, headers={**api.staff(Role.BILLING_OFFICER), "If-Match": "*"}), 403)
