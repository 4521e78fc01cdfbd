"""Outages and the time they gave back, over JSON."""

from __future__ import annotations

from typing import Any

import pytest

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from tests.app.api.asking import Api, Headers, refusal
from tests.services.network.outage import LOST, two_outages

LIST, GIVEN = "/api/v1/incidents", "/api/v1/compensations"
SECONDS = int(LOST.total_seconds())
REASON = {"reason": "Monitoring was down; customers were online."}


@pytest.fixture
def references(api: Api) -> tuple[str, str]:
    """Of the outage that is over, and of the one that goes on."""
    with transaction() as session:
        outages = two_outages(session, now=utc_now())
        return outages.over.reference, outages.open.reference


def items(api: Api, path: str, who: Headers, **query: Any) -> list[Any]:
    return list(api.get(path, who, **query)["items"])


def test_incidents_are_listed_filtered_and_paged(api: Api, references: tuple[str, str]) -> None:
    over, still = references
    service = api.service("network:read")
    assert [item["reference"] for item in api.every(LIST, service, limit=1)] == [still, over]
    assert [item["reference"] for item in items(api, LIST, service, state="open")] == [still]
    (found,) = items(api, LIST, service, search="albert")
    assert (found["place"], found["customers_hit"], found["given_seconds"]) == ("Albert Market", 2, 2 * SECONDS)
    assert items(api, LIST, service, site_id=2**40) == items(api, LIST, service, since="2030-01-01T00:00:00Z") == []


def test_one_incident_tells_what_came_of_it(api: Api, references: tuple[str, str]) -> None:
    over, still = references
    shown = api.get(f"{LIST}/{over}", api.service("network:read"))
    assert (shown["state"], shown["stretch_count"], shown["messages"], shown["tickets"]) == ("resolved", 2, {"queued": 2}, None)
    shown = api.get(f"{LIST}/{still}", api.staff(Role.SYSTEM_ADMIN))
    assert (shown["clocks_standing"], len(shown["tickets"]), shown["resolved_at"]) == (1, 1, None)
    assert api.get(f"{LIST}/{still}", api.staff(Role.FIELD_TECHNICIAN))["tickets"] == []
    refusal(api.http.get(f"{LIST}/I-NOSUCH", headers=api.service("network:read")), 404, "incident_not_found")


def test_a_note_is_written_with_the_etag_that_was_read(api: Api, references: tuple[str, str]) -> None:
    address, admin = f"{LIST}/{references[0]}", api.staff(Role.SYSTEM_ADMIN)
    tag = api.http.get(address, headers=admin).headers["etag"]
    refusal(api.http.patch(address, json={"note": "Mains"}, headers=admin), 428, "precondition_missing")
    written = api.http.patch(address, json={"note": "The mains failed."}, headers={**admin, "If-Match": tag})
    assert (written.status_code, written.json()["note"]) == (200, "The mains failed.")
    assert written.headers["etag"] != tag
    refusal(api.http.patch(address, json={"note": "Unseen"}, headers={**admin, "If-Match": tag}), 412, "stale")
    refusal(api.http.patch(address, json={"note": "No"}, headers={**api.staff(Role.CUSTOMER_CARE), "If-Match": "*"}), 403)


def test_a_false_alarm_is_called_once_under_one_key(api: Api, references: tuple[str, str]) -> None:
    address = f"{LIST}/{references[1]}/false-alarm"
    admin = api.staff(Role.SYSTEM_ADMIN) | {"Idempotency-Key": "no-outage-at-all-0001"}
    first = api.http.post(address, json=REASON, headers=admin)
    assert (first.status_code, first.json()["state"]) == (200, "false_alarm")
    again = api.http.post(address, json=REASON, headers=admin)
    assert (again.status_code, again.content) == (200, first.content)
    refusal(api.http.post(address, json=REASON, headers=api.staff(Role.ROOT)), 409, "already_false_alarm")
    refusal(api.http.post(address, json={}, headers=admin), 422)


def test_what_was_given_back_comes_with_its_sum(api: Api, references: tuple[str, str]) -> None:
    billing = api.staff(Role.BILLING_OFFICER)
    page = api.get(GIVEN, billing, limit=1)
    assert len(page["items"]) == 1
    worth = sum(item["worth_bututs"] for item in api.every(GIVEN, billing, limit=1))
    assert page["sum"] == {"count": 2, "seconds": 2 * SECONDS, "worth_bututs": worth, "currency": "GMD"}
    assert {item["incident"] for item in items(api, GIVEN, billing)} == {references[0]}
    assert {item["customer"]["phone"] for item in items(api, GIVEN, billing)} == {"+220833000901", "+220833000902"}
    service = api.service("compensation:read")
    assert {item["customer"]["phone"] for item in items(api, GIVEN, service)} == {None}
    assert api.get(GIVEN, service, search="+220833000901")["sum"]["count"] == 1
    assert api.get(GIVEN, service, until="2020-01-01")["sum"] == {"count": 0, "seconds": 0, "worth_bututs": 0, "currency": "GMD"}
    refusal(api.http.get(GIVEN, headers=api.service("network:read")), 403)
