"""The portal's JSON as contract.md promises it, over HTTP against the running server."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from rq import Queue
from sqlmodel import select

from app import redis
from app.clock import utc_now
from app.db import transaction
from services.access.models import Grant
from services.packages.models import Package
from services.payments.models import OutboundCallRecord, Payment, PaymentEvent, WebhookEvent
from services.tickets.models import Ticket
from tests.conftest import Sandbox
from tests.factories import PHONE, make_package
from tests.portal.served import Web, wire_problem
from tests.portal.wave_wire import SECRET, event, raw, signed

ACCESS = {"state", "ends_at", "seconds_left", "bytes_left"}


@pytest.fixture
def package_id(web: Web) -> str:
    return make_on_sale()


def make_on_sale(**terms: Any) -> str:
    with transaction() as session:
        return make_package(session, now=utc_now(), **terms).public_id


def checkout(web: Web, package_id: str, *, key: str | None = None, phone: str = PHONE, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return web.browser.post("/api/wave/checkout", json={"package_id": package_id, "phone": phone, **more}, headers=headers)


def is_instant(text: str) -> bool:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).utcoffset() == timedelta(0) and text.endswith("Z")


# --- packages


def test_a_package_has_the_promised_fields(web: Web) -> None:
    package_id = make_on_sale(name="Day", amount_bututs=5000, duration_seconds=86400, quota_bytes=1 << 30, down_kbps=4096, up_kbps=1024)

    body = web.browser.get("/api/portal/packages").json()

    assert body == {
        "items": [
            {
                "id": package_id,
                "name": "Day",
                "amount": 5000,
                "currency": "GMD",
                "duration_seconds": 86400,
                "quota_bytes": 1 << 30,
                "down_kbps": 4096,
                "up_kbps": 1024,
                "device_limit": 1,
            }
        ],
        "next_cursor": None,
    }


def test_packages_are_paged_by_cursor_without_gap_or_repetition(web: Web) -> None:
    made = [make_on_sale() for _ in range(5)]
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = web.browser.get("/api/portal/packages", params=query).json()
        found += [item["id"] for item in body["items"]]
        cursor, pages = body["next_cursor"], pages + 1
    assert (found, pages) == (made, 3)


def test_a_package_taken_off_sale_is_neither_listed_nor_sold(web: Web, package_id: str) -> None:
    web.change(select(Package), is_on_sale=False)
    assert web.browser.get("/api/portal/packages").json()["items"] == []
    with web.nothing_changes():
        wire_problem(checkout(web, package_id), 404, "package_not_found")


# --- checkout


def test_a_checkout_has_the_promised_fields_and_opens_one_session_at_wave(web: Web, sandbox: Sandbox, package_id: str) -> None:
    answer = checkout(web, package_id)

    assert answer.status_code == 201
    body = answer.json()
    assert set(body) >= {"payment_id", "reference", "status", "amount", "currency", "launch_url", "expires_at"}
    assert (body["status"], body["amount"], body["currency"]) == ("checkout_open", 2500, "GMD")
    assert body["launch_url"].startswith("http")
    assert is_instant(body["expires_at"])
    assert len(body["payment_id"]) >= 20
    assert [session["client_reference"] for session in sandbox.state()["wave"]["sessions"]] == [body["reference"]]


def test_the_same_key_and_body_answer_the_same_purchase(web: Web, sandbox: Sandbox, package_id: str) -> None:
    first, second = (checkout(web, package_id, key="tap-tap-0001").json() for _ in range(2))
    assert first == second
    assert len(web.rows(select(Payment))) == 1
    assert len(sandbox.state()["wave"]["sessions"]) == 1


def test_without_a_key_every_request_is_a_purchase_of_its_own(web: Web, sandbox: Sandbox, package_id: str) -> None:
    first, second = (checkout(web, package_id).json() for _ in range(2))
    assert first["payment_id"] != second["payment_id"]


@pytest.mark.parametrize("other", ["phone", "package"])
def test_the_same_key_with_another_body_is_refused(web: Web, sandbox: Sandbox, package_id: str, other: str) -> None:
    assert checkout(web, package_id, key="tap-tap-0002").status_code == 201
    another = make_on_sale()
    with web.nothing_changes():
        answer = checkout(web, package_id, key="tap-tap-0002", phone="+220833000002") if other == "phone" else None
        answer = answer or checkout(web, another, key="tap-tap-0002")
    wire_problem(answer, 422, "idempotency_mismatch")


def test_two_requests_at_once_with_one_key_make_one_payment_and_one_session(web: Web, sandbox: Sandbox, package_id: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: checkout(web, package_id, key="tap-tap-0003"), range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["payment_id"] for answer in answers}) == 1
    assert len(web.rows(select(Payment))) == 1
    assert len(sandbox.state()["wave"]["sessions"]) == 1


# --- verify


def test_verify_has_the_promised_fields_and_follows_the_payment(web: Web, sandbox: Sandbox, package_id: str) -> None:
    opened = checkout(web, package_id).json()
    told = web.browser.get("/api/wave/verify", params={"payment_id": opened["payment_id"]}).json()
    assert set(told) >= {"payment_id", "reference", "status", "voucher", "access", "reason"}
    assert (told["payment_id"], told["reference"], told["status"]) == (opened["payment_id"], opened["reference"], "checkout_open")
    assert told["voucher"] is told["access"] is told["reason"] is None


@pytest.mark.parametrize("payment_id", ["unknown", "x" * 22, "x" * 65, "", "%00", "../..", "' OR 1=1 --", "é", "a b"])
def test_verify_of_an_unknown_id_is_not_found(web: Web, payment_id: str) -> None:
    with web.nothing_changes():
        wire_problem(web.browser.get(f"/api/wave/verify?payment_id={payment_id}"), 404, "payment_not_found")


def test_verify_without_an_id_is_not_found(web: Web) -> None:
    wire_problem(web.browser.get("/api/wave/verify"), 404, "payment_not_found")


# --- the main job, by way of the JSON alone


def run_jobs() -> None:
    """Do what the worker would: all that is due, in this process."""
    from services.integrations.clients import outside
    from services.payments import process

    with transaction() as session:
        due = session.exec(select(Payment.id)).all()
    for payment_id in due:
        process.advance(transaction, payment_id or 0, outside(), clock=utc_now)


def test_a_payment_from_package_to_online_with_a_correlation_id_that_follows_it(web: Web, sandbox: Sandbox, package_id: str) -> None:
    router = web.router(3)
    station = router.join()
    context = web.enter(router, station)
    correlation_id = f"phone-{secrets.token_hex(6)}"
    answer = web.browser.post(
        "/api/wave/checkout",
        json={"package_id": package_id, "phone": PHONE, "context": context},
        headers={"X-Correlation-ID": correlation_id},
    )
    assert answer.headers["x-correlation-id"] == correlation_id
    opened = answer.json()
    assert {row.correlation_id for row in web.rows(select(PaymentEvent))} == {correlation_id}
    assert {row.correlation_id for row in web.rows(select(OutboundCallRecord))} == {correlation_id}

    sandbox.pay(opened["reference"])
    body = raw(event(client_reference=opened["reference"], id=sandbox.state()["wave"]["sessions"][0]["id"]))
    headers = {**signed(body), "X-Correlation-ID": "wave-hook-0001"}
    assert web.browser.post("/api/wave/webhook", content=body, headers=headers).status_code == 200
    (job,) = Queue("urgent", connection=redis.client()).jobs
    assert job.meta["correlation_id"] == correlation_id  # Wave's call has an ID of its own; what it leads to belongs to the purchase
    run_jobs()

    assert router.poll() == [router.rhid(station)]
    told = web.browser.get("/api/wave/verify", params={"payment_id": opened["payment_id"]}).json()
    assert told["status"] == "served"
    assert set(told["voucher"]) >= {"code", "state"}
    assert set(told["access"]) >= ACCESS
    assert told["access"]["state"] == "online"
    assert 3500 < told["access"]["seconds_left"] <= 3600
    assert is_instant(told["access"]["ends_at"])
    assert web.session_of(context)["access"]["state"] == "online"


# --- voucher, session, find, tickets


def test_a_voucher_answers_the_access_it_gives(web: Web) -> None:
    body = web.spend(web.voucher(quota_bytes=5_242_880))
    assert body["access"] == {"state": "waiting", "ends_at": None, "seconds_left": 3600, "bytes_left": 5_242_880, "paused_at": None}


def test_a_voucher_at_a_hotspot_lets_in_at_once(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    assert web.let_in(router, station)["access"]["state"] == "connecting"
    assert router.poll() == [router.rhid(station)]


@pytest.mark.parametrize("spelling", [str.lower, lambda code: code.replace("-", ""), lambda code: f"  {code.replace('-', ' ')} "])
def test_a_code_may_be_typed_as_people_do(web: Web, spelling: Any) -> None:
    assert web.spend(spelling(web.voucher()))["access"]["state"] == "waiting"


def test_a_voucher_spent_by_two_phones_at_once_gives_its_time_once(web: Web) -> None:
    router, code = web.router(3), web.voucher()
    contexts = [web.enter(router, router.join(f"02:00:00:bb:00:{number:02}")) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda context: web.browser.post("/api/portal/voucher", json={"code": code, "context": context}), contexts))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    for answer in answers:
        if answer.status_code == 409:
            wire_problem(answer, 409, "voucher_already_used")
    assert len(web.rows(select(Grant))) == 1


def test_the_session_of_nobody_is_empty(web: Web) -> None:
    answer = web.browser.get("/api/portal/session").json()
    assert answer.pop("captive_url").endswith("/portal/captive")
    assert answer == {"access": None, "payment": None, "device_token": None}


def test_a_purchase_is_found_by_voucher_code_from_another_device(web: Web) -> None:
    router, code = web.router(3), web.voucher()
    first, second = router.join("02:00:00:bb:00:01"), router.join("02:00:00:bb:00:02")
    web.spend(code, web.enter(router, first))
    context = web.enter(router, second)
    found = web.browser.post("/api/portal/find", json={"voucher": code, "context": context})
    assert found.status_code == 200
    assert found.json()["access"]["state"] == "connecting"
    # The place moved: what was queued for the first device is not fetched any more.
    assert router.poll() == [router.rhid(second)]


def test_a_ticket_is_stored_and_its_reference_told(web: Web) -> None:
    answer = web.browser.post("/api/portal/tickets", json={"body": "I paid and am not online", "phone": PHONE})
    assert answer.status_code == 201
    ticket = web.row(select(Ticket))
    assert answer.json()["reference"] == ticket.reference
    assert ticket.body == "I paid and am not online"


def test_whether_a_number_ever_bought_is_not_told(web: Web, sandbox: Sandbox, package_id: str) -> None:
    checkout(web, package_id)
    answers = [web.browser.post("/api/portal/find/send-code", json={"phone": phone}) for phone in (PHONE, "+220833000019")]
    assert answers[0].status_code == answers[1].status_code == 202
    assert answers[0].json() == answers[1].json()


# --- webhooks


@pytest.fixture
def opened(web: Web, sandbox: Sandbox, package_id: str) -> dict[str, Any]:
    body = dict(checkout(web, package_id).json())
    web.change(select(Payment), next_attempt_at=utc_now() + timedelta(hours=1), lease_until=None)
    redis.client().flushall()
    return body


def hook(web: Web, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return web.browser.post("/api/wave/webhook", content=body, headers=headers)


def test_a_good_webhook_is_stored_and_rings_for_its_payment(web: Web, opened: dict[str, Any]) -> None:
    sent = event(client_reference=opened["reference"], amount="25")
    body = raw(sent)

    assert hook(web, body, signed(body)).status_code == 200

    stored = web.row(select(WebhookEvent))
    assert (stored.provider_event_id, stored.type, stored.body) == (sent["id"], sent["type"], sent)
    payment = web.row(select(Payment))
    assert payment.status == "checkout_open"  # a hint: nothing is believed before Wave was asked
    assert payment.next_attempt_at <= utc_now()
    assert Queue("urgent", connection=redis.client()).count == 1


def test_a_duplicate_webhook_is_answered_and_does_nothing(web: Web, opened: dict[str, Any]) -> None:
    body = raw(event(client_reference=opened["reference"]))
    hook(web, body, signed(body))
    with web.nothing_changes():
        again = hook(web, body, signed(body, at=utc_now().timestamp() - 20))  # a repetition is signed afresh
        assert again.status_code == 200
    assert Queue("urgent", connection=redis.client()).count == 1


def test_the_same_webhook_at_once_is_stored_once(web: Web, opened: dict[str, Any]) -> None:
    body = raw(event(client_reference=opened["reference"]))
    with ThreadPoolExecutor(5) as pool:
        statuses = set(pool.map(lambda _: hook(web, body, signed(body)).status_code, range(5)))
    assert statuses == {200}
    assert len(web.rows(select(WebhookEvent))) == 1


def test_one_right_signature_among_several_is_enough(web: Web, opened: dict[str, Any]) -> None:
    body = raw(event(client_reference=opened["reference"]))
    assert hook(web, body, signed(body, digests=3)).status_code == 200


def test_a_webhook_with_the_shared_secret_is_taken(web: Web, opened: dict[str, Any]) -> None:
    body = raw(event(client_reference=opened["reference"]))
    assert hook(web, body, {"Authorization": f"Bearer {SECRET}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(lambda body: {}, id="no signature"),
        pytest.param(lambda body: {"Wave-Signature": "t=1,v1=" + "0" * 64}, id="forged"),
        pytest.param(lambda body: {"Wave-Signature": ""}, id="empty"),
        pytest.param(lambda body: {"Wave-Signature": "v1=" + "0" * 64}, id="without a time"),
        pytest.param(lambda body: {"Wave-Signature": "t=1,t=2,v1=" + "0" * 64}, id="two times"),
        pytest.param(lambda body: {"Wave-Signature": "t=" + "9" * 40 + ",v1=" + "0" * 64}, id="absurd time"),
        pytest.param(lambda body: {"Wave-Signature": ",".join(["v1=" + "0" * 64] * 60)}, id="very long"),
        pytest.param(lambda body: signed(body, secret="another-secret"), id="wrong secret"),
        pytest.param(lambda body: signed(body + b" "), id="body altered"),
        pytest.param(lambda body: signed(body, at=utc_now().timestamp() - 301), id="stale"),
        pytest.param(lambda body: signed(body, at=utc_now().timestamp() + 60), id="from the future"),
        pytest.param(lambda body: {"Authorization": "Bearer wrong"}, id="wrong shared secret"),
        pytest.param(lambda body: {"Authorization": f"Basic {SECRET}"}, id="wrong scheme"),
        pytest.param(lambda body: {"Authorization": "Bearer x"}, id="short shared secret"),
        pytest.param(
            lambda body: {"Authorization": f"Bearer {SECRET}", "Wave-Signature": "t=1,v1=" + "0" * 64}, id="right secret, wrong signature"
        ),
    ],
)
def test_a_webhook_that_does_not_prove_to_be_waves_is_refused_and_changes_nothing(web: Web, opened: dict[str, Any], headers: Any) -> None:
    body = raw(event(client_reference=opened["reference"]))
    with web.nothing_changes():
        answer = hook(web, body, headers(body))
    wire_problem(answer, 401, "webhook_refused")
    assert Queue("urgent", connection=redis.client()).count == 0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not json", id="not JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"id": 5, "type": "x"}', id="id is a number"),
        pytest.param(b'{"type": "x"}', id="no id"),
        pytest.param(b'{"id": "EV_1"}', id="no type"),
        pytest.param(b'{"id": "EV_1", "type": "x", "a": NaN}', id="NaN"),
        pytest.param(b'{"id": "EV_1", "type": "x", "a": 1e999}', id="infinity"),
        pytest.param(b'{"id": "EV_1", "type": "x", "a": "\\u0000"}', id="NUL"),
        pytest.param(b'{"id": "EV_1", "type": "x", "a": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"id": "EV_1", "type": "x", "a": ' + b"9" * 5000 + b"}", id="huge number"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="deeply nested"),
        pytest.param(b'{"id": "' + b"x" * 65 + b'", "type": "x"}', id="id too long"),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused_and_changes_nothing(web: Web, opened: dict[str, Any], body: bytes) -> None:
    with web.nothing_changes():
        answer = hook(web, body, signed(body))
    wire_problem(answer, 422, "invalid_input")


def test_a_huge_webhook_is_refused_and_changes_nothing(web: Web, opened: dict[str, Any]) -> None:
    body = raw(event(client_reference=opened["reference"], padding="x" * 300_000))
    with web.nothing_changes():
        wire_problem(hook(web, body, signed(body)), 413, "body_too_large")


@pytest.mark.parametrize("kind", ["test.test_event", "something.new", "merchant.payment_received", "b2b.payment_failed"])
def test_an_event_of_a_type_that_we_do_not_know_is_kept_and_touches_no_payment(web: Web, opened: dict[str, Any], kind: str) -> None:
    before = web.row(select(Payment))
    body = raw(event(kind, id="T_1"))
    assert hook(web, body, signed(body)).status_code == 200
    assert web.row(select(WebhookEvent)).outcome == "no payment of ours"
    assert web.row(select(Payment)) == before


def test_an_event_for_a_session_that_we_do_not_know_is_kept_and_touches_no_payment(web: Web, opened: dict[str, Any]) -> None:
    before = web.row(select(Payment))
    for data in ({"id": "cos-unknown", "client_reference": "NOTOURS1"}, {"id": 5, "client_reference": ["x"]}, {}):
        body = raw(event(**data))
        assert hook(web, body, signed(body)).status_code == 200
    assert web.row(select(Payment)) == before
    assert len(web.rows(select(WebhookEvent))) == 3
    assert Queue("urgent", connection=redis.client()).count == 0


def test_a_webhook_that_claims_success_for_an_unpaid_session_makes_nobody_paid(web: Web, sandbox: Sandbox, opened: dict[str, Any]) -> None:
    body = raw(event(client_reference=opened["reference"], payment_status="succeeded", checkout_status="complete", transaction_id="T1"))
    hook(web, body, signed(body))
    run_jobs()
    payment = web.row(select(Payment))
    assert (payment.status, payment.paid_at) == ("checkout_open", None)
    assert web.rows(sa.select(Grant)) == []


def test_references_are_short_and_unambiguous(web: Web, opened: dict[str, Any]) -> None:
    assert re.fullmatch(r"[2-9A-HJKMNPR-Z]{8}", opened["reference"])
