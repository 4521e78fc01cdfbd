"""Cursors: whole, in order, stable while rows come, and good for their own list alone."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from app.clock import utc_now
from app.db import transaction
from app.keys import seal_json
from services.accounts.models import Role
from tests.app.api.asking import Api, refusal
from tests.pages import builders

LISTS = [
    ("/api/v1/customers", {}),
    ("/api/v1/packages", {}),
    ("/api/v1/payments", {}),
    ("/api/v1/payments", {"status": "served"}),
    ("/api/v1/vouchers", {}),
    ("/api/v1/sessions", {"which": "all"}),
    ("/api/v1/gateways", {}),
    ("/api/v1/sites", {}),
    ("/api/v1/tickets", {}),
    ("/api/v1/audit", {}),
]


@pytest.mark.parametrize(("path", "filters"), LISTS, ids=str)
@pytest.mark.parametrize("limit", [1, 3])
def test_page_by_page_is_the_whole_list_in_its_order(api: Api, path: str, filters: dict[str, str], limit: int) -> None:
    root = api.staff(Role.ROOT)
    _make_an_audit(api)
    whole = api.get(path, root, limit=100, **filters)
    assert whole["items"]
    assert whole["next_cursor"] is None
    assert list(api.every(path, root, limit, **filters)) == whole["items"]


def _make_an_audit(api: Api) -> None:
    who = api.service("vouchers:issue")
    for _ in range(4):
        assert api.http.post("/api/v1/vouchers", json={"package_id": "day-1"}, headers=who).status_code == 201


def test_a_list_that_ends_with_a_full_page_says_so(api: Api) -> None:
    root = api.staff(Role.ROOT)
    number = len(api.get("/api/v1/sites", root)["items"])
    assert api.get("/api/v1/sites", root, limit=number)["next_cursor"] is None


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_come_while_somebody_pages_neither_repeat_nor_hide_others(api: Api, seed: int) -> None:
    chance = random.Random(seed)
    root = api.staff(Role.ROOT)
    before = [item["reference"] for item in api.get("/api/v1/tickets", root, limit=100)["items"]]
    now = utc_now()
    seen: list[str] = []
    for item in api.every("/api/v1/tickets", root, limit=chance.choice([1, 2])):
        seen.append(item["reference"])
        with transaction() as session:
            for _ in range(chance.randint(0, 3)):
                # Also at the very moment of a row that was seen, where only the number tells them apart.
                at = chance.choice([now, now + timedelta(seconds=chance.randint(0, 5))])
                builders.a_ticket(session, customer=None, payment=None, gateway=None, body="new", at=at)
    assert len(seen) == len(set(seen))
    assert [reference for reference in seen if reference in before] == before


def test_rows_of_one_moment_are_told_apart_by_their_number(api: Api) -> None:
    at = utc_now()
    with transaction() as session:
        for _ in range(7):
            builders.a_ticket(session, customer=None, payment=None, gateway=None, body="same moment", at=at)
    references = [item["reference"] for item in api.every("/api/v1/tickets", api.staff(Role.ROOT), 2)]
    assert len(references) == len(set(references)) == 10


def test_a_cursor_is_good_for_its_own_list_and_filters_alone(api: Api) -> None:
    root = api.staff(Role.ROOT)
    cursor = api.get("/api/v1/payments", root, limit=1)["next_cursor"]
    assert api.get("/api/v1/payments", root, limit=2, cursor=cursor)["items"]
    for path, query in (("/api/v1/vouchers", {}), ("/api/v1/payments", {"status": "served"}), ("/api/v1/tickets", {})):
        refusal(api.http.get(path, params={**query, "cursor": cursor}, headers=root), 422, "bad_cursor")


@pytest.mark.parametrize("cursor", ["x", "MQ", "0", "-1", "é", "A" * 600, "../..", "' OR 1=1"])
def test_a_made_up_cursor_is_refused(api: Api, cursor: str) -> None:
    told = refusal(api.http.get("/api/v1/payments", params={"cursor": cursor}, headers=api.staff(Role.ROOT)), 422, "bad_cursor")
    assert told["errors"][0]["field"] == "cursor"


def test_something_else_that_we_sealed_is_no_cursor(api: Api) -> None:
    foreign = seal_json("device-token", {"list": "x", "key": [1]})
    refusal(api.http.get("/api/v1/payments", params={"cursor": foreign}, headers=api.staff(Role.ROOT)), 422, "bad_cursor")


def test_an_altered_cursor_is_refused(api: Api) -> None:
    root = api.staff(Role.ROOT)
    cursor = api.get("/api/v1/payments", root, limit=1)["next_cursor"]
    altered = cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:]
    refusal(api.http.get("/api/v1/payments", params={"cursor": altered}, headers=root), 422, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1e3", "9" * 30])
def test_a_limit_out_of_bounds_is_refused_at_its_field(api: Api, limit: str) -> None:
    told = refusal(api.http.get("/api/v1/payments", params={"limit": limit}, headers=api.staff(Role.ROOT)), 422, "invalid_input")
    assert told["errors"][0]["field"] == "limit"
