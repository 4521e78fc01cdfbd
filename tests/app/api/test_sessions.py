"""`/api/v1/sessions`: filters, more time, and devices on a purchase."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from services.access.models import AccessSession as Airtime
from services.access.models import DeviceSlot, Entitlement, EntitlementState, Gateway
from services.accounts.models import Role
from tests.app.api.asking import Api, Headers, refusal


def running(api: Api, who: Headers) -> dict[str, Any]:
    """A session on purchased time that runs."""
    return next(item for item in api.get("/api/v1/sessions", who)["items"] if item["entitlement_id"])


def hold_a_place(item: dict[str, Any]) -> int:
    """The device of this session holds a place on its purchase. Answers the device's number."""
    with transaction() as session:
        device_id = session.get_one(Airtime, item["id"]).device_id
        slot = DeviceSlot(entitlement_id=item["entitlement_id"], number=1, device_id=device_id, taken_at=utc_now())
        session.add(slot)
        assert device_id is not None
        return device_id


def test_sessions_are_found_by_site_gateway_customer_and_state(api: Api) -> None:
    who = api.service("sessions:read")
    everything = list(api.every("/api/v1/sessions", who, which="all"))
    one = everything[0]
    for name, value in (("site", "site_id"), ("gateway", "gateway"), ("customer", "customer_id"), ("state", "state")):
        wanted = one[value]
        found = [item["id"] for item in api.every("/api/v1/sessions", who, which="all", **{name: wanted})]
        assert found == [item["id"] for item in everything if item[value] == wanted]
    assert api.get("/api/v1/sessions", who, which="all", site=999_999)["items"] == []
    refusal(api.http.get("/api/v1/sessions", params={"state": "asleep"}, headers=who), 422)


def test_more_time_is_given_once_for_one_wish(api: Api) -> None:
    who = api.service("sessions:read", "sessions:extend")
    item = running(api, who)
    path, body = f"/api/v1/sessions/{item['id']}/extend", {"seconds": 3600, "reason": "The hotspot was slow"}
    with transaction() as session:
        before = session.get_one(Entitlement, item["entitlement_id"]).seconds_total
    answers = [api.http.post(path, json=body, headers=who | {"Idempotency-Key": "one-wish-of-an-hour"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    with transaction() as session:
        after = session.get_one(Entitlement, item["entitlement_id"])
        assert after.seconds_total == before + 3600
        assert after.state is EntitlementState.RUNNING
    assert api.get(f"/api/v1/sessions/{item['id']}", who)["time_ends_at"] == answers[0].json()["ends_at"]


def test_an_extension_out_of_bounds_or_of_what_was_never_bought_is_refused(api: Api) -> None:
    who = api.service("sessions:read", "sessions:extend")
    item = running(api, who)
    for seconds in (59, 30 * 86_400 + 1, "3600"):
        refusal(api.http.post(f"/api/v1/sessions/{item['id']}/extend", json={"seconds": seconds, "reason": "why"}, headers=who), 422)
    body = {"seconds": 60, "reason": "why not"}
    refusal(api.http.post("/api/v1/sessions/999999/extend", json=body, headers=who), 404, "session_not_found")
    with transaction() as session:
        session.get_one(Airtime, item["id"]).entitlement_id = None
    refusal(api.http.post(f"/api/v1/sessions/{item['id']}/extend", json=body, headers=who), 409, "not_extendable")


def test_only_its_own_permission_gives_time(api: Api) -> None:
    item = running(api, api.service("sessions:read"))
    body = {"seconds": 60, "reason": "why not"}
    for who in (api.service("sessions:read", "sessions:end"), api.staff(Role.FIELD_TECHNICIAN)):
        refusal(api.http.post(f"/api/v1/sessions/{item['id']}/extend", json=body, headers=who), 403, "forbidden")
    assert api.http.post(f"/api/v1/sessions/{item['id']}/extend", json=body, headers=api.staff(Role.CUSTOMER_CARE)).status_code == 200


def test_devices_are_listed_and_one_is_taken_off(api: Api) -> None:
    who = api.service("sessions:read", "sessions:end")
    item = running(api, who)
    device_id = hold_a_place(item)
    path = f"/api/v1/sessions/{item['id']}/devices"
    (device,) = api.get(path, who)["items"]
    assert (device["number"], device["device_id"], device["is_online"]) == (1, device_id, True)
    freed = api.http.post(f"{path}/1/free", json={"reason": "The phone was sold"}, headers=who)
    assert (freed.status_code, freed.json()) == (200, {"number": 1})
    assert api.get(path, who)["items"] == []
    refusal(api.http.post(f"{path}/1/free", json={"reason": "The phone was sold"}, headers=who), 404, "slot_not_found")


def test_ending_says_whether_the_router_puts_the_client_out(api: Api) -> None:
    who = api.service("sessions:read", "sessions:end")
    first, second, *_ = (item for item in api.every("/api/v1/sessions", who) if item["entitlement_id"])
    body = {"reason": "The phone was lost"}
    assert api.http.post(f"/api/v1/sessions/{first['id']}/end", json=body, headers=who).json()["is_put_out"] is False
    with transaction() as session:
        row = session.exec(select(Airtime).where(col(Airtime.id) == second["id"])).one()
        gateway = session.get_one(Gateway, row.gateway_id)
        gateway.agent_seen_at = row.live_at = utc_now()
    assert api.http.post(f"/api/v1/sessions/{second['id']}/end", json=body, headers=who).json()["is_put_out"] is True


def test_what_is_left_is_credited_once_for_one_wish_and_its_code_is_answered_there_alone(api: Api) -> None:
    who = api.service("sessions:read", "sessions:end", "vouchers:issue", "vouchers:read")
    item = running(api, who)
    path, body = f"/api/v1/sessions/{item['id']}/credit", {"reason": "The customer travels"}
    answers = [api.http.post(path, json=body, headers=who | {"Idempotency-Key": "one-wish-of-a-credit"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    made = answers[0].json()
    assert made == answers[1].json()
    assert answers[0].headers["cache-control"] == "no-store"
    assert (made["state"], made["ended_sessions"]) == ("pending", 1)
    assert made["seconds"] >= 60
    assert api.get(f"/api/v1/sessions/{item['id']}", who)["state"] == "ended"
    assert "code" not in api.get(f"/api/v1/vouchers/{made['voucher_id']}", who)
    refusal(api.http.post(path, json=body, headers=who), 409, "not_creditable")


def test_crediting_needs_both_rights_a_purchase_and_a_reason(api: Api) -> None:
    who = api.service("sessions:read", "sessions:end", "vouchers:issue")
    item = running(api, who)
    path, body = f"/api/v1/sessions/{item['id']}/credit", {"reason": "The customer travels"}
    for half in (api.service("sessions:end"), api.service("vouchers:issue")):
        refusal(api.http.post(path, json=body, headers=half), 403, "forbidden")
    for reason in ("", "ab", "x" * 201, "a\x00bc"):
        refusal(api.http.post(path, json={"reason": reason}, headers=who), 422)
    refusal(api.http.post("/api/v1/sessions/999999/credit", json=body, headers=who), 404, "session_not_found")
    with transaction() as session:
        session.get_one(Airtime, item["id"]).entitlement_id = None
    refusal(api.http.post(path, json=body, headers=who), 409, "not_creditable")
