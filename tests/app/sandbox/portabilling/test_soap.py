"""The SOAP wire, as zeep meets it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import requests
from zeep import Client, Settings
from zeep.exceptions import Fault
from zeep.transports import Transport

from ..harness import SandboxClient

ACCOUNT = {"i_customer": 1, "id": "9000000002", "billing_model": -1, "i_product": 1, "opening_balance": "3.00000"}
ENVELOPE = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{}</e:Body></e:Envelope>'


class Porta:
    """zeep clients of one sandbox."""

    def __init__(self, sandbox: SandboxClient, http: requests.Session) -> None:
        self._base, self._transport = str(sandbox.base_url).rstrip("/"), Transport(session=http, operation_timeout=10)
        self.account = self.client("Account")
        self.session = self.client("Session")

    def client(self, service: str) -> Any:
        address = f"{self._base}/wsdl/{service}AdminService.wsdl"
        return Client(address, transport=self._transport, settings=Settings(strict=False)).service

    def login(self) -> dict[str, Any]:
        answer = self.session.login(login="inet", password="sandbox-portabilling")
        return {"auth_info": {"session_id": answer.session_id}}


@pytest.fixture
def porta(sandbox: SandboxClient) -> Any:
    with requests.Session() as http:
        http.trust_env = False
        yield Porta(sandbox, http)


def test_zeep_loads_the_wsdls_and_adds_reads_and_charges_an_account(porta: Porta) -> None:
    header = porta.login()
    i_account = porta.account.add_account(account_info=ACCOUNT, _soapheaders=header)
    info = porta.account.get_account_info(id="9000000002", _soapheaders=header)
    assert (info.i_account, info.balance, info.billing_model) == (i_account, "3.00000", -1)
    charged = porta.account.make_transaction(
        i_account=i_account, action="Manual charge", amount="1", visible_comment="ref-1", _soapheaders=header
    )
    assert charged.balance == "2.00000"
    listed = porta.account.get_xdr_list(i_account=i_account, limit=10, _soapheaders=header)
    assert [row.visible_comment for row in listed.xdr_list] == ["ref-1"]
    assert porta.client("Customer").get_customer_info(i_customer=1, _soapheaders=header).name == "INET Wi-Fi"


def test_not_found_is_none_and_not_a_fault(porta: Porta) -> None:
    assert porta.account.get_account_info(id="nobody", _soapheaders=porta.login()) is None


def test_faults_carry_their_dotted_code(porta: Porta, sandbox: SandboxClient) -> None:
    def code_of(call: Any, **params: object) -> str:
        with pytest.raises(Fault) as caught:
            call(**params)
        return str(caught.value.code)

    assert code_of(porta.session.login, login="inet", password="wrong") == "Server.Session.auth_failed"
    assert code_of(porta.account.get_account_info, id="x") == "Client.check_auth.envelope_missed"
    header = porta.login()
    porta.account.add_account(account_info=ACCOUNT, _soapheaders=header)
    assert code_of(porta.account.add_account, account_info=ACCOUNT, _soapheaders=header) == "Server.Account.duplicate_id"
    sandbox.control("portabilling/expire-sessions")
    assert code_of(porta.account.get_account_info, id="x", _soapheaders=header) == "Server.Session.check_auth.auth_failed"


def test_an_answer_holds_elements_that_the_wsdl_does_not_know(porta: Porta, sandbox: SandboxClient) -> None:
    header = porta.login()
    porta.account.add_account(account_info=ACCOUNT, _soapheaders=header)
    body = ENVELOPE.format("<get_account_info><id>9000000002</id></get_account_info>").replace(
        "<e:Body>", f"<e:Header><auth_info><session_id>{header['auth_info']['session_id']}</session_id></auth_info></e:Header><e:Body>"
    )
    answer = sandbox.post("/soap/", content=body)
    assert "<x_release>" in answer.text
    assert "get_account_infoResponse" in answer.text


def test_a_lost_answer_leaves_the_account_behind(porta: Porta, sandbox: SandboxClient) -> None:
    header = porta.login()
    fault = {"service": "portabilling", "drop_response_rate": 1, "operations": ["add_account"], "count": 1}
    sandbox.control("faults", fault)
    with pytest.raises(requests.exceptions.ConnectionError):
        porta.account.add_account(account_info=ACCOUNT, _soapheaders=header)
    assert porta.account.get_account_info(id="9000000002", _soapheaders=header).balance == "3.00000"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not xml",
        "<a/>",
        ENVELOPE.format(""),
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        ENVELOPE.format("<drop_table/>"),
        ENVELOPE.format("<add_account>text</add_account>"),
    ],
)
def test_what_is_not_a_call_faults_with_500_and_never_breaks(sandbox: SandboxClient, body: str) -> None:
    answer: httpx.Response = sandbox.post("/soap/", content=body)
    assert answer.status_code == 500
    assert "<faultcode>Client" in answer.text
