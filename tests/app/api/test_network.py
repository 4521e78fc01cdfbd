"""Access points and sites over the wire: lists by cursor, changes under If-Match, history in a range, discovery on demand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.clock import isoformat, utc_now
from app.db import transaction
from services.access.models import Gateway
from services.accounts.models import Role
from services.network.alarm_models import CheckKind, NetworkCheck
from services.network.models import Health, Site
from tests.app.api.asking import Api, refusal
from tests.services.network.places import make_access_point, make_site, turn

NUMBER = 5


@pytest.fixture
def network(api: Api) -> dict[str, Any]:
    """Five access points at a site, one linked, one down, one vanished."""
    now = utc_now()
    with transaction() as session:
        site = make_site(session, "Tanji Lodge")
        gateway = session.exec(select(Gateway).order_by(col(Gateway.id))).first()
        points = [make_access_point(session, site=site, at=now - timedelta(hours=3)) for _ in range(NUMBER)]
        points[1].gateway_id = gateway.id if gateway else None
        turn(session, points[2], Health.OFFLINE, now - timedelta(hours=2))
        points[3].vanished_at = now
        session.flush()
        return {
            "site": site.id,
            "gateway": gateway.slug if gateway else "",
            "ids": [point.id for point in points],
            "now": now,
            "mac": points[0].mac,
        }


def test_access_points_are_listed_page_by_page(api: Api, network: dict[str, Any]) -> None:
    items = list(api.every("/api/v1/access-points", api.service("network:read")))
    assert [item["id"] for item in items] == network["ids"][::-1]
    assert {item["site"] for item in items} == {"Tanji Lodge"}


def test_access_points_are_filtered(api: Api, network: dict[str, Any]) -> None:
    who, ids = api.service("network:read"), network["ids"]

    def found(**query: Any) -> list[int]:
        return [item["id"] for item in api.get("/api/v1/access-points", who, **query)["items"]][::-1]

    assert found(health="offline") == [ids[2]]
    assert found(gateway=network["gateway"]) == found(linked=True) == [ids[1]]
    assert found(vanished=True) == [ids[3]]
    assert found(vanished=False) == [ids[0], ids[1], ids[2], ids[4]]
    assert found(site_id=network["site"], search=network["mac"]) == [ids[0]]
    assert found(gateway="no-such-router") == []


def test_a_change_takes_the_state_that_it_was_meant_for(api: Api, network: dict[str, Any]) -> None:
    who, address = api.service("network:read", "network:edit"), f"/api/v1/access-points/{network['ids'][0]}"
    tag = api.http.get(address, headers=who).headers["etag"]
    refusal(api.http.patch(address, json={"site_id": None}, headers=who), 428)
    refusal(api.http.patch(address, json={"site_id": None}, headers={**who, "If-Match": '"another"'}), 412, "stale")
    answer = api.http.patch(address, json={"gateway": network["gateway"], "site_id": None}, headers={**who, "If-Match": tag})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["gateway"], told["gateway_set_by"], told["site_id"], told["site_set_by"]) == (network["gateway"], "staff", None, "staff")
    assert answer.headers["etag"] == api.http.get(address, headers=who).headers["etag"] != tag
    back = api.http.patch(address, json={"site_set_by": "discovery"}, headers={**who, "If-Match": answer.headers["etag"]})
    assert back.json()["site_set_by"] == "discovery"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"site_id": 10**12}, 404, "site_not_found"),
        ({"gateway": "no-such-router"}, 404, "gateway_not_found"),
        ({"site_id": 0}, 422, "invalid_input"),
        ({"site_id": 1, "site_set_by": "discovery"}, 422, "invalid_input"),
        ({"site_set_by": "staff"}, 422, "invalid_input"),
        ({"name": "mine"}, 422, "invalid_input"),
    ],
    ids=str,
)
def test_a_change_that_makes_no_sense_is_refused(api: Api, network: dict[str, Any], body: dict[str, Any], status: int, code: str) -> None:
    who = {**api.service("network:edit"), "If-Match": "*"}
    refusal(api.http.patch(f"/api/v1/access-points/{network['ids'][0]}", json=body, headers=who), status, code)


def test_the_states_of_an_access_point_are_told_of_a_range(api: Api, network: dict[str, Any]) -> None:
    who, address = api.service("network:read"), f"/api/v1/access-points/{network['ids'][2]}/health"
    assert [item["state"] for item in api.every(address, who, limit=1)] == ["offline", "online"]
    since = isoformat(network["now"] - timedelta(hours=1))
    (now,) = api.get(address, who, since=since)["items"]
    assert (now["state"], now["ended_at"]) == ("offline", None)
    (before,) = api.get(address, who, until=isoformat(network["now"] - timedelta(hours=2.5)))["items"]
    assert before["state"] == "online"
    refusal(api.http.get("/api/v1/access-points/999999999/health", headers=who), 404, "access_point_not_found")
    refusal(api.http.get(address, params={"since": "yesterday"}, headers=who), 422)


def test_discovery_is_asked_for_and_not_twice_at_once(api: Api, network: dict[str, Any]) -> None:
    who = api.service("network:edit")
    answer = api.http.post("/api/v1/access-points/discover", json={}, headers=who)
    assert (answer.status_code, answer.json()) == (202, {"state": "asked"})
    with transaction() as session:
        session.add(NetworkCheck(kind=CheckKind.DISCOVERY, started_at=utc_now()))
    refusal(api.http.post("/api/v1/access-points/discover", json={}, headers=who), 409, "discovery_under_way")
    refusal(api.http.post("/api/v1/access-points/discover", json={}, headers=api.service("network:read")), 403)


def test_a_site_tells_what_stands_there_and_is_changed(api: Api, network: dict[str, Any]) -> None:
    who, address = api.service("network:read", "network:edit"), f"/api/v1/sites/{network['site']}"
    read = api.http.get(address, headers=who)
    assert (read.json()["access_point_count"], read.json()["access_points_up"]) == (4, 3)
    change = {"name": "Tanji Beach Lodge", "latitude": 13.35, "longitude": -16.79}
    refusal(api.http.patch(address, json=change, headers=who), 428)
    answer = api.http.patch(address, json=change, headers={**who, "If-Match": read.headers["etag"]})
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in change} == change
    refusal(api.http.patch(address, json=change, headers={**who, "If-Match": read.headers["etag"]}), 412, "stale")


def test_a_site_is_not_given_anothers_name_or_half_a_position(api: Api, network: dict[str, Any]) -> None:
    with transaction() as session:
        taken = _a_name(session, besides=network["site"])
    who, address = {**api.staff(Role.SYSTEM_ADMIN), "If-Match": "*"}, f"/api/v1/sites/{network['site']}"
    refusal(api.http.patch(address, json={"name": taken}, headers=who), 409, "site_name_taken")
    told = refusal(api.http.patch(address, json={"latitude": 13.0}, headers=who), 422, "invalid_input")
    assert told["errors"][0]["field"] == "longitude"


def _a_name(session: Session, *, besides: int) -> str:
    return session.exec(select(Site.name).where(Site.id != besides)).first() or ""
