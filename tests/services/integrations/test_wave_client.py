import json
from datetime import UTC, date, datetime

import pytest

from app.correlation import correlated
from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, Unavailable, recording
from services.integrations.wave import WaveClient, from_wave_amount, sign, to_wave_amount

KEY = "wave_gm_prod_0123456789abcdef"
SESSION = {
    "id": "cos-18qq25rgr100a",
    "amount": "25",
    "checkout_status": "open",
    "client_reference": "inet-pay-7f3a",
    "currency": "GMD",
    "error_url": "https://portal.example.gm/pay/ko",
    "last_payment_error": None,
    "business_name": "INET",
    "payment_status": "processing",
    "transaction_id": None,
    "aggregated_merchant_id": None,
    "restrict_payer_mobile": None,
    "success_url": "https://portal.example.gm/pay/ok",
    "wave_launch_url": "https://pay.wave.com/c/cos-18qq25rgr100a",
    "when_completed": None,
    "when_created": "2026-11-22T10:13:04Z",
    "when_expires": "2026-11-22T10:43:04Z",
}
PAID = SESSION | {"checkout_status": "complete", "payment_status": "succeeded", "transaction_id": "TCN4Y4ZC3FM"}
ORDER = {
    "amount_bututs": 2500,
    "currency": "GMD",
    "client_reference": "inet-pay-7f3a",
    "success_url": "https://portal.example.gm/pay/ok",
    "error_url": "https://portal.example.gm/pay/ko",
}


@pytest.fixture
def wave(server):
    client = WaveClient(server.url, KEY, timeout_seconds=1.0, breaker=CircuitBreaker("wave", failure_threshold=50))
    yield client
    client.close()


def test_a_checkout_is_created_as_the_dossier_shows_it(server, make, wave):
    server.will(make.as_json(SESSION))
    with correlated("corr-12345678"):
        session = wave.create_session(**ORDER)
    got = server.got[0]
    assert (got.method, got.path) == ("POST", "/v1/checkout/sessions")
    assert json.loads(got.body) == {
        "amount": "25",
        "currency": "GMD",
        "client_reference": "inet-pay-7f3a",
        "success_url": "https://portal.example.gm/pay/ok",
        "error_url": "https://portal.example.gm/pay/ko",
    }
    assert got.headers["Authorization"] == f"Bearer {KEY}"
    assert got.headers["X-Correlation-ID"] == "corr-12345678"
    assert session.amount_bututs == 2500
    assert session.launch_url == "https://pay.wave.com/c/cos-18qq25rgr100a"
    assert session.when_expires == datetime(2026, 11, 22, 10, 43, 4, tzinfo=UTC)
    assert not session.is_paid


@pytest.mark.parametrize(
    "broken",
    [
        lambda make: make.Reply(ends="dropped"),
        lambda make: make.Reply(ends="hung"),
        lambda make: make.Reply(200, json.dumps(SESSION).encode(), ends="short"),
        lambda make: make.Reply(502, make.html, {"Content-Type": "text/html"}),
        lambda make: make.Reply(200, make.html, {"Content-Type": "text/html"}),
        lambda make: make.Reply(403, make.html, {"Content-Type": "text/html"}),
        lambda make: make.Reply(200, b""),
        lambda make: make.Reply(200, b"[]"),
        lambda make: make.Reply(200, b'{"id": "cos-1", "amount": NaN, "currency": "GMD", "checkout_status": "open"}'),
        lambda make: make.Reply(200, b"[" * 100_000),
        lambda make: make.as_json(SESSION | {"amount": "lots"}),
        lambda make: make.as_json({name: value for name, value in SESSION.items() if name != "id"}),
        lambda make: make.Reply(302, b"", {"Location": "/elsewhere"}),
        lambda make: make.as_json({"code": "request-timeout"}, 408),
        lambda make: make.as_json({"code": "internal-server-error"}, 500),
        lambda make: make.as_json({"code": "service-unavailable"}, 503),
        lambda make: make.Reply(504, b""),
    ],
)
def test_a_create_without_a_usable_answer_is_unknown_and_tried_once(server, make, broken):
    wave = WaveClient(server.url, KEY, timeout_seconds=0.3)
    server.will(broken(make), make.as_json(SESSION))
    with pytest.raises(OutcomeUnknown):
        wave.create_session(**ORDER)
    assert len(server.got) == 1
    wave.close()


def test_a_refused_connection_means_that_nothing_happened(nobody_url):
    wave = WaveClient(nobody_url, KEY)
    with pytest.raises(Unavailable):
        wave.create_session(**ORDER)


@pytest.mark.parametrize(("header", "wait"), [({"Retry-After": "7"}, 7.0), ({}, None), ({"Retry-After": "soon"}, None)])
def test_too_many_requests_is_unavailable_with_the_wait_if_one_is_named(server, make, wave, header, wait):
    server.will(make.as_json({"code": "rate-limit"}, 429, **header))
    with pytest.raises(Unavailable) as refused:
        wave.create_session(**ORDER)
    assert refused.value.retry_after == wait


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "request-validation-error", "message": "Request invalid", "details": [{"loc": ["amount"]}]}, "request-validation-error"),
        ({"error": "unauthorized-wallet", "message": "no"}, "unauthorized-wallet"),
        ({"error_code": "invalid-auth", "error_message": "no"}, "invalid-auth"),
        ({}, "http_400"),
        ([], "http_400"),
    ],
)
def test_the_three_error_shapes_are_refusals(server, make, wave, body, code):
    server.will(make.as_json(body, 400))
    with pytest.raises(Refused) as refused:
        wave.create_session(**ORDER)
    assert (refused.value.code, refused.value.http_status) == (code, 400)


@pytest.mark.parametrize("body", [b"", b"go away"])
def test_an_error_without_json_is_a_refusal_all_the_same(server, make, wave, body):
    server.will(make.Reply(403, body, {"Content-Type": "text/plain"}))
    with pytest.raises(Refused) as refused:
        wave.create_session(**ORDER)
    assert refused.value.code == "http_403"


def test_refusals_quote_neither_key_nor_phone(server, make, wave):
    server.will(make.as_json({"code": "no-matching-api-key", "message": f"{KEY} for +220 833 012 345"}, 401))
    with pytest.raises(Refused) as refused:
        wave.create_session(**ORDER)
    words = f"{refused.value} {refused.value.message} {refused.value!r}"
    assert KEY not in words
    assert "833" not in words


@pytest.mark.parametrize("amount", [2550, 1, 0, -2500, 99])
def test_only_whole_positive_dalasi_can_be_asked_for(amount):
    with pytest.raises(ValueError, match="whole dalasi"):
        to_wave_amount(amount)


@pytest.mark.parametrize(("text", "bututs"), [("25", 2500), ("25.00", 2500), ("0.5", 50), ("0.05", 5), ("-99", -9900), (25, 2500)])
def test_amounts_are_read_as_decimals(text, bututs):
    assert from_wave_amount(text) == bututs


@pytest.mark.parametrize("junk", ["", "x", "NaN", "Infinity", "1e999999", "0.005", "1E2", "1_0", "١", " 5", None, True, 2.5, [], "9" * 40])
def test_what_is_no_sum_of_bututs_is_no_amount(junk):
    with pytest.raises(ValueError, match="not an amount"):
        from_wave_amount(junk)


def test_a_session_is_paid_only_with_all_three_signs(server, make, wave):
    variants = [PAID, PAID | {"transaction_id": None}, PAID | {"payment_status": "processing"}, PAID | {"checkout_status": "open"}]
    server.will(*(make.as_json(variant) for variant in variants))
    assert [wave.get_session("cos-1").is_paid for _ in variants] == [True, False, False, False]


def test_unknown_fields_are_ignored_and_optional_ones_may_be_missing(server, make, wave):
    server.will(make.as_json({"id": "cos-1", "amount": "25.00", "currency": "GMD", "checkout_status": "odd", "novelty": [{}]}))
    session = wave.get_session("cos-1")
    assert (session.amount_bututs, session.payment_status, session.when_expires, session.launch_url) == (2500, None, None, None)


def test_the_last_error_is_told_by_its_code(server, make, wave):
    server.will(make.as_json(SESSION | {"last_payment_error": {"code": "insufficient-funds", "message": "..."}}))
    assert wave.get_session("cos-1").last_error_code == "insufficient-funds"


def test_an_unknown_session_is_none(server, make, wave):
    server.will(make.as_json({"code": "checkout-session-not-found", "message": "no"}, 404))
    assert wave.get_session("cos/../x") is None
    assert server.got[0].path == "/v1/checkout/sessions/cos%2F..%2Fx"


def test_a_read_is_repeated_until_wave_answers(server, make, wave):
    server.will(make.Reply(ends="dropped"), make.Reply(502, make.html), make.as_json(SESSION))
    with recording() as calls:
        assert wave.get_session("cos-1").id == SESSION["id"]
    assert [call.outcome for call in calls] == ["unknown", "unknown", "ok"]
    assert {call.operation for call in calls} == {"get_session"}


def test_a_read_gives_up_in_the_end(server, make, wave):
    server.will(*[make.Reply(503, b"")] * 3)
    with pytest.raises(OutcomeUnknown):
        wave.get_session("cos-1")
    assert len(server.got) == 3


def test_a_lost_create_is_found_by_its_reference(server, make, wave):
    server.will(make.as_json({"result": [SESSION, PAID, SESSION | {"client_reference": "inet-pay-7f3ab"}]}))
    found = wave.find_sessions("inet-pay-7f3a")
    assert [session.is_paid for session in found] == [False, True]
    assert server.got[0].path == "/v1/checkout/sessions/search"
    assert server.got[0].query == {"client_reference": "inet-pay-7f3a"}


def test_an_empty_search_is_an_empty_list(server, make, wave):
    server.will(make.as_json({"result": []}))
    assert wave.find_sessions("inet-1") == []


@pytest.mark.parametrize("answer", [{}, [], {"result": None}, {"result": [{"id": "cos-1"}]}])
def test_a_search_that_cannot_be_read_is_never_an_empty_one(server, make, wave, answer):
    server.will(*[make.as_json(answer)] * 3)
    with pytest.raises(OutcomeUnknown):
        wave.find_sessions("inet-1")


def test_expiring_takes_an_empty_answer_and_says_when_it_was_too_late(server, make, wave):
    server.will(make.Reply(200, b""), make.as_json({"code": "already-complete"}, 409))
    assert wave.expire_session("cos-1") is True
    assert wave.expire_session("cos-1") is False
    assert server.got[0].path == "/v1/checkout/sessions/cos-1/expire"


def test_a_refund_takes_an_empty_answer(server, make, wave):
    server.will(make.Reply(200, b""))
    wave.refund_session("cos-1")
    assert (server.got[0].path, server.got[0].body) == ("/v1/checkout/sessions/cos-1/refund", b"")


def test_a_refund_answered_by_a_web_page_is_not_taken_for_done(server, make, wave):
    server.will(make.Reply(200, make.html, {"Content-Type": "text/html"}))
    with pytest.raises(OutcomeUnknown):
        wave.refund_session("cos-1")


@pytest.mark.parametrize("status", [400, 409])
def test_a_refund_that_wave_cannot_make_is_refused(server, make, wave, status):
    server.will(make.as_json({"code": "checkout-refund-failed"}, status))
    with pytest.raises(Refused) as refused:
        wave.refund_session("cos-1")
    assert refused.value.code == "checkout-refund-failed"


def _page(cursor: str | None, *rows: dict) -> dict:
    return {"page_info": {"start_cursor": "a", "end_cursor": cursor, "has_next_page": cursor is not None}, "items": list(rows)}


ROW = {
    "timestamp": "2026-11-22T10:20:00Z",
    "transaction_id": "T1",
    "transaction_type": "api_checkout",
    "amount": "99",
    "fee": "1",
    "currency": "GMD",
    "checkout_api_session_id": "cos-1",
    "counterparty_mobile": "+220833012345",
}


def test_transactions_are_read_page_by_page(server, make, wave):
    refund = {"transaction_id": "T2", "amount": "-99", "currency": "GMD", "is_reversal": True}
    server.will(make.as_json(_page("c1", ROW)), make.as_json(_page(None, refund)))
    first, second = wave.transactions(date(2026, 11, 22))
    assert (first.amount_bututs, first.fee_bututs, first.gross_bututs, first.session_id) == (9900, 100, 10_000, "cos-1")
    assert (second.amount_bututs, second.is_reversal, second.type) == (-9900, True, "")
    assert [got.query for got in server.got] == [{"date": "2026-11-22"}, {"date": "2026-11-22", "after": "c1"}]
    assert "833012345" not in repr(first)


def test_a_page_that_repeats_itself_ends_the_list_with_an_error(server, make, wave):
    server.will(make.as_json(_page("c1", ROW)), make.as_json(_page("c1", ROW)))
    with pytest.raises(OutcomeUnknown, match="twice"):
        list(wave.transactions(date(2026, 11, 22)))


def test_requests_are_signed_when_the_key_demands_it(server, make):
    wave = WaveClient(server.url, KEY, signing_secret="wave_gm_AKS_x", clock=lambda: 1700000000.9)
    server.will(make.as_json(SESSION), make.as_json(SESSION))
    wave.create_session(**ORDER)
    wave.get_session("cos-1")
    for got in server.got:
        assert got.headers["Wave-Signature"] == f"t=1700000000,v1={sign('wave_gm_AKS_x', '1700000000', got.body)}"
    wave.close()


def test_an_open_breaker_spares_wave_and_the_customer(server, make):
    wave = WaveClient(server.url, KEY, breaker=CircuitBreaker("wave", failure_threshold=2, recovery_seconds=60))
    server.will(make.Reply(500, b""), make.Reply(500, b""))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            wave.create_session(**ORDER)
    with pytest.raises(Unavailable, match="circuit open"):
        wave.create_session(**ORDER)
    with pytest.raises(Unavailable, match="circuit open"):
        wave.get_session("cos-1")
    assert len(server.got) == 2
    wave.close()


def test_connections_are_kept_alive(server, make, wave):
    server.will(*[make.as_json(SESSION)] * 5)
    for _ in range(5):
        wave.get_session("cos-1")
    assert len(server.connections) == 1


def test_a_reference_is_escaped_in_the_query(server, make, wave):
    server.will(make.as_json({"result": []}))
    wave.find_sessions("a&b=c d")
    assert server.got[0].query == {"client_reference": "a&b=c d"}
