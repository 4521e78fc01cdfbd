"""When and where packages are sold, their versions, and promo codes, over `/api/v1`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.api.asking import Api, Headers, refusal

PACKAGE, PROMOS = "/api/v1/packages/day-1", "/api/v1/promos"
PROMO: dict[str, Any] = {
    "code": "tabaski-20",
    "percent_off": 20,
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2099-01-01T00:00:00Z",
    "most_uses": 500,
}


@pytest.fixture
def who(api: Api) -> Headers:
    return api.service("packages:read", "packages:edit", "network:read") | {"If-Match": "*"}


def test_a_package_is_sold_for_a_while_at_some_sites_without_a_new_version(api: Api, who: Headers) -> None:
    site = api.get("/api/v1/sites", who)["items"][0]["id"]
    window = {"on_sale_from": "2030-12-01T08:00:00Z", "on_sale_until": "2030-12-24T18:30:00Z"}
    told = api.http.patch(PACKAGE, json={**window, "sites": [site], "stock_mark": 0}, headers=who).json()
    assert {name: told[name] for name in (*window, "sites", "stock_mark", "version")} == {
        **window,
        "sites": [site],
        "stock_mark": 0,
        "version": 1,
    }
    # What is left out stays as it is; null takes a limit away.
    told = api.http.patch(PACKAGE, json={"on_sale_until": None}, headers=who).json()
    assert (told["on_sale_from"], told["on_sale_until"], told["sites"]) == (window["on_sale_from"], None, [site])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": 0.5}, "amount"),
        ({"amount": 150}, "amount"),
        ({"on_sale_from": "2030-12-02T00:00:00Z", "on_sale_until": "2030-12-01T00:00:00Z"}, "on_sale_until"),
        ({"on_sale_from": "tomorrow"}, "on_sale_from"),
        ({"on_sale_from": 5}, "on_sale_from"),
        ({"sites": [10**12]}, "sites"),
        ({"stock_mark": -1}, "stock_mark"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field_and_changes_nothing(api: Api, who: Headers, body: dict[str, Any], field: str) -> None:
    before = api.get(PACKAGE, who)
    told = refusal(api.http.patch(PACKAGE, json=body, headers=who), 422)
    assert told["errors"][0]["field"].split(".")[0] == field
    assert api.get(PACKAGE, who) == before


def test_versions_tell_what_changed(api: Api, who: Headers) -> None:
    price = api.get(PACKAGE, who)["amount"]
    api.http.patch(PACKAGE, json={"amount": 9900}, headers=who).raise_for_status()
    newest, first = api.http.get(f"{PACKAGE}/versions", headers=who).json()
    assert (newest["version"], newest["amount"], newest["changed"]) == (2, 9900, {"amount": price})
    assert (first["version"], first["changed"], first["bought"] >= 0) == (1, {}, True)
    refusal(api.http.get("/api/v1/packages/none/versions", headers=who), 404, "package_not_found")


def test_a_promo_code_is_made_read_changed_and_ended(api: Api, who: Headers) -> None:
    keyed = who | {"Idempotency-Key": "one-and-the-same"}
    made, again = (api.http.post(PROMOS, json=PROMO | {"packages": ["day-1"]}, headers=keyed) for _ in range(2))
    assert (made.status_code, again.json()) == (201, made.json())
    path = made.headers["location"]
    assert made.json()["code"] == "TABASKI-20"
    assert api.get(PROMOS, who)["items"][0] == made.json()
    read = api.http.get(path, headers=who)
    changed = api.http.patch(
        path, json={"percent_off": None, "amount_off": 500, "packages": []}, headers=who | {"If-Match": read.headers["etag"]}
    )
    assert {name: changed.json()[name] for name in ("percent_off", "amount_off", "packages", "uses", "uses_left", "state")} == {
        "percent_off": None,
        "amount_off": 500,
        "packages": [],
        "uses": 0,
        "uses_left": 500,
        "state": "on_sale",
    }
    refusal(api.http.patch(path, json={"note": "late"}, headers=who | {"If-Match": read.headers["etag"]}), 412, "stale")
    assert api.http.patch(path, json={"is_active": False}, headers=who).json()["state"] == "retired"
    refusal(api.http.post(PROMOS, json=PROMO, headers=who), 409, "promo_exists")
    refusal(api.http.get(f"{PROMOS}/99999", headers=who), 404, "promo_not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"percent_off": 100}, "percent_off"),
        ({"percent_off": None}, "percent_off"),
        ({"amount_off": 500}, "percent_off"),
        ({"percent_off": None, "amount_off": 0.5}, "amount_off"),
        ({"valid_until": "2025-01-01T00:00:00Z"}, "valid_until"),
        ({"valid_from": "2027-01-01"}, "valid_from"),
        ({"packages": ["none"]}, "packages"),
        ({"code": "no spaces"}, "code"),
        ({"most_uses": 0}, "most_uses"),
    ],
)
def test_a_promo_code_that_makes_no_sense_is_refused_at_its_field(api: Api, who: Headers, body: dict[str, Any], field: str) -> None:
    told = refusal(api.http.post(PROMOS, json=PROMO | body, headers=who), 422)
    assert told["errors"][0]["field"] == field
    assert api.get(PROMOS, who)["items"] == []
