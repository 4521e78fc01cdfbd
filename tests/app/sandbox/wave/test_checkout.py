from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from ..harness import CREATE, WAVE_KEY, PortalStub, SandboxClient, make_config, running_sandbox

Sandbox = SandboxClient


def test_the_same_create_call_twice_makes_two_sessions_even_with_an_idempotency_key(sandbox: Sandbox) -> None:
    headers = WAVE_KEY | {"Idempotency-Key": "once"}
    first, second = (sandbox.post("/v1/checkout/sessions", json=CREATE, headers=headers).json() for _ in range(2))
    found = sandbox.get("/v1/checkout/sessions/search", params={"client_reference": "inet-pay-1"}, headers=WAVE_KEY).json()
    assert [session["id"] for session in found["result"]] == [first["id"], second["id"]]


def test_a_fresh_session_is_open_and_launches_on_the_sandboxs_own_address(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    assert (session["checkout_status"], session["payment_status"]) == ("open", "processing")
    assert session["wave_launch_url"] == f"{sandbox.base_url}/c/{session['id']}"
    assert session["transaction_id"] is session["when_completed"] is session["last_payment_error"] is None


def test_an_unknown_reference_finds_an_empty_list_and_an_unknown_session_404(sandbox: Sandbox) -> None:
    found = sandbox.get("/v1/checkout/sessions/search", params={"client_reference": "nobody"}, headers=WAVE_KEY)
    assert found.json() == {"result": []}
    missing = sandbox.get("/v1/checkout/sessions/cos-none", headers=WAVE_KEY)
    assert (missing.status_code, missing.json()["code"]) == (404, "checkout-session-not-found")


@pytest.mark.parametrize("amount", [25, "0", "0.00", "-1", "+1", "01", "1,000", "1.234", ".5", "1.", "٣", "", None])
def test_an_amount_that_is_not_waves_notation_is_refused(sandbox: Sandbox, amount: object) -> None:
    response = sandbox.post("/v1/checkout/sessions", json=CREATE | {"amount": amount}, headers=WAVE_KEY)
    assert response.status_code == 400
    assert response.json()["details"][0]["loc"] == ["amount"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "XOF"),
        ("success_url", "http://portal.example.gm/ok"),
        ("error_url", "ftp://127.0.0.1/"),
        ("client_reference", "x" * 256),
        ("restrict_payer_mobile", "3012345"),
        ("aggregated_merchant_id", "am-1"),
    ],
)
def test_a_field_that_breaks_waves_rules_is_named(sandbox: Sandbox, field: str, value: str) -> None:
    response = sandbox.post("/v1/checkout/sessions", json=CREATE | {field: value}, headers=WAVE_KEY)
    assert (response.status_code, response.json()["code"]) == (400, "request-validation-error")
    assert response.json()["details"][0]["loc"] == [field]


def test_plain_http_is_allowed_on_the_loopback_only(sandbox: Sandbox) -> None:
    for host in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080"):
        sandbox.open_session(success_url=f"http://{host}/ok", error_url=f"http://{host}/ko")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing-auth-header"),
        ("Basic abc", "invalid-auth"),
        ("Bearer", "api-key-not-provided"),
        ("Bearer wrong", "no-matching-api-key"),
    ],
)
def test_a_wrong_key_is_refused_with_its_code(sandbox: Sandbox, header: str | None, code: str) -> None:
    response = sandbox.get("/v1/balance", headers={"Authorization": header} if header else {})
    assert (response.status_code, response.json()["code"]) == (401, code)


def test_a_revoked_key_and_a_foreign_address_are_switches(sandbox: Sandbox) -> None:
    for code, status in (("api-key-revoked", 401), ("ip-not-allowed", 403)):
        sandbox.control("wave/mode", {"auth_error": code})
        response = sandbox.get("/v1/balance", headers=WAVE_KEY)
        assert (response.status_code, response.json()["code"]) == (status, code)
    sandbox.control("wave/mode", {"auth_error": None})
    assert sandbox.get("/v1/balance", headers=WAVE_KEY).status_code == 200


def test_a_failed_attempt_leaves_the_session_open_for_a_later_success(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    failed = sandbox.control("wave/pay", {"session_id": session["id"], "outcome": "fail", "error_code": "blocked-account"})
    assert (failed["checkout_status"], failed["last_payment_error"]["code"]) == ("open", "blocked-account")
    paid = sandbox.control("wave/pay", {"client_reference": "inet-pay-1", "outcome": "succeed"})
    assert (paid["checkout_status"], paid["payment_status"]) == ("complete", "succeeded")
    by_transaction = sandbox.get("/v1/checkout/sessions", params={"transaction_id": paid["transaction_id"]}, headers=WAVE_KEY)
    assert by_transaction.json() == paid == sandbox.get_session(session["id"])


def test_a_session_is_paid_once(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    sandbox.control("wave/pay", {"session_id": session["id"], "outcome": "succeed"})
    again = sandbox.post("/_control/wave/pay", json={"session_id": session["id"], "outcome": "succeed"})
    assert again.status_code == 409
    assert len(sandbox.state()["payments"]) == 1


def test_a_payer_the_session_is_not_for_is_refused_and_the_old_form_of_the_right_number_is_not(sandbox: Sandbox) -> None:
    session = sandbox.open_session(restrict_payer_mobile="+220833012345")
    body = {"session_id": session["id"], "outcome": "succeed"}
    refused = sandbox.control("wave/pay", body | {"payer_mobile": "+220877012345"})
    assert refused["last_payment_error"]["code"] == "payer-mobile-mismatch"
    assert sandbox.control("wave/pay", body | {"payer_mobile": "+2203012345"})["payment_status"] == "succeeded"


def test_time_alone_expires_a_session_and_tells_nobody(sandbox: Sandbox, portal: PortalStub) -> None:
    session = sandbox.open_session()
    sandbox.control("clock", {"advance_seconds": 1799})
    assert sandbox.get_session(session["id"])["checkout_status"] == "open"
    sandbox.control("clock", {"advance_seconds": 2})
    expired = sandbox.get_session(session["id"])
    assert (expired["checkout_status"], expired["payment_status"]) == ("expired", "cancelled")
    assert expired["when_completed"] == expired["when_expires"] == session["when_expires"]
    assert sandbox.state()["wave"]["webhooks"] == portal.webhooks == []


def test_expire_answers_with_an_empty_200_then_409_and_ends_the_payers_chance(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    address = f"/v1/checkout/sessions/{session['id']}/expire"
    first = sandbox.post(address, headers=WAVE_KEY)
    assert (first.status_code, first.content) == (200, b"")
    assert sandbox.post(address, headers=WAVE_KEY).status_code == 409
    late = sandbox.post("/_control/wave/pay", json={"session_id": session["id"], "outcome": "succeed"})
    assert late.status_code == 409


def test_a_paid_session_cannot_be_expired(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    sandbox.control("wave/pay", {"session_id": session["id"], "outcome": "succeed"})
    assert sandbox.post(f"/v1/checkout/sessions/{session['id']}/expire", headers=WAVE_KEY).status_code == 409


def test_a_refund_asked_three_times_moves_money_once(sandbox: Sandbox) -> None:
    session = sandbox.open_session(amount="100")
    sandbox.control("wave/pay", {"session_id": session["id"], "outcome": "succeed"})
    assert sandbox.get("/v1/balance", headers=WAVE_KEY).json() == {"amount": "99", "currency": "GMD"}
    for _ in range(3):
        response = sandbox.post(f"/v1/checkout/sessions/{session['id']}/refund", headers=WAVE_KEY)
        assert (response.status_code, response.content) == (200, b"")
    wave = sandbox.state()["wave"]
    assert [(refund["amount"], refund["requests"]) for refund in wave["refunds"]] == [("100", 3)]
    assert [(row["amount"], row["fee"], row["is_reversal"]) for row in wave["transactions"]] == [
        ("99", "1", False),
        ("-99", "-1", True),
    ]
    assert sandbox.get("/v1/balance", headers=WAVE_KEY).json()["amount"] == "0"


def test_an_unpaid_session_cannot_be_refunded_and_a_refund_can_be_made_to_fail(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    address = f"/v1/checkout/sessions/{session['id']}/refund"
    assert sandbox.post(address, headers=WAVE_KEY).json()["code"] == "checkout-refund-failed"
    sandbox.control("wave/pay", {"session_id": session["id"], "outcome": "succeed"})
    sandbox.control("wave/mode", {"refund_fails": True})
    assert sandbox.post(address, headers=WAVE_KEY).json()["code"] == "checkout-refund-failed"


def test_transactions_come_in_pages_with_net_amounts(sandbox: Sandbox) -> None:
    sandbox.control("wave/mode", {"page_size": 2})
    for amount in ("25", "0.50", "150.25"):
        session = sandbox.open_session(amount=amount)
        sandbox.control("wave/pay", {"session_id": session["id"], "outcome": "succeed"})
    foreign = sandbox.control("wave/foreign-payment", {"amount": "10"})
    day = foreign["timestamp"][:10]
    items, after = [], ""
    while True:
        page = sandbox.get("/v1/transactions", params={"date": day, "after": after}, headers=WAVE_KEY).json()
        items += page["items"]
        after = page["page_info"]["end_cursor"]
        if not page["page_info"]["has_next_page"]:
            break
    assert [(item["amount"], item["fee"]) for item in items] == [("24", "1"), ("0.00", "0.50"), ("148.25", "2"), ("9", "1")]
    assert items[-1]["transaction_type"] == "merchant_payment"
    assert sandbox.get("/v1/transactions", params={"date": "2001-01-01"}, headers=WAVE_KEY).json()["items"] == []


def test_a_row_of_the_list_can_be_shown_with_another_sum_or_not_at_all(sandbox: Sandbox) -> None:
    rows = [sandbox.control("wave/foreign-payment", {"amount": amount}) for amount in ("25", "30")]
    day = rows[0]["timestamp"][:10]
    sandbox.control("wave/transaction", {"transaction_id": rows[0]["transaction_id"], "gross": "20"})
    sandbox.control("wave/transaction", {"transaction_id": rows[1]["transaction_id"], "vanished": True})
    items = sandbox.get("/v1/transactions", params={"date": day}, headers=WAVE_KEY).json()["items"]
    assert [(item["amount"], item["fee"]) for item in items] == [("19", "1")]


def test_a_key_with_request_signing_takes_signed_requests_only(tmp_path: Path) -> None:
    with running_sandbox(make_config(tmp_path, router_count=0, wave_signing_secret="aks")) as sandbox:
        body, t = json.dumps(CREATE).encode(), "1700000000"
        good = hmac.new(b"aks", t.encode() + body, hashlib.sha256).hexdigest()
        answers = [
            sandbox.post("/v1/checkout/sessions", content=body, headers=WAVE_KEY | extra).status_code
            for extra in ({}, {"Wave-Signature": f"t={t},v1={good[::-1]}"}, {"Wave-Signature": f"t={t},v1={good}"})
        ]
    assert answers == [401, 401, 200]
