"""Outgoing calls speak to the configured host and nobody else, whatever an answer says (OWASP ASVS 5.0 V1.5, V13.2, V15)."""

import time

import pytest

from app.outbound import OutboundError, OutcomeUnknown, Unavailable
from services.integrations.portabilling import RestPortaBilling, SoapPortaBilling
from services.integrations.sms import SmsClient
from services.integrations.wave import WaveClient
from tests.services.integrations.conftest import ScriptedServer, wsdl


@pytest.fixture
def trap():
    """A server inside that nobody configured: a request that reaches it has been forged for somebody else."""
    scripted = ScriptedServer()
    yield scripted
    scripted.close()
    assert scripted.got == []


def elsewhere(trap):
    # The same machine under a name that is not configured.
    return trap.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def soap(porta, tmp_path):
    client = SoapPortaBilling(porta.server.url, user="inet", password="right", cache_dir=tmp_path, timeout_seconds=1.0, read_attempts=1)
    yield client
    client.close()


def _calls(url, tmp_path):
    billing = {"user": "inet", "password": "right", "cache_dir": tmp_path, "timeout_seconds": 1.0, "read_attempts": 1}
    return {
        "wave": (client := WaveClient(url, "key", timeout_seconds=1.0), lambda: client.get_session("cos-1")),
        "sms": (texts := SmsClient(url.replace("//", "//u:p@") + "/m", timeout_seconds=1.0), lambda: texts.send(to="+2201", text="x")),
        "soap": (one := SoapPortaBilling(url, **billing), lambda: one.get_account("1")),
        "rest": (two := RestPortaBilling(url, **billing), lambda: two.get_account("1")),
    }


@pytest.mark.parametrize("name", ["wave", "sms", "soap", "rest"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(server, make, trap, tmp_path, name, status):
    server.handler = lambda _: make.Reply(status, b"", {"Location": elsewhere(trap) + "/latest/meta-data/"})
    calls = _calls(server.url, tmp_path)
    with pytest.raises(OutboundError):
        calls[name][1]()
    for client, _ in calls.values():
        client.close()


def test_a_wsdl_that_names_another_host_gets_no_call_there(porta, soap, make, trap):
    porta.wsdl_reply = make.Reply(200, wsdl("Session", elsewhere(trap) + "/soap/", False), {"Content-Type": "text/xml"})
    with pytest.raises(Unavailable):
        soap.get_account("1")


def test_a_wsdl_that_imports_from_another_host_is_not_followed(porta, soap, make, trap):
    plain = wsdl("Session", porta.server.url + "/soap/", False)
    imported = f'<import namespace="urn:x" location="{elsewhere(trap)}/x.wsdl"/>'.encode()
    at = (
        plain.index(b">", plain.index(b"<definitions")) + 1
        if b"<definitions" in plain
        else plain.index(b">", plain.index(b"definitions")) + 1
    )
    porta.wsdl_reply = make.Reply(200, plain[:at] + imported + plain[at:], {"Content-Type": "text/xml"})
    with pytest.raises(OutboundError):
        soap.get_account("1")


def _hostile(trap):
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return {
        "a file": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        "a web address": f'<!DOCTYPE x [<!ENTITY e SYSTEM "{elsewhere(trap)}/e">]>',
        "an outside document type": f'<!DOCTYPE x SYSTEM "{elsewhere(trap)}/x.dtd">',
        "a parameter entity": f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{elsewhere(trap)}/p">%p;]>',
        "a billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}<!ENTITY e "&l11;">]>',
        "a quadratic blow-up": f'<!DOCTYPE x [<!ENTITY e "{"a" * 50_000}">]>',
    }


@pytest.mark.parametrize("name", list(_hostile(type("T", (), {"url": ""}))))
def test_a_hostile_answer_is_refused_unread_and_at_once(porta, soap, make, trap, name):
    bomb = _hostile(trap)[name].encode() + make.soap_reply("<x>" + "&e;" * 50 + "</x>").body.split(b"?>", 1)[1]
    porta.will("get_account_info", make.Reply(200, bomb, {"Content-Type": "text/xml"}))
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown) as refused:
        soap.get_account("1")
    assert time.monotonic() - began < 2
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize("name", list(_hostile(type("T", (), {"url": ""}))))
def test_a_hostile_wsdl_is_refused_too(porta, soap, make, trap, name):
    porta.wsdl_reply = make.Reply(200, _hostile(trap)[name].encode() + b"<definitions>&e;</definitions>", {"Content-Type": "text/xml"})
    with pytest.raises(Unavailable):
        soap.get_account("1")
