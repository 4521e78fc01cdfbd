from __future__ import annotations

from typing import Any

from .harness import SandboxClient

SEND = {"username": "inet", "to": "+220833000001", "message": "Your key is 123456", "bulkSMSMode": "1"}


def send(sandbox: SandboxClient, key: str = "sandbox", **fields: str) -> Any:
    return sandbox.post("/version1/messaging", data=SEND | fields, headers={"apiKey": key})


def test_a_sent_message_is_accepted_and_shown_newest_first_to_programs_and_people(sandbox: SandboxClient) -> None:
    answer = send(sandbox)
    (recipient,) = answer.json()["SMSMessageData"]["Recipients"]
    assert (answer.status_code, recipient["statusCode"], recipient["number"]) == (201, 101, "+220833000001")
    send(sandbox, message="second <b>")
    assert [sms["message"] for sms in sandbox.get("/sms").json()] == ["second <b>", "Your key is 123456"]
    page = sandbox.get("/sms", headers={"Accept": "text/html"}).text
    assert "second &lt;b&gt;" in page


def test_each_number_gets_its_own_verdict(sandbox: SandboxClient) -> None:
    sandbox.control("sms/mode", {"reject_seven_digits": True})
    recipients = send(sandbox, to="+2203000001,+220833000001,nonsense").json()["SMSMessageData"]["Recipients"]
    assert [recipient["statusCode"] for recipient in recipients] == [403, 101, 403]
    assert len(sandbox.get("/sms").json()) == 1


def test_a_wrong_key_is_401_in_plain_text(sandbox: SandboxClient) -> None:
    answer = send(sandbox, key="wrong")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    assert sandbox.get("/sms").json() == []


def test_the_gateway_can_run_out_of_money(sandbox: SandboxClient) -> None:
    sandbox.control("sms/mode", {"status_code": 405})
    (recipient,) = send(sandbox).json()["SMSMessageData"]["Recipients"]
    assert (recipient["status"], recipient["messageId"]) == ("InsufficientBalance", "None")


def test_the_newer_json_form_is_taken_too(sandbox: SandboxClient) -> None:
    body = {"username": "inet", "message": "hello", "senderId": "INET", "phoneNumbers": ["+220833000001"]}
    assert sandbox.post("/version1/messaging/bulk", json=body, headers={"apiKey": "sandbox"}).status_code == 201
    assert sandbox.state()["sms"][0]["sender"] == "INET"
