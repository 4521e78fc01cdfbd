"""What people and programs send that is wrong: each gets a clear answer with a correlation ID, and nothing changes."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.clock import utc_now
from app.db import transaction
from app.main import plain_app
from services.vouchers.codes import ALPHABET, new_code, show_code
from services.vouchers.models import Voucher, VoucherState
from tests.factories import PHONE, make_package
from tests.portal.opennds_router import Router
from tests.portal.served import Web, wire_problem


@pytest.fixture
def package_id(web: Web) -> str:
    with transaction() as session:
        return make_package(session, now=utc_now()).public_id


@pytest.fixture
def context(web: Web) -> str:
    router = web.router(3)
    return web.enter(router, router.join())


def post(web: Web, path: str, body: Any, **headers: str) -> httpx.Response:
    # `é` and halves of pairs go out as JSON escapes, as any client may write them.
    content = json.dumps(body).encode()
    return web.browser.post(path, content=content, headers={"Content-Type": "application/json", **headers})


# --- fields


BAD_PHONES = [
    "",
    " ",
    "0",
    "12",
    "abc",
    "1234567",
    "+220",
    "+2201",
    "+220 30123456789",
    "301-23-4",
    "+999 123 4567",
    "3012345; DROP TABLE customer",
    "٣",
    "💸",
    "\x00",
    "3012345\x00",
    "9" * 32,
    "9" * 33,
    "\ud800",
    None,
    3012345,
    True,
    ["3012345"],
    {"phone": "3012345"},
]


@pytest.mark.parametrize("phone", BAD_PHONES, ids=ascii)
@pytest.mark.parametrize("path", ["/api/wave/checkout", "/api/portal/find/send-code"])
def test_a_bad_phone_is_refused_at_its_field(web: Web, package_id: str, path: str, phone: Any) -> None:
    body = {"phone": phone} | ({"package_id": package_id} if "checkout" in path else {})
    with web.nothing_changes():
        told = wire_problem(post(web, path, body), 422)
    assert [error["field"] for error in told["errors"]] == ["phone"]
    assert told["code"] in ("bad_phone", "invalid_input")


@pytest.mark.parametrize(
    ("package", "status"),
    [("unknown", 404), ("' OR 1=1 --", 404), ("", 422), (" ", 422), ("x" * 33, 422), ("\x00", 422), (7, 422), (None, 422), ([], 422)],
    ids=ascii,
)
def test_a_package_that_is_not_on_sale_cannot_be_bought(web: Web, package_id: str, package: Any, status: int) -> None:
    with web.nothing_changes():
        told = wire_problem(post(web, "/api/wave/checkout", {"package_id": package, "phone": PHONE}), status)
    assert [error["field"] for error in told["errors"]] == ["package_id"]


@pytest.mark.parametrize("amount", [1, 0, -2500, 2500.5, "free", 10**30])
def test_the_price_is_ours_whatever_amount_is_sent(web: Web, package_id: str, amount: Any) -> None:
    # Wave is not there for this one: what counts is the amount that was written down before it was asked.
    from services.payments.models import Payment

    post(web, "/api/wave/checkout", {"package_id": package_id, "phone": PHONE, "amount": amount, "currency": "USD"})
    payment = web.row(sa.select(Payment.amount_bututs, Payment.currency))
    assert tuple(payment) == (2500, "GMD")


@pytest.mark.parametrize("key", ["x", "1234567", "x" * 201])
def test_an_idempotency_key_of_the_wrong_length_is_refused(web: Web, package_id: str, key: str) -> None:
    with web.nothing_changes():
        answer = post(web, "/api/wave/checkout", {"package_id": package_id, "phone": PHONE}, **{"Idempotency-Key": key})
    told = wire_problem(answer, 422, "invalid_input")
    assert [error["field"].lower() for error in told["errors"]] == ["idempotency-key"]


# --- vouchers


def _mistyped() -> Iterator[tuple[str, str]]:
    good = show_code(new_code())
    plain = good.replace("-", "")
    other = next(character for character in ALPHABET if character != plain[5])
    yield "one character wrong", plain[:5] + other + plain[6:]
    swap = next(at for at in range(13) if plain[at] != plain[at + 1])
    yield "two neighbours swapped", plain[:swap] + plain[swap + 1] + plain[swap] + plain[swap + 2 :]
    yield "a character missing", plain[:-1]
    yield "a character too many", plain + "2"
    yield "letters that no code has", "IOQL01" + plain[6:]
    yield "not ASCII", "é" * 14
    yield "digits of another script", "٢" * 14
    yield "SQL", "' OR '1'='1"
    yield "nothing but dashes", "-" * 14
    yield "64 characters", "A" * 64


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in _mistyped()])
@pytest.mark.parametrize("path", ["/api/portal/voucher", "/api/portal/find"])
def test_a_mistyped_code_is_told_before_anything_is_looked_up(web: Web, path: str, code: str) -> None:
    body = {"code": code} if path.endswith("voucher") else {"voucher": code}
    with web.nothing_changes():
        answer = post(web, path, body)
    wire_problem(answer, 422, "voucher_mistyped")
    assert code.strip("-") == "" or code not in answer.text


@pytest.mark.parametrize("code", ["", " ", "x" * 65, "\x00" * 14, "\ud800", None, 12345678901234, ["A"]], ids=ascii)
def test_a_code_of_the_wrong_shape_is_refused_at_its_field(web: Web, code: Any) -> None:
    with web.nothing_changes():
        told = wire_problem(post(web, "/api/portal/voucher", {"code": code}), 422, "invalid_input")
    assert [error["field"] for error in told["errors"]] == ["code"]


def test_guessing_well_formed_codes_finds_nothing(web: Web, context: str) -> None:
    web.voucher()
    with web.nothing_changes():
        for _ in range(10):
            guess = show_code(new_code())
            wire_problem(post(web, "/api/portal/voucher", {"code": guess, "context": context}), 404, "voucher_not_found")
            wire_problem(post(web, "/api/portal/find", {"voucher": guess}), 404, "voucher_not_found")
        wire_problem(post(web, "/api/portal/voucher", {"code": show_code(new_code()), "context": context}), 429, "too_many_tries")


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (VoucherState.BLOCKED, 409, "voucher_blocked"),
        (VoucherState.EXPIRED, 410, "voucher_expired"),
        (VoucherState.PENDING, 503, "voucher_not_ready"),
    ],
)
def test_a_voucher_that_cannot_be_used_says_why_and_stays_as_it_is(
    web: Web, context: str, state: VoucherState, status: int, code: str
) -> None:
    clear = web.voucher()
    web.change(select(Voucher), state=state)
    with web.nothing_changes():
        answer = post(web, "/api/portal/voucher", {"code": clear, "context": context})
    wire_problem(answer, status, code)
    assert clear not in answer.text


def test_a_used_voucher_gives_its_time_to_nobody_else(web: Web) -> None:
    router, clear = web.router(3), web.voucher()
    web.spend(clear, web.enter(router, router.join("02:00:00:bb:00:01")))
    thief = web.enter(router, router.join("02:00:00:bb:00:02"))
    with web.nothing_changes():
        for where in (thief, None):
            wire_problem(post(web, "/api/portal/voucher", {"code": clear, "context": where}), 409, "voucher_already_used")


@pytest.mark.parametrize(
    ("phone", "reference", "status"),
    [(PHONE, "AAAAAAAA", 404), (PHONE, "", 422), ("abc", "AAAAAAAA", 422), (PHONE, "\x00", 422), (PHONE, "x" * 21, 422), (PHONE, 5, 422)],
    ids=ascii,
)
def test_a_purchase_is_not_found_by_guessing(web: Web, phone: Any, reference: Any, status: int) -> None:
    with web.nothing_changes():
        wire_problem(post(web, "/api/portal/find", {"phone": phone, "reference": reference}), status)


# --- context tokens


def _flip(token: str, at: int) -> str:
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@pytest.mark.parametrize(
    "path", ["/api/portal/voucher", "/api/portal/session", "/api/portal/tickets", "/api/wave/checkout", "/api/portal/find"]
)
def test_an_altered_or_foreign_context_is_refused_everywhere(web: Web, context: str, package_id: str, path: str) -> None:
    bodies = {
        "/api/portal/voucher": {"code": web.voucher()},
        "/api/portal/tickets": {"body": "help"},
        "/api/wave/checkout": {"package_id": package_id, "phone": PHONE},
        "/api/portal/find": {"voucher": show_code(new_code())},
    }
    flipped = [_flip(context, at) for at in range(0, len(context), 7)]
    foreign = ["x", "é", "A" * 200, context[:-4], context + "AAAA", context[::-1], "../../etc/passwd", "eyJhbGciOiJub25lIn0.e30."]
    with web.nothing_changes():
        for token in [*flipped, *foreign]:
            if path.endswith("session"):
                answer = web.browser.get(path, params={"context": token})
            else:
                answer = post(web, path, bodies[path] | {"context": token})
            wire_problem(answer, 410, "stale_context")


def test_a_device_token_is_no_context(web: Web) -> None:
    router = web.router(4)
    token = web.let_in(router, router.join())["device_token"]
    with web.nothing_changes():
        wire_problem(web.browser.get("/api/portal/session", params={"context": token}), 410, "stale_context")


def test_a_context_of_yesterday_is_refused(web: Web) -> None:
    from datetime import timedelta

    from services.access.context import HotspotContext

    old = HotspotContext(1, "0" * 64, "02:00:00:bb:00:50", True, utc_now() - timedelta(hours=7)).token()
    with web.nothing_changes():
        wire_problem(web.browser.get("/api/portal/session", params={"context": old}), 410, "stale_context")


def test_a_context_that_is_too_long_is_refused_at_its_field(web: Web) -> None:
    with web.nothing_changes():
        wire_problem(web.browser.get("/api/portal/session", params={"context": "A" * 1001}), 422, "invalid_input")


# --- bodies


JSON_POSTS = [
    "/api/wave/checkout",
    "/api/portal/voucher",
    "/api/portal/find",
    "/api/portal/find/send-code",
    "/api/portal/tickets",
    "/authmon/allow",
]
MALFORMED = {
    "empty": b"",
    "not JSON": b"code=ABC",
    "cut off": b'{"code": "AB',
    "a list": b"[]",
    "a text": b'"code"',
    "a number": b"7",
    "null": b"null",
    "an empty object": b"{}",
    "invalid UTF-8": b'{"code": "\xff\xfe"}',
    "a raw NUL": b'{"code": "\x00"}',
    "deeply nested lists": b"[" * 100_000,
    "deeply nested objects": b'{"code":' * 20_000 + b"1" + b"}" * 20_000,
    "a huge number": b'{"code": ' + b"9" * 10_000 + b"}",
    "half a surrogate as a name": b'{"\\ud800": 1}',
    "UTF-16": '{"code": 1}'.encode("utf-16"),
    "XML": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_body_is_refused_by_every_route_and_changes_nothing(web: Web, name: str) -> None:
    token = web.api_token("access:grant")
    with web.nothing_changes():
        for path in JSON_POSTS:
            headers = {"Content-Type": "application/json", **token}
            answer = web.browser.post(path, content=MALFORMED[name], headers=headers)
            assert answer.status_code in (400, 422), (path, answer.status_code, answer.text)
            wire_problem(answer, answer.status_code)


@pytest.mark.parametrize("path", [*JSON_POSTS, "/api/wave/webhook", "/fas/r-any", "/portal/voucher"])
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "streamed"])
def test_a_body_over_256_kb_is_refused_and_changes_nothing(web: Web, path: str, chunked: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield b"x" * 1024

    with web.nothing_changes():
        answer = web.browser.post(path, content=pieces() if chunked else b"x" * 300 * 1024, headers=_content_type(path))
    wire_problem(answer, 413, "body_too_large")


def _content_type(path: str) -> dict[str, str]:
    return {"Content-Type": "application/x-www-form-urlencoded" if path.startswith(("/fas", "/portal/")) else "application/json"}


def test_a_body_of_just_under_the_limit_is_read(web: Web) -> None:
    answer = post(web, "/api/portal/tickets", {"body": "x" * (255 * 1024)})
    wire_problem(answer, 422, "invalid_input")


@pytest.mark.parametrize("value", [None, "x" * 20_001, "", "   ", 5, ["x"]], ids=lambda value: ascii(value)[:20])
def test_a_problem_report_needs_some_words(web: Web, value: Any) -> None:
    with web.nothing_changes():
        told = wire_problem(post(web, "/api/portal/tickets", {"body": value}), 422)
    assert [error["field"] for error in told["errors"]] == ["body"]


@pytest.mark.parametrize("payment_id", ["unknown", "\x00", "x" * 65, "' OR 1=1"], ids=ascii)
def test_a_problem_report_about_an_unknown_payment_is_refused(web: Web, payment_id: str) -> None:
    with web.nothing_changes():
        answer = post(web, "/api/portal/tickets", {"body": "help", "payment_id": payment_id})
    assert answer.status_code in (404, 422)
    wire_problem(answer, answer.status_code)


def test_what_a_customer_wrote_is_stored_as_it_is_and_never_run(web: Web) -> None:
    from services.tickets.models import Ticket

    text = "<script>alert(1)</script> '; DROP TABLE ticket; -- ${jndi:ldap://x} {{7*7}} عربي 💸"
    post(web, "/api/portal/tickets", {"body": text}).raise_for_status()
    assert web.row(sa.select(Ticket.body))[0] == text


def test_unknown_fields_are_ignored_by_the_portal_and_refused_by_the_access_api(web: Web, package_id: str) -> None:
    spent = post(web, "/api/portal/voucher", {"code": web.voucher(), "state": "used", "minutes": 9999, "__proto__": {}})
    assert spent.status_code == 200
    router = web.router(3)
    allow = {"gateway": router.slug, "mac": "02:00:00:bb:00:50", "minutes": 5, "seconds": 9999}
    token = web.api_token("access:grant")
    with web.nothing_changes():
        told = wire_problem(post(web, "/authmon/allow", allow, **token), 422, "invalid_input")
    assert [error["field"] for error in told["errors"]] == ["seconds"]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=-1", "limit=1e3", "cursor=-1", "cursor=x", "cursor=%00"])
def test_a_page_of_packages_that_cannot_be_is_refused(web: Web, query: str) -> None:
    wire_problem(web.browser.get(f"/api/portal/packages?{query}"), 422, "invalid_input")


def test_a_cursor_past_the_end_is_an_empty_page(web: Web, package_id: str) -> None:
    assert web.browser.get("/api/portal/packages?cursor=99999999999999999999").json() == {"items": [], "next_cursor": None}


# --- methods, addresses, headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/wave/checkout"),
        ("GET", "/api/wave/webhook"),
        ("POST", "/api/wave/verify"),
        ("DELETE", "/api/portal/session"),
        ("PUT", "/api/portal/voucher"),
        ("PATCH", "/api/portal/tickets"),
        ("POST", "/api/portal/packages"),
        ("GET", "/authmon/allow"),
        ("POST", "/authmon/status"),
        ("PUT", "/fas/r-any"),
        ("DELETE", "/fas/r-any"),
    ],
)
def test_a_wrong_method_is_refused_and_changes_nothing(web: Web, method: str, path: str) -> None:
    with web.nothing_changes():
        answer = web.browser.request(method, path)
    told = wire_problem(answer, 405)
    assert told["instance"] == path


@pytest.mark.parametrize("path", ["/api/nothing", "/api/portal", "/authmon", "/fas/a/b", "/api/v9/x", "/%00", "/api/%2e%2e/x", "/.env"])
def test_an_unknown_address_is_a_problem_document(web: Web, path: str) -> None:
    answer = web.browser.get(path)
    wire_problem(answer, 404)


@pytest.mark.parametrize("sent", ["", "short", "x" * 65, "with space in it", "<script>alert(1)", "ünïcödé-id"])
def test_a_malformed_correlation_id_is_replaced(web: Web, sent: str) -> None:
    answer = web.browser.get("/api/portal/packages", headers={"X-Correlation-ID": sent.encode()})
    assert answer.status_code == 200
    assert answer.headers["x-correlation-id"] != sent
    assert len(answer.headers["x-correlation-id"]) == 24


def test_a_well_formed_correlation_id_is_kept_in_answers_refusals_and_router_calls(web: Web) -> None:
    router = web.router(3)
    sent = {"X-Correlation-ID": f"mine-{secrets.token_hex(6)}"}
    answers = [
        web.browser.get("/api/portal/packages", headers=sent),
        web.browser.get("/api/wave/verify", params={"payment_id": "unknown"}, headers=sent),
        web.browser.get(f"/fas/{router.slug}", headers=sent),
        web.browser.get(f"/fas/{router.slug}?auth_get=view&gatewayhash={'0' * 64}&payload=bm9uZQ==", headers=sent),
        web.browser.post("/api/portal/voucher", content=b"x" * 300_000, headers=sent),
        web.browser.get("/no/such/address", headers=sent),
    ]
    assert {answer.headers["x-correlation-id"] for answer in answers} == {sent["X-Correlation-ID"]}


def test_bytes_in_an_address_that_are_no_text_are_refused(web: Web) -> None:
    url = urlsplit(web.served.url)
    for target in (b"/fas/\xff\xfe", b"/api/portal/packages?limit=\xff", b"/api/\x01"):
        with socket.create_connection((url.hostname, url.port), timeout=5) as raw:
            raw.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert raw.recv(4096).split(b" ")[1] in (b"400", b"403", b"404", b"422")


async def test_an_error_of_ours_is_told_with_its_correlation_id_and_nothing_else() -> None:
    app = plain_app(("portal",))

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a detail that is nobody's business")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        answer = await http.get("/broken", headers={"X-Correlation-ID": "a-phone-0001"})
    assert answer.headers["x-correlation-id"] == "a-phone-0001"
    assert wire_problem(answer, 500, "internal_error")["correlation_id"] == "a-phone-0001"
    assert "nobody's business" not in answer.text


# --- forged router calls: whatever is sent, no error of ours


@pytest.mark.parametrize("level", [3, 4])
def test_nonsense_at_the_routers_address_is_answered_and_changes_nothing(web: Web, level: int) -> None:
    router = web.router(level)
    queries = [
        "auth_get",
        "auth_get=view",
        "auth_get=view&gatewayhash=x&payload=y",
        "auth_get=view&auth_get=clear",
        "auth_get=%00&gatewayhash=%00&payload=%00",
        "&".join(f"a{number}=b" for number in range(100)),
        "fas=a&fas=b&iv=c&iv=d",
        "status=authenticated&auth_get=deauthed",
        "auth_get=deauthed&gatewayhash=" + "0" * 64 + "&payload=" + "A" * 50_000,
    ]
    with web.nothing_changes():
        for query in queries:
            for answer in (
                web.browser.get(f"/fas/{router.slug}?{query}"),
                web.browser.post(
                    f"/fas/{router.slug}", content=query.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
                ),
                web.browser.post(f"/fas/{router.slug}", content=b"\xff\xfe" + query.encode("utf-16")),
            ):
                assert answer.status_code in (200, 403, 413)
                assert answer.headers["x-correlation-id"]


def test_no_row_of_another_gateway_is_told_to_a_router(web: Web) -> None:
    ours, other = web.router(3), web.router(3)
    station = ours.join()
    web.let_in(ours, station)
    assert other.call("view").body == b"*"
    assert [words[0] for words in Router.read(ours.call("view").text)] == [ours.rhid(station)]
