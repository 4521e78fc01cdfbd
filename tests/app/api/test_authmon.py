"""`/authmon/allow` and `/authmon/status` (contract.md) for outside services, and what of it can ever reach a router."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from app.clock import utc_now
from services.access.models import Grant, GrantState
from services.accounts.models import ApiToken
from tests.portal.opennds_router import Router, Station
from tests.portal.served import Web, wire_problem

MAC = "02:00:00:bb:00:50"
OVER_HTTP = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def router(web: Web) -> Router:
    return web.router(3)


@pytest.fixture
def may_grant(web: Web) -> dict[str, str]:
    return web.api_token("access:grant")


@pytest.fixture
def may_read(web: Web) -> dict[str, str]:
    return web.api_token("access:read")


def allow(web: Web, token: dict[str, str], **body: Any) -> httpx.Response:
    return web.browser.post("/authmon/allow", json=body, headers=token)


def status(web: Web, token: dict[str, str], **query: str) -> httpx.Response:
    return web.browser.get("/authmon/status", params=query, headers=token)


# --- what is promised


@pytest.mark.parametrize("by", ["hid", "mac"])
def test_a_grant_is_queued_fetched_and_seen_to_the_end(
    web: Web, router: Router, may_grant: dict[str, str], may_read: dict[str, str], by: str
) -> None:
    station = router.join()
    named = {"hid": station.hid} if by == "hid" else {"mac": station.mac}

    queued = allow(web, may_grant, gateway=router.slug, minutes=5, **named)

    assert queued.status_code == 202
    grant_id = queued.json()["grant_id"]
    assert queued.json() == {"grant_id": grant_id, "state": "queued"}
    assert status(web, may_read, gateway=router.slug, **named).json() == {"state": "queued", "grant_id": grant_id, "access": None}
    router.view()
    assert status(web, may_read, gateway=router.slug, **named).json()["state"] == "offered"
    router.poll()
    assert status(web, may_read, gateway=router.slug, **named).json()["state"] == "acked"
    router.call("deauthed", router.report(station))
    assert status(web, may_read, gateway=router.slug, **named).json()["state"] == "ended"


def test_the_status_of_a_customers_grant_tells_the_access_it_gives(web: Web, router: Router, may_read: dict[str, str]) -> None:
    station = router.join()
    web.let_in(router, station)
    router.poll()
    told = status(web, may_read, gateway=router.slug, hid=station.hid).json()
    assert told["state"] == "acked"
    assert set(told["access"]) >= {"state", "ends_at", "seconds_left", "bytes_left"}
    assert told["access"]["state"] == "online"


def test_a_client_that_never_had_a_grant_has_none(web: Web, router: Router, may_read: dict[str, str]) -> None:
    assert status(web, may_read, gateway=router.slug, mac=MAC).json() == {"state": "none", "grant_id": None, "access": None}


def test_a_repeated_wish_is_the_same_grant_with_the_newest_terms(web: Web, router: Router, may_grant: dict[str, str]) -> None:
    first = allow(web, may_grant, gateway=router.slug, mac=MAC, minutes=5, download_kb=100)
    second = allow(web, may_grant, gateway=router.slug, mac=MAC.upper(), minutes=30, upload_kbps=64)
    assert first.json()["grant_id"] == second.json()["grant_id"]
    assert [words[1:6] for words in router.view()] == [["30", "64", "0", "0", "0"]]


def test_the_same_wish_many_times_at_once_is_one_grant(web: Web, router: Router, may_grant: dict[str, str]) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: allow(web, may_grant, gateway=router.slug, mac=MAC, minutes=5), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["grant_id"] for answer in answers}) == 1


def test_a_new_wish_after_the_end_is_a_new_grant(web: Web, router: Router, may_grant: dict[str, str]) -> None:
    station = router.join()
    first = allow(web, may_grant, gateway=router.slug, hid=station.hid, minutes=5).json()["grant_id"]
    router.poll()
    router.call("deauthed", router.report(station))
    assert allow(web, may_grant, gateway=router.slug, hid=station.hid, minutes=5).json()["grant_id"] != first


def test_the_limits_of_a_staff_grant_do_not_stay_on_the_purchase_that_follows_it(
    web: Web, router: Router, may_grant: dict[str, str]
) -> None:
    station = router.join()
    context = web.enter(router, station)
    allow(web, may_grant, gateway=router.slug, hid=station.hid, minutes=1, upload_kb=5, download_kb=100).raise_for_status()
    web.spend(web.voucher(), context)
    assert [words[1:6] for words in router.view()] == [["60", "0", "0", "0", "0"]]


def test_who_granted_is_kept(web: Web, router: Router, may_grant: dict[str, str]) -> None:
    allow(web, may_grant, gateway=router.slug, mac=MAC, minutes=5)
    assert web.row(select(Grant)).actor == f"token:{web.row(select(ApiToken)).name}"


# --- who may


BAD_CREDENTIALS = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Bearer inet_" + "A" * 43},
    {"Authorization": "Basic aW5ldDppbmV0"},
    {"Authorization": "Bearer " + "x" * 4000},
    {"Cookie": "session=x"},
]


@pytest.mark.parametrize("credential", BAD_CREDENTIALS, ids=lambda value: str(value)[:40])
def test_without_a_valid_token_nothing_is_told_and_nothing_changes(web: Web, router: Router, credential: dict[str, str]) -> None:
    with web.nothing_changes():
        for answer in (
            allow(web, credential, gateway=router.slug, mac=MAC, minutes=5),
            allow(web, credential, gateway="unknown", minutes="wrong"),
            status(web, credential, gateway=router.slug, mac=MAC),
            status(web, credential, gateway="unknown"),
        ):
            wire_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_is_good_for_its_own_scope_alone(web: Web, router: Router, may_grant: dict[str, str], may_read: dict[str, str]) -> None:
    with web.nothing_changes():
        wire_problem(allow(web, may_read, gateway=router.slug, mac=MAC, minutes=5), 403, "forbidden")
        wire_problem(status(web, may_grant, gateway=router.slug, mac=MAC), 403, "forbidden")


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_a_revoked_or_expired_token_is_refused_at_once(web: Web, router: Router, column: str) -> None:
    token = web.api_token("access:grant", "access:read")
    assert status(web, token, gateway=router.slug, mac=MAC).status_code == 200
    web.change(select(ApiToken), **{column: utc_now() - timedelta(seconds=1)})
    wire_problem(status(web, token, gateway=router.slug, mac=MAC), 401)
    wire_problem(allow(web, token, gateway=router.slug, mac=MAC, minutes=5), 401)


# --- bad input


BAD_CLIENTS = [
    {},
    {"hid": "a" * 64, "mac": MAC},
    {"hid": None, "mac": None},
    {"hid": ""},
    {"hid": "A" * 64},
    {"hid": "a" * 63},
    {"hid": "a" * 65},
    {"hid": "g" * 64},
    {"hid": "a" * 63 + "\n"},
    {"mac": ""},
    {"mac": "02:00:00:bb:00"},
    {"mac": "02:00:00:bb:00:5g"},
    {"mac": "02-00-00-bb-00-50"},
    {"mac": "020000bb0050"},
    {"mac": "02:00:00:bb:00:50 "},
    {"mac": "02:00:00:bb:00:\x000"},
    {"mac": ";reboot;;;;;;;;;;"},
    {"mac": "０２:00:00:bb:00:50"},
]


@pytest.mark.parametrize("client", BAD_CLIENTS, ids=ascii)
def test_both_neither_or_an_unreadable_client_is_refused(
    web: Web, router: Router, may_grant: dict[str, str], may_read: dict[str, str], client: dict[str, Any]
) -> None:
    with web.nothing_changes():
        wire_problem(allow(web, may_grant, gateway=router.slug, minutes=5, **client), 422)
        wire_problem(
            status(web, may_read, gateway=router.slug, **{name: value for name, value in client.items() if value is not None}), 422
        )
    assert router.call("view").body == b"*"


@pytest.mark.parametrize("gateway", ["unknown", "x" * 64, "UPPER", "\x00\x00\x00", "../x", "' OR 1=1 --", "é"], ids=ascii)
def test_an_unknown_gateway_is_not_found(web: Web, may_grant: dict[str, str], may_read: dict[str, str], gateway: str) -> None:
    with web.nothing_changes():
        wire_problem(allow(web, may_grant, gateway=gateway, mac=MAC, minutes=5), 404, "gateway_not_found")
        wire_problem(status(web, may_read, gateway=gateway, mac=MAC), 404, "gateway_not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gateway", ""),
        ("gateway", "x" * 65),
        ("gateway", None),
        ("gateway", 5),
        ("minutes", 0),
        ("minutes", -1),
        ("minutes", 527_041),
        ("minutes", 10**40),
        ("minutes", 1.5),
        ("minutes", "soon"),
        ("minutes", None),
        ("minutes", []),
        ("upload_kbps", -1),
        ("upload_kbps", 10_000_001),
        ("download_kbps", "fast"),
        ("download_kbps", 2**63),
        ("upload_kb", 2_000_000_001),
        ("download_kb", -5),
        ("download_kb", "10; reboot"),
        ("custom", "x;touch${IFS}/tmp/x"),
    ],
)
def test_a_value_out_of_range_is_refused_at_its_field(web: Web, router: Router, may_grant: dict[str, str], field: str, value: Any) -> None:
    body = {"gateway": router.slug, "mac": MAC, "minutes": 5} | {field: value}
    with web.nothing_changes():
        told = wire_problem(allow(web, may_grant, **body), 422, "invalid_input")
    assert [error["field"] for error in told["errors"]] == [field]


# --- nothing outside the whitelist can reach a router


def _numbers(most: int) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.integers(0, most), st.sampled_from([0, 1, most, most + 1, -1, 2**31, 2**63, 10**30]), st.text(max_size=12), st.booleans()
    )


HIDS = st.one_of(st.text("0123456789abcdef", min_size=64, max_size=64), st.text(max_size=70))
MACS = st.one_of(st.from_regex(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", fullmatch=True), st.text(max_size=20))
CLIENTS = st.one_of(HIDS.map(lambda hid: {"hid": hid}), MACS.map(lambda mac: {"mac": mac}))
LIMITS = st.fixed_dictionaries(
    {"minutes": st.one_of(st.integers(1, 527_040), _numbers(527_040))},
    optional={
        "upload_kbps": _numbers(10_000_000),
        "download_kbps": _numbers(10_000_000),
        "upload_kb": _numbers(2_000_000_000),
        "download_kb": _numbers(2_000_000_000),
    },
)


@OVER_HTTP
@given(client=CLIENTS, limits=LIMITS)
def test_whatever_an_outside_service_sends_no_view_leaves_the_grammar(
    web: Web, router: Router, may_grant: dict[str, str], client: dict[str, str], limits: dict[str, Any]
) -> None:
    answer = allow(web, may_grant, gateway=router.slug, **client, **limits)
    assert answer.status_code in (202, 422)
    entries = router.view()  # asserts the grammar of every byte
    if answer.status_code == 202:
        assert len(entries) == 1
    else:
        wire_problem(answer, 422)
    router.acknowledge([words[0] for words in entries])


PACKAGES = st.fixed_dictionaries(
    {
        "name": st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), min_size=1, max_size=80),
        "amount_bututs": st.integers(1, 1_000_000).map(lambda dalasi: dalasi * 100),
        "duration_seconds": st.one_of(st.integers(60, 366 * 86400), st.sampled_from([60, 61, 366 * 86400])),
        "quota_bytes": st.one_of(st.none(), st.integers(1_048_576, 1 << 50), st.sampled_from([1_048_576, 1 << 41, 1 << 50])),
        "down_kbps": st.integers(0, 10_000_000),
        "up_kbps": st.integers(0, 10_000_000),
    }
)


@settings(OVER_HTTP, max_examples=15)
@given(terms=PACKAGES)
def test_whatever_staff_put_into_a_package_no_view_leaves_the_grammar(web: Web, terms: dict[str, Any]) -> None:
    # A router of its own for each example: its phone holds no other time.
    router = web.router(4)
    station = router.join()
    web.let_in(router, station, **terms)
    (words,) = router.view()
    assert int(words[1]) == math.ceil(terms["duration_seconds"] / 60)
    assert (words[2], words[3]) == (str(terms["up_kbps"]), str(terms["down_kbps"]))
    assert (words[5] == "0") is (terms["quota_bytes"] is None)


def test_twelve_of_the_longest_entries_stay_within_what_a_router_reads(web: Web, router: Router, may_grant: dict[str, str]) -> None:
    stations = [Station(f"02:00:00:bb:00:{number:02x}") for number in range(12)]
    for station in stations:
        limits = {"upload_kbps": 10_000_000, "download_kbps": 10_000_000, "upload_kb": 2_000_000_000, "download_kb": 2_000_000_000}
        allow(web, may_grant, gateway=router.slug, hid=station.hid, minutes=527_040, **limits).raise_for_status()
    router.stations = stations
    turns = [router.poll() for _ in range(4)]
    assert [len(opened) for opened in turns] == [4, 4, 4, 0]
    assert {grant.state for grant in web.rows(select(Grant))} == {GrantState.ACKED}
