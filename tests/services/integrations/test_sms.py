from urllib.parse import parse_qs

import pytest

from app.outbound import OutcomeUnknown, Refused, Unavailable, recording
from services.integrations.sms import SmsClient, SmsReceipt, SmsRefused

TO = "+220833012345"


@pytest.fixture
def sms(server):
    client = SmsClient(server.url.replace("//", "//inet:se%2Fcret@") + "/version1/messaging", timeout_seconds=0.5)
    yield client
    client.close()


def recipients(status: object, **more: object) -> dict:
    row = {"statusCode": status, "number": TO, "status": "x", "cost": "GMD 0.8000", "messageId": "ATXid_1"} | more
    return {"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: GMD 0.8000", "Recipients": [row]}}


@pytest.mark.parametrize("status", [100, 101, 102, "101"])
def test_a_text_is_sent_as_the_dossier_says(server, make, sms, status):
    server.will(make.as_json(recipients(status), 201))
    assert sms.send(to=TO, text="Your code: 123456 & more") == SmsReceipt("ATXid_1", "GMD 0.8000")
    got = server.got[0]
    assert (got.method, got.path, got.headers["apiKey"]) == ("POST", "/version1/messaging", "se/cret")
    assert got.headers["Accept"] == "application/json"
    form = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
    assert form == {"username": "inet", "to": TO, "message": "Your code: 123456 & more", "bulkSMSMode": "1"}


def test_a_sender_id_is_sent_when_there_is_one(server, make):
    client = SmsClient(server.url.replace("//", "//u:p@") + "/m", sender_id="INET")
    server.will(make.as_json(recipients(101)))
    client.send(to=TO, text="x")
    assert b"from=INET" in server.got[0].body
    client.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "RiskHold", "configuration"),
        (402, "InvalidSenderId", "configuration"),
        (403, "InvalidPhoneNumber", "number"),
        (404, "UnsupportedNumberType", "number"),
        (405, "InsufficientBalance", "configuration"),
        (406, "UserInBlacklist", "opt_out"),
        (407, "CouldNotRoute", "number"),
        (409, "DoNotDisturbRejection", "opt_out"),
    ],
)
def test_final_refusals_of_a_recipient(server, make, sms, status, code, kind):
    server.will(make.as_json(recipients(status), 201))
    with pytest.raises(SmsRefused) as refused:
        sms.send(to=TO, text="x")
    assert (refused.value.code, refused.value.kind) == (code, kind)
    assert TO not in repr(refused.value)


@pytest.mark.parametrize("status", [500, 501, 502])
def test_the_gateways_own_troubles_mean_not_sent_but_later_perhaps(server, make, sms, status):
    server.will(make.as_json(recipients(status), 201))
    with pytest.raises(Unavailable):
        sms.send(to=TO, text="x")
    assert len(server.got) == 1


def test_a_whole_refusal_comes_with_a_2xx_and_without_recipients(server, make, sms):
    server.will(make.as_json({"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}, 201))
    with pytest.raises(SmsRefused) as refused:
        sms.send(to=TO, text="x")
    assert (refused.value.code, refused.value.kind) == ("InvalidSenderId", "configuration")


def test_a_bad_key_is_refused_in_plain_text(server, make, sms):
    server.will(make.Reply(401, b"The supplied authentication se/cret is invalid", {"Content-Type": "text/plain"}))
    with pytest.raises(Refused) as refused:
        sms.send(to=TO, text="x")
    assert refused.value.code == "http_401"
    assert "se/cret" not in refused.value.message


@pytest.mark.parametrize(
    "broken",
    [
        lambda make: make.Reply(ends="dropped"),
        lambda make: make.Reply(ends="hung"),
        lambda make: make.Reply(502, make.html),
        lambda make: make.Reply(200, make.html),
        lambda make: make.Reply(201, b""),
        lambda make: make.as_json({}),
        lambda make: make.as_json({"SMSMessageData": {"Recipients": None}}),
        lambda make: make.as_json(recipients(777)),
        lambda make: make.as_json(recipients(None)),
        lambda make: make.as_json({"SMSMessageData": {"Recipients": ["x"]}}),
    ],
)
def test_an_unclear_answer_is_unknown_and_never_repeated(server, make, sms, broken):
    server.will(broken(make))
    with recording() as calls, pytest.raises(OutcomeUnknown):
        sms.send(to=TO, text="x")
    assert len(server.got) == 1
    assert [(call.service, call.operation, call.outcome) for call in calls] == [("sms", "send", "unknown")]


def test_too_many_requests_is_unavailable(server, make, sms):
    server.will(make.Reply(429, b"", {"Retry-After": "30"}))
    with pytest.raises(Unavailable) as refused:
        sms.send(to=TO, text="x")
    assert refused.value.retry_after == 30


def test_a_refused_connection_means_not_sent(nobody_url):
    client = SmsClient(nobody_url.replace("//", "//u:p@"))
    with pytest.raises(Unavailable):
        client.send(to=TO, text="x")


@pytest.mark.parametrize("url", ["", "http://host/x", "http://user@host/x", "ftp://u:secret@host/x", "http://:secret@host"])
def test_an_incomplete_address_is_named_without_being_quoted(url):
    with pytest.raises(ValueError, match="username:apikey@host") as refused:
        SmsClient(url)
    assert "secret" not in str(refused.value)
