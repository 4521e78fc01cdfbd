from __future__ import annotations

from typing import Any

import pytest

from .conftest import OpenWispClient

DEVICES, HEALTH = "/api/v1/network-devices", "/api/v1/device-monitoring"


@pytest.fixture
def gateway(openwisp: OpenWispClient) -> OpenWispClient:
    openwisp.control("mode", gateway=True)
    return openwisp


def walk(gateway: OpenWispClient, path: str, limit: int = 7) -> list[Any]:
    page = gateway.read(path, limit=limit)
    items: list[Any] = page["items"]
    while page["next"] is not None:
        page = gateway.read(path, limit=limit, after=page["next"])
        items += page["items"]
    return items


def test_both_lists_hold_every_device_in_the_projects_own_words(gateway: OpenWispClient) -> None:
    known = {device["id"]: device for device in gateway.known()["devices"]}
    sites = {location["id"]: location["name"] for location in gateway.known()["locations"]}
    devices = walk(gateway, DEVICES)
    assert {device["id"] for device in devices} == {item["id"] for item in walk(gateway, HEALTH)} == set(known)
    for device in devices:
        assert (device["name"], device["mac"]) == (known[device["id"]]["name"], known[device["id"]]["mac_address"])
        assert (device["site"] or {}).get("name") == sites.get(known[device["id"]]["location"])
        assert "key" not in device
    gateway.control("devices", ids=[devices[0]["id"]], status="critical")
    told = {item["id"]: item["status"] for item in walk(gateway, HEALTH)}
    assert told[devices[0]["id"]] == "offline"
    assert set(told.values()) == {"online", "degraded", "offline", "unknown", "retired"}


def test_a_device_that_goes_between_two_pages_makes_nobody_else_vanish(gateway: OpenWispClient) -> None:
    everybody = {device["id"] for device in walk(gateway, DEVICES)}
    gateway.control("between-pages", after_pages=1, add=5, remove=5)
    assert len(everybody & {device["id"] for device in walk(gateway, DEVICES)}) >= len(everybody) - 5


def test_half_a_list_is_known_by_its_total(gateway: OpenWispClient) -> None:
    gateway.control("mode", answer="half")
    page = gateway.read(DEVICES, limit=500)
    assert (page["total"], len(page["items"]), page["next"]) == (24, 12, None)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "ten"}, {"after": "é"}, {"after": "a"}])
def test_an_impossible_limit_or_cursor_is_400(gateway: OpenWispClient, query: dict[str, str]) -> None:
    assert gateway.get(DEVICES, **query).status_code == 400


def test_the_token_is_asked_for_here_too(gateway: OpenWispClient) -> None:
    answer = gateway.http.get(DEVICES)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    gateway.control("mode", gateway=False)
    assert gateway.get(DEVICES).status_code == 404
