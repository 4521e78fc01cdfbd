import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.correlation import correlated
from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, Unavailable, recording
from services.integrations.portabilling import (
    DuplicateAccount,
    LoginRefused,
    Operation,
    PortaAccount,
    RestPortaBilling,
    SoapPortaBilling,
    Vocabulary,
)
from services.integrations.portabilling.mapping import from_porta_amount, to_porta_amount, to_porta_moment

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VOUCHER = {
    "account_id": "90000000012",
    "opening_balance_bututs": 300,
    "i_customer": 1,
    "i_product": 1,
    "currency": "GMD",
    "activation": NOON,
    "expiration": NOON + timedelta(days=30),
    "batch": "INET-2026-11",
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=[SoapPortaBilling, RestPortaBilling], ids=["soap", "rest"])
def connect(request, tmp_path):
    """Opens a client of either kind: every behaviour below holds for both."""
    opened = []

    def build(porta, **options):
        defaults = {"user": "inet", "password": "right", "cache_dir": tmp_path / "wsdl", "timeout_seconds": 1.0}
        breaker = CircuitBreaker("portabilling", failure_threshold=50)
        opened.append(request.param(porta.server.url, **(defaults | {"breaker": breaker} | options)))
        return opened[-1]

    yield build
    for client in opened:
        client.close()


@pytest.fixture
def soap(porta, tmp_path):
    client = SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path, timeout_seconds=1.0)
    yield client
    client.close()


def test_a_voucher_is_issued_read_blocked_and_freed(porta, connect):
    billing = connect(porta)
    issued = billing.issue_voucher(**VOUCHER)
    assert issued == PortaAccount(501, "90000000012", 300, 300, False, None, "INET-2026-11", 1)
    billing.set_blocked(issued.i_account, True)
    read = billing.get_account("90000000012")
    assert read == PortaAccount(501, "90000000012", 300, 300, True, "open", "INET-2026-11", 1)
    billing.set_blocked(issued.i_account, False)
    assert not billing.get_account("90000000012").blocked
    assert porta.logins == 1


def test_the_account_is_sent_in_portabillings_own_notation(porta, connect):
    connect(porta).issue_voucher(**(VOUCHER | {"activation": NOON.astimezone(timezone(timedelta(hours=2)))}))
    name, params = porta.calls[-1]
    sent = {key: str(value) for key, value in params["account_info"].items()}
    assert name == "add_account"
    assert sent == {
        "i_customer": "1",
        "id": "90000000012",
        "billing_model": "-1",
        "i_product": "1",
        "iso_4217": "GMD",
        "opening_balance": "3.00000",
        "activation_date": "2026-11-22 12:00:00",
        "expiration_date": "2026-12-22 12:00:00",
        "batch_name": "INET-2026-11",
    }


def test_an_account_that_does_not_exist_is_none(porta, connect):
    assert connect(porta).get_account("90000000099") is None


def test_new_fields_of_a_later_release_are_ignored(porta, connect):
    porta.extra = True
    billing = connect(porta)
    billing.issue_voucher(**VOUCHER)
    assert billing.get_account("90000000012").i_account == 501


def test_an_expired_session_in_the_middle_costs_one_log_in_and_nothing_else(porta, connect):
    billing = connect(porta)
    billing.ping()
    porta.sessions.clear()
    with recording() as calls:
        billing.issue_voucher(**VOUCHER)
    assert porta.logins == 2
    assert [(call.operation, call.outcome) for call in calls] == [
        ("add_account", "refused"),
        ("login", "ok"),
        ("add_account", "ok"),
    ]
    assert len(porta.accounts) == 1


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("Server.Session.check_auth.auth_failed", "session is unknown"),
        ("Client.check_auth.envelope_missed", "no auth_info"),
        ("Client.Session.check_auth.failed_to_process_jwt", "bad token"),
        ("Client.Session.check_auth.failed_to_process_access_token", "bad token"),
        ("Server", "Authentification failed"),
    ],
)
def test_every_known_auth_fault_leads_to_one_new_log_in(porta, connect, make, code, text):
    billing = connect(porta)
    porta.will("get_account_info", make.PortaFault(code, text))
    assert billing.get_account("90000000012") is None
    assert (porta.logins, porta.count("get_account_info")) == (2, 2)


def test_a_session_refused_twice_is_not_tried_a_third_time(porta, connect, make):
    billing = connect(porta)
    fault = make.PortaFault("Server.Session.check_auth.auth_failed", "unknown")
    porta.will("add_account", fault, fault)
    with pytest.raises(LoginRefused):
        billing.issue_voucher(**VOUCHER)
    assert (porta.logins, porta.count("add_account")) == (2, 2)


def test_a_wrong_password_is_tried_once_a_minute(porta, connect):
    clock = Clock()
    billing = connect(porta, password="wrong", clock=clock)
    for _ in range(3):
        with pytest.raises(LoginRefused) as refused:
            billing.issue_voucher(**VOUCHER)
        assert refused.value.code == "Server.Session.auth_failed"
    assert porta.logins == 1
    clock.now += 59.9
    with pytest.raises(LoginRefused):
        billing.ping()
    assert porta.logins == 1
    clock.now += 0.2
    porta.password = "wrong"
    billing.ping()
    assert porta.logins == 2


def test_the_brute_force_lock_holds_us_back_as_well(porta, connect, make):
    porta.will("login", make.PortaFault("Server.Session.cannot_login_brute_force_activity", "locked"))
    billing = connect(porta, clock=Clock())
    for _ in range(2):
        with pytest.raises(LoginRefused):
            billing.get_account("90000000012")
    assert porta.count("login") == 1


def test_a_token_is_used_instead_of_a_password(porta, connect):
    billing = connect(porta, password=None, token="right")
    billing.ping()
    assert porta.calls[0] == ("login", {"login": "inet", "token": "right"})


def test_without_password_and_token_there_is_no_client(porta, connect):
    with pytest.raises(ValueError, match="password or a token"):
        connect(porta, password=None)


def test_threads_that_see_the_session_expire_share_one_new_log_in(porta, connect):
    billing = connect(porta)
    billing.issue_voucher(**VOUCHER)
    porta.sessions.clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: billing.get_account("90000000012"), range(16)))
    assert {account.i_account for account in found} == {501}
    assert porta.logins == 2


def test_a_log_in_without_an_answer_leaves_the_operation_certainly_undone(porta, connect, make):
    porta.will("login", make.Reply(ends="dropped"))
    with pytest.raises(Unavailable):
        connect(porta).issue_voucher(**VOUCHER)
    assert porta.accounts == {}


@pytest.mark.parametrize(
    ("code", "text"),
    [("Server.Account.duplicate_id", "taken"), ("Client.Account.x", "Account 90000000012 already exists"), ("A.b", "Duplicate id")],
)
def test_a_taken_id_is_a_duplicate_and_is_not_quoted(porta, connect, make, code, text):
    porta.will("add_account", make.PortaFault(code, text))
    with pytest.raises(DuplicateAccount) as refused:
        connect(porta).issue_voucher(**VOUCHER)
    assert "90000000012" not in f"{refused.value!r} {refused.value.message}"


def test_a_second_voucher_with_the_same_id_is_refused(porta, connect):
    billing = connect(porta)
    billing.issue_voucher(**VOUCHER)
    with pytest.raises(DuplicateAccount):
        billing.issue_voucher(**VOUCHER)


def test_other_faults_are_refusals_with_their_code(porta, connect, make):
    porta.will("update_account", make.PortaFault("Server.check_access.denied", "Access already denied"))
    with pytest.raises(Refused) as refused:
        connect(porta).set_blocked(501, True)
    assert not isinstance(refused.value, DuplicateAccount)
    assert (refused.value.code, refused.value.http_status) == ("Server.check_access.denied", 500)


def broken_replies(make):
    xml = {"Content-Type": "text/xml"}
    return {
        "dropped": make.Reply(ends="dropped"),
        "hung": make.Reply(ends="hung"),
        "short": make.Reply(200, b"<x/>", ends="short"),
        "502 html": make.Reply(502, make.html, {"Content-Type": "text/html"}),
        "500 html": make.Reply(500, make.html, {"Content-Type": "text/html"}),
        "200 html": make.Reply(200, make.html, {"Content-Type": "text/html"}),
        "200 well-formed html": make.Reply(200, b"<html><body><p/></body></html>", {"Content-Type": "text/html"}),
        "404 html": make.Reply(404, make.html, {"Content-Type": "text/html"}),
        "redirect": make.Reply(302, b"", {"Location": "/elsewhere"}),
        "empty": make.Reply(200, b"", xml),
        "empty 500": make.Reply(500, b"", xml),
        "bare fault": make.PortaFault("Server", "Internal Server Error"),
        "transient fault": make.PortaFault("SOAP-ENV:Server", "Could not connect to host"),
    }


BROKEN = [
    "dropped",
    "hung",
    "short",
    "502 html",
    "500 html",
    "200 html",
    "200 well-formed html",
    "404 html",
    "redirect",
    "empty",
    "empty 500",
    "bare fault",
    "transient fault",
]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_write_without_a_usable_answer_is_unknown_and_tried_once(porta, connect, make, kind):
    billing = connect(porta, timeout_seconds=0.3)
    billing.ping()
    porta.will("add_account", broken_replies(make)[kind])
    with pytest.raises(OutcomeUnknown):
        billing.issue_voucher(**VOUCHER)
    assert porta.count("add_account") == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        '<p:add_accountResponse xmlns:p="http://schemas.portaone.com/soap"/>',
        '<p:add_accountResponse xmlns:p="http://schemas.portaone.com/soap"><i_account>many</i_account></p:add_accountResponse>',
        '<p:add_accountResponse xmlns:p="http://schemas.portaone.com/soap"><q>7</q></p:add_accountResponse>',
    ],
)
def test_a_soap_answer_without_a_number_is_unknown(porta, soap, make, body):
    porta.will("add_account", make.soap_reply(body))
    with pytest.raises(OutcomeUnknown):
        soap.issue_voucher(**VOUCHER)


def test_truncated_xml_is_not_repaired_into_a_wrong_number(porta, soap, make):
    whole = make.soap_reply(
        '<p:add_accountResponse xmlns:p="http://schemas.portaone.com/soap"><i_account>12345</i_account></p:add_accountResponse>'
    )
    cut = whole.body[: whole.body.index(b"12345") + 2]
    porta.will("add_account", make.Reply(200, cut, whole.headers))
    with pytest.raises(OutcomeUnknown):
        soap.issue_voucher(**VOUCHER)


def test_truncated_xml_is_not_taken_for_an_account_that_does_not_exist(porta, soap, make):
    whole = make.soap_reply('<p:get_account_infoResponse xmlns:p="http://schemas.portaone.com/soap"></p:get_account_infoResponse>')
    cut = make.Reply(200, whole.body[:-30], whole.headers)
    porta.will("get_account_info", cut, cut, cut)
    with pytest.raises(OutcomeUnknown):
        soap.get_account("90000000012")


def test_an_account_in_an_unknown_shape_is_not_taken_for_none(porta, soap, make):
    odd = '<p:get_account_infoResponse xmlns:p="http://schemas.portaone.com/soap"><p:info><p:id>9</p:id></p:info></p:get_account_infoResponse>'
    porta.will("get_account_info", *[make.soap_reply(odd)] * 3)
    with pytest.raises(OutcomeUnknown):
        soap.get_account("90000000012")


def test_a_fault_with_http_200_is_a_fault(porta, soap, make):
    fault = "<s:Fault><faultcode>Client.Account.bad</faultcode><faultstring>no</faultstring></s:Fault>"
    porta.will("add_account", make.soap_reply(fault))
    with pytest.raises(Refused) as refused:
        soap.issue_voucher(**VOUCHER)
    assert (refused.value.code, refused.value.http_status) == ("Client.Account.bad", 200)


def test_an_answer_with_a_document_type_is_not_read(porta, soap, make):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + make.soap_reply("<x>&a;</x>").body.split(b"?>", 1)[1]
    porta.will("add_account", make.Reply(200, bomb, {"Content-Type": "text/xml"}))
    with pytest.raises(OutcomeUnknown):
        soap.issue_voucher(**VOUCHER)


def test_another_account_than_the_one_asked_for_is_not_adopted(porta, connect):
    billing = connect(porta, read_attempts=1)
    billing.issue_voucher(**VOUCHER)
    porta.accounts["9%"] = porta.accounts["90000000012"]
    with pytest.raises(OutcomeUnknown):
        billing.get_account("9%")


def test_a_lost_answer_leaves_a_voucher_that_can_be_found(porta, connect, make):
    billing = connect(porta)
    porta.done_but_lost.add("add_account")
    porta.will("add_account", make.Reply(ends="dropped"))
    with pytest.raises(OutcomeUnknown):
        billing.issue_voucher(**VOUCHER)
    assert billing.get_account("90000000012").opening_balance_bututs == 300


def test_a_read_is_repeated_when_the_wire_fails(porta, connect, make):
    billing = connect(porta)
    porta.will("get_account_info", make.Reply(ends="dropped"), make.Reply(502, make.html))
    assert billing.get_account("90000000012") is None
    assert porta.count("get_account_info") == 3


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "9"}, 9.0), ({}, None)])
def test_too_many_requests_is_unavailable(porta, connect, make, headers, wait):
    porta.will("add_account", make.Reply(429, b"", headers))
    with pytest.raises(Unavailable) as refused:
        connect(porta).issue_voucher(**VOUCHER)
    assert refused.value.retry_after == wait


def test_a_host_that_refuses_connections_is_unavailable(nobody_url, tmp_path):
    for billing in (
        SoapPortaBilling(nobody_url, user="u", password="p", cache_dir=tmp_path),
        RestPortaBilling(nobody_url, user="u", password="p"),
    ):
        with pytest.raises(Unavailable):
            billing.issue_voucher(**VOUCHER)
        assert billing.warm_up() is False


def test_a_host_that_is_gone_after_the_start_is_unavailable(porta, connect):
    billing = connect(porta)
    billing.ping()
    porta.server.close()
    with pytest.raises(Unavailable):
        billing.issue_voucher(**VOUCHER)


def test_a_charge_carries_its_comment_and_is_found_by_it(porta, connect):
    billing = connect(porta)
    billing.charge(i_account=501, amount_bututs=250, comment="payment 7f3a")
    (found,) = billing.list_xdrs(i_account=501, from_at=NOON - timedelta(days=1), to_at=NOON)
    assert (found.amount_bututs, found.comment, found.at) == (250, "payment 7f3a", datetime(2026, 11, 22, 10, tzinfo=UTC))
    assert porta.calls[1][1]["action"] == "Manual charge"
    with pytest.raises(ValueError, match="positive"):
        billing.charge(i_account=501, amount_bututs=0, comment="x")


def test_no_transactions_are_an_empty_list_and_many_come_in_pages(porta, connect):
    billing = connect(porta)
    span = {"i_account": 501, "from_at": NOON - timedelta(days=1), "to_at": NOON}
    assert billing.list_xdrs(**span) == []
    porta.xdrs = [{"i_xdr": str(n), "charged_amount": "1.00000", "visible_comment": None} for n in range(1, 251)]
    assert [xdr.i_xdr for xdr in billing.list_xdrs(**span)] == [str(n) for n in range(1, 251)]


def test_pinging_an_expired_session_logs_in_again(porta, connect):
    billing = connect(porta)
    billing.ping()
    porta.sessions.clear()
    billing.ping()
    assert (porta.logins, porta.count("ping")) == (2, 2)


def test_a_session_that_belongs_to_nobody_is_renewed(porta, connect):
    porta.user_id = 0
    connect(porta).ping()
    assert porta.logins == 2


def test_a_wsdl_that_declares_a_header_in_answers_changes_nothing(porta, soap):
    porta.answers_have_header = True
    assert soap.issue_voucher(**VOUCHER).i_account == 501
    assert soap.get_account("90000000012").batch == "INET-2026-11"
    assert soap.get_account("90000000013") is None


def test_calls_are_recorded_correlated_and_kept_alive(porta, connect):
    billing = connect(porta)
    assert billing.warm_up() is True
    before = len(porta.server.connections)
    with correlated("corr-12345678"), recording() as calls:
        for _ in range(4):
            billing.get_account("90000000012")
    assert [(call.service, call.operation, call.outcome) for call in calls] == [("portabilling", "get_account_info", "ok")] * 4
    assert porta.server.got[-1].headers["X-Correlation-ID"] == "corr-12345678"
    assert len(porta.server.connections) == before


def test_the_breaker_opens_on_failures_but_not_on_refusals(porta, connect, make):
    breaker = CircuitBreaker("portabilling", failure_threshold=2, recovery_seconds=60)
    billing = connect(porta, breaker=breaker)
    for _ in range(3):
        porta.will("update_account", make.PortaFault("Server.Account.nope", "no"))
        with pytest.raises(Refused):
            billing.set_blocked(1, True)
    assert breaker.state == "closed"
    porta.will("update_account", make.Reply(502, make.html), make.Reply(502, make.html))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            billing.set_blocked(1, True)
    with pytest.raises(Unavailable, match="circuit open"):
        billing.get_account("90000000012")


def test_names_can_be_changed_in_one_place(porta):
    names = Vocabulary(get_account=Operation("Voucher", "get_account_info", "account_info"))
    billing = RestPortaBilling(porta.server.url, user="inet", password="right", names=names)
    billing.get_account("90000000012")
    assert porta.server.got[-1].path == "/rest/Voucher/get_account_info"
    billing.close()


def test_a_wsdl_without_our_method_or_field_is_a_refusal_before_anything_is_sent(porta, tmp_path):
    names = Vocabulary(update_account=Operation("Account", "block_voucher"), charge=Operation("Session", "ping"))
    billing = SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path, names=names)
    billing.ping()
    seen = len(porta.calls)
    with pytest.raises(Refused, match="wsdl_mismatch"):
        billing.set_blocked(501, True)
    with pytest.raises(Refused, match="wsdl_mismatch"):
        billing.charge(i_account=501, amount_bututs=100, comment="x")
    assert len(porta.calls) == seen


def test_the_session_travels_in_the_soap_header(porta, soap):
    soap.get_account("90000000012")
    body = porta.server.got[-1].body
    assert b'auth_info xmlns:p="http://schemas.portaone.com/soap"><session_id>session1</session_id>' in body
    assert porta.server.got[-1].headers["SOAPAction"] == '"get_account_info"'


def _wsdl_requests(porta) -> int:
    return sum(got.method == "GET" for got in porta.server.got)


def test_the_wsdl_is_fetched_once_and_kept_for_the_next_process(porta, tmp_path):
    for _ in range(2):
        billing = SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path)
        billing.get_account("90000000012")
        billing.get_account("90000000013")
        billing.close()
    assert _wsdl_requests(porta) == 2  # one each for Session and Account


def test_an_old_copy_of_the_wsdl_serves_while_the_host_has_none(porta, tmp_path, make):
    SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path).ping()
    for copy in tmp_path.iterdir():
        os.utime(copy, (0, 0))
    porta.wsdl_reply = make.Reply(502, make.html)
    SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path).ping()


def test_a_useless_copy_of_the_wsdl_is_replaced(porta, tmp_path):
    SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path).ping()
    for copy in tmp_path.iterdir():
        copy.write_bytes(b"<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'><import/></definitions>")
    SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path).ping()
    assert _wsdl_requests(porta) == 2


def test_a_disk_that_keeps_nothing_is_no_obstacle(porta, tmp_path):
    (tmp_path / "file").write_text("in the way")
    SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path / "file").ping()


@pytest.mark.parametrize("kind", ["html", "cut", "missing"])
def test_a_bad_wsdl_is_unavailable_is_not_kept_and_heals(porta, tmp_path, make, kind):
    replies = {"html": make.Reply(200, make.html), "cut": make.Reply(200, b"<definitions><types>"), "missing": make.Reply(404, b"")}
    porta.wsdl_reply = replies[kind]
    billing = SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path, read_attempts=1)
    with pytest.raises(Unavailable, match="WSDL"):
        billing.issue_voucher(**VOUCHER)
    porta.wsdl_reply = None
    billing.issue_voucher(**VOUCHER)


def test_amounts_and_moments():
    assert [to_porta_amount(n) for n in (300, 5, 0, 12345)] == ["3.00000", "0.05000", "0.00000", "123.45000"]
    assert [from_porta_amount(v) for v in ("3.00000", "-1.5", 2, "0.00499", "0.005")] == [300, -150, 200, 0, 1]
    for junk in ("", "x", "NaN", "1e9", True, None, [], "9" * 30):
        with pytest.raises(ValueError, match="not an amount"):
            from_porta_amount(junk)
    with pytest.raises(ValueError, match="negative"):
        to_porta_amount(-1)
    with pytest.raises(ValueError, match="time zone"):
        to_porta_moment(datetime(2026, 1, 1), Vocabulary())


def test_a_warm_call_costs_little_of_our_cpu(porta, connect):
    billing = connect(porta)
    billing.issue_voucher(**VOUCHER)
    costs = []
    for _ in range(40):
        start = time.thread_time()
        billing.get_account("90000000012")
        costs.append((time.thread_time() - start) * 1000)
    median = sorted(costs)[len(costs) // 2]
    assert median < 6, f"{type(billing).__name__} takes {median:.2f} ms a call"
