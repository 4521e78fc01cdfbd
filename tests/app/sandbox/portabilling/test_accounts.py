"""The billing methods over the JSON wire, whose answers show everything."""

from __future__ import annotations

from typing import Any

import pytest

from ..harness import SandboxClient

ACCOUNT = {
    "i_customer": 1,
    "id": "9000000001",
    "billing_model": 0,
    "i_product": 1,
    "iso_4217": "GMD",
    "opening_balance": "25",
    "activation_date": "2026-11-22T10:00:00",
}


class Rest:
    """A logged-in client of the JSON wire."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self._sandbox = sandbox
        self._token = "none"
        self._token = self.ok("Session", "login", login="inet", password="sandbox-portabilling")["access_token"]

    def call(self, service: str, method: str, **params: object) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        response = self._sandbox.post(f"/rest/{service}/{method}", json={"params": params}, headers=headers)
        return response.status_code, response.json()

    def ok(self, service: str, method: str, **params: object) -> Any:
        status, body = self.call(service, method, **params)
        assert status == 200, body
        return body

    def fault(self, service: str, method: str, **params: object) -> str:
        status, body = self.call(service, method, **params)
        assert status == 500
        return str(body["faultcode"])

    def add(self, **fields: object) -> int:
        return int(self.ok("Account", "add_account", account_info=ACCOUNT | fields)["i_account"])


@pytest.fixture
def rest(sandbox: SandboxClient) -> Rest:
    return Rest(sandbox)


def test_an_added_account_reads_back_in_portabillings_notation(rest: Rest) -> None:
    i_account = rest.add()
    info = rest.ok("Account", "get_account_info", id="9000000001")["account_info"]
    assert (info["i_account"], info["balance"], info["blocked"]) == (i_account, "25.00000", "N")
    assert info["activation_date"] == "2026-11-22 10:00:00"
    assert "batch_name" not in info


def test_what_is_not_found_is_an_empty_answer(rest: Rest) -> None:
    assert rest.ok("Account", "get_account_info", id="nobody") == {}
    assert rest.ok("Customer", "get_customer_info", i_customer=2) == {}


def test_an_id_is_unique_for_ever_even_after_termination(rest: Rest) -> None:
    i_account = rest.add()
    assert rest.fault("Account", "add_account", account_info=ACCOUNT) == "Server.Account.duplicate_id"
    rest.ok("Account", "terminate_account", i_account=i_account)
    assert rest.fault("Account", "add_account", account_info=ACCOUNT) == "Server.Account.duplicate_id"


@pytest.mark.parametrize("wrong", [{"i_customer": 2}, {"i_product": 9}, {"opening_balance": "-1"}, {"iso_4217": "XOF"}, {"id": ""}])
def test_a_wrong_field_faults_and_adds_nothing(rest: Rest, sandbox: SandboxClient, wrong: dict[str, object]) -> None:
    assert rest.fault("Account", "add_account", account_info=ACCOUNT | wrong) == "Client.Account.add_account.invalid_value"
    assert sandbox.state()["vouchers"] == []


def test_a_blocked_account_stays_readable_and_can_be_unblocked(rest: Rest) -> None:
    i_account = rest.add()
    for flag in ("Y", "Y", "N"):
        rest.ok("Account", "update_account", account_info={"i_account": i_account, "blocked": flag})
        assert rest.ok("Account", "get_account_info", i_account=i_account)["account_info"]["blocked"] == flag


def test_a_terminated_account_is_readable_but_every_change_faults(rest: Rest) -> None:
    i_account = rest.add()
    rest.ok("Account", "terminate_account", i_account=i_account)
    assert rest.ok("Account", "get_account_info", i_account=i_account)["account_info"]["bill_status"] == "C"
    changes: list[tuple[str, dict[str, object]]] = [
        ("update_account", {"account_info": {"i_account": i_account, "blocked": "N"}}),
        ("make_transaction", {"i_account": i_account, "action": "Manual charge", "amount": "1"}),
        ("terminate_account", {"i_account": i_account}),
    ]
    assert {rest.fault("Account", method, **params) for method, params in changes} == {"Server.Account.terminated"}


def test_charges_are_kept_with_their_comment_and_payments_are_not_among_them(rest: Rest, sandbox: SandboxClient) -> None:
    i_account = rest.add()
    rest.add(id="free", opening_balance="0")
    for action in ("Manual charge", "Manual payment"):
        rest.ok("Account", "make_transaction", i_account=i_account, action=action, amount="5", visible_comment="inet-pay-1")
    charges = [(row["kind"], row["amount"], row["visible_comment"]) for row in sandbox.state()["charges"]]
    assert charges == [("opening_balance", "25.00000", "9000000001"), ("manual_charge", "5.00000", "inet-pay-1")]
    listed = rest.ok("Account", "get_xdr_list", i_account=i_account, limit=100)["xdr_list"]
    assert [row["charged_amount"] for row in listed] == ["5.00000", "-5.00000"]
    assert listed[0]["visible_comment"] == listed[0]["CLD"] == "inet-pay-1"


def test_make_transaction_asked_twice_charges_twice(rest: Rest) -> None:
    i_account = rest.add()
    params = {"i_account": i_account, "action": "Manual charge", "amount": "5", "visible_comment": "same"}
    balances = [rest.ok("Account", "make_transaction", **params)["balance"] for _ in range(2)]
    assert balances == ["20.00000", "15.00000"]


def test_lists_are_paged_and_searched(rest: Rest) -> None:
    for number in range(5):
        rest.add(id=f"W{number}.x")
    page = rest.ok("Account", "get_account_list", id="W%", limit=2, offset=3, get_total=1)
    assert ([row["id"] for row in page["account_list"]], page["total"]) == (["W3.x", "W4.x"], 5)
    assert rest.ok("Account", "get_account_list", id="W_.x")["account_list"] == []


def test_form_fields_are_understood_too(rest: Rest, sandbox: SandboxClient) -> None:
    rest.add()
    session = rest.ok("Session", "login", login="inet", password="sandbox-portabilling")["session_id"]
    form = {"auth_info": f'{{"session_id": "{session}"}}', "params": '{"id": "9000000001"}'}
    assert sandbox.post("/rest/Account/get_account_info", data=form).json()["account_info"]["id"] == "9000000001"


def test_without_a_session_nothing_is_told(sandbox: SandboxClient) -> None:
    answer = sandbox.post("/rest/Account/get_account_info", json={"params": {"id": "x"}})
    assert (answer.status_code, answer.json()["faultcode"]) == (500, "Client.check_auth.envelope_missed")


def test_many_wrong_passwords_lock_out_the_right_one_for_a_while(rest: Rest, sandbox: SandboxClient) -> None:
    for _ in range(5):
        assert rest.fault("Session", "login", login="inet", password="wrong") == "Server.Session.auth_failed"
    right = {"login": "inet", "password": "sandbox-portabilling"}
    assert rest.fault("Session", "login", **right) == "Server.Session.cannot_login_brute_force_activity"
    sandbox.control("clock", {"advance_seconds": 61})
    assert rest.ok("Session", "login", **right)["session_id"]


def test_a_session_ends_by_inactivity_by_log_out_and_by_decree(rest: Rest, sandbox: SandboxClient) -> None:
    def fresh() -> str:
        return str(rest.ok("Session", "login", login="inet", password="sandbox-portabilling")["session_id"])

    idle = fresh()
    assert rest.ok("Session", "ping", session_id=idle)["user_id"] == 1
    sandbox.control("clock", {"advance_seconds": 3601})
    assert rest.ok("Session", "ping", session_id=idle)["user_id"] == 0
    left = fresh()
    rest.ok("Session", "logout", session_id=left)
    assert rest.ok("Session", "ping", session_id=left)["user_id"] == 0
    ended = fresh()
    sandbox.control("portabilling/expire-sessions")
    assert rest.ok("Session", "ping", session_id=ended)["user_id"] == 0
    assert rest.fault("Account", "get_account_info", id="x") == "Client.Session.check_auth.failed_to_process_jwt"
