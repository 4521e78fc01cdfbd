from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path

from app.sandbox.wave.webhooks import sign

from ..harness import PortalStub, Received, SandboxClient, make_config, running_sandbox

SECRET = "test_WHS_0123456789abcdef"
BODY = (
    b'{"id":"EV_test0001","type":"checkout.session.completed","data":{"id":"cos-test0001","amount":"25",'
    b'"checkout_status":"complete","client_reference":"inet-1","currency":"GMD","payment_status":"succeeded",'
    b'"transaction_id":"TTEST000001"}}'
)


def parts(received: Received) -> tuple[int, list[str]]:
    t, *values = received.headers["wave-signature"].split(",")
    return int(t.removeprefix("t=")), [value.removeprefix("v1=") for value in values]


def is_genuine(received: Received, secret: str = "sandbox-wave-webhook-secret") -> bool:
    t, values = parts(received)
    expected = hmac.new(secret.encode(), str(t).encode() + received.body, hashlib.sha256).hexdigest()
    return expected in values and abs(time.time() - t) < 300


def pay(sandbox: SandboxClient, outcome: str = "succeed", reference: str = "inet-pay-1") -> str:
    session = sandbox.open_session(client_reference=reference)
    sandbox.control("wave/pay", {"session_id": session["id"], "outcome": outcome})
    return str(session["id"])


def test_the_signature_is_the_one_of_the_dossiers_vectors() -> None:
    assert len(BODY) == 233
    assert sign(SECRET, 1700000000, BODY) == "4a810c2ed10506bb1ee200fe47ad31e1c851a73cb8db7d88dac3deeefb765b16"
    assert sign(SECRET, 1700000000, b"") == "4eff104195dd1634f59b3827138ce895197b2687a4d5764f83d9cb7022327d63"


def test_a_payment_is_announced_with_a_signature_over_bytes_that_no_serialiser_repeats(sandbox: SandboxClient, portal: PortalStub) -> None:
    session_id = pay(sandbox)
    portal.wait_for(lambda stub: len(stub.webhooks) == 1)
    event = json.loads(portal.webhooks[0].body)
    assert (event["type"], event["data"]["id"]) == ("checkout.session.completed", session_id)
    assert event["data"]["transaction_id"]
    assert is_genuine(portal.webhooks[0])
    assert json.dumps(event).encode() != portal.webhooks[0].body != json.dumps(event, separators=(",", ":")).encode()


def test_an_event_that_is_not_taken_comes_again_with_the_same_id(sandbox: SandboxClient, portal: PortalStub) -> None:
    portal.webhook_statuses += [500, 404, 302]
    pay(sandbox)
    portal.wait_for(lambda stub: len(stub.webhooks) == 4)
    assert len({webhook.body for webhook in portal.webhooks}) == 1
    assert all(is_genuine(webhook) for webhook in portal.webhooks)


def test_sending_ends_after_the_last_attempt(portal: PortalStub, tmp_path: Path) -> None:
    config = make_config(tmp_path, portal_url=portal.url, router_count=0, webhook_max_attempts=2)
    portal.webhook_statuses += [500] * 10
    with running_sandbox(config) as sandbox:
        pay(sandbox)
        portal.wait_for(lambda stub: len(stub.webhooks) == 2)
    with running_sandbox(config) as sandbox:
        (event,) = sandbox.state()["wave"]["webhooks"]
    assert len(event["attempts"]) == len(portal.webhooks) == 2


def test_a_pending_event_outlives_the_sandbox(portal: PortalStub, tmp_path: Path) -> None:
    deaf = make_config(tmp_path, router_count=0, webhook_backoff_seconds=3600)
    with running_sandbox(deaf) as sandbox:
        pay(sandbox)
    with running_sandbox(make_config(tmp_path, portal_url=portal.url, router_count=0)):
        portal.wait_for(lambda stub: len(stub.webhooks) == 1)


def test_a_doubled_event_is_the_same_bytes_twice(sandbox: SandboxClient, portal: PortalStub) -> None:
    sandbox.control("faults", {"service": "wave", "duplicate_webhook_rate": 1})
    pay(sandbox)
    portal.wait_for(lambda stub: len(stub.webhooks) == 2)
    assert portal.webhooks[0].body == portal.webhooks[1].body


def test_a_lost_event_is_never_sent_though_the_money_is_taken(sandbox: SandboxClient, portal: PortalStub) -> None:
    sandbox.control("faults", {"service": "wave", "lose_webhook_rate": 1, "count": 1})
    pay(sandbox, reference="lost")
    pay(sandbox, reference="told")
    portal.wait_for(lambda stub: len(stub.webhooks) == 1)
    assert sandbox.state()["wave"]["webhooks"][0]["state"] == "lost"
    assert json.loads(portal.webhooks[0].body)["data"]["client_reference"] == "told"
    assert len(sandbox.state()["payments"]) == 2


def test_reordered_events_arrive_with_the_failure_after_the_success(sandbox: SandboxClient, portal: PortalStub) -> None:
    sandbox.control("faults", {"service": "wave", "reorder_webhooks": True})
    session = sandbox.open_session()
    for outcome in ("fail", "succeed"):
        sandbox.control("wave/pay", {"session_id": session["id"], "outcome": outcome})
    portal.wait_for(lambda stub: len(stub.webhooks) == 2)
    types = [json.loads(webhook.body)["type"] for webhook in portal.webhooks]
    assert types == ["checkout.session.completed", "checkout.session.payment_failed"]


def test_the_event_can_beat_the_answer_to_create(sandbox: SandboxClient, portal: PortalStub) -> None:
    sandbox.control("wave/mode", {"pay_on_create": "succeed"})
    session = sandbox.open_session()
    assert [json.loads(webhook.body)["data"]["id"] for webhook in portal.webhooks] == [session["id"]]
    assert session["checkout_status"] == "open"


def test_signatures_can_be_doubled_wrong_or_stale(sandbox: SandboxClient, portal: PortalStub) -> None:
    genuine = []
    for number, mode in enumerate(("two_values", "wrong_secret", "stale"), start=1):
        sandbox.control("wave/mode", {"webhook_signing": mode})
        sandbox.control("wave/event", {"type": "some.unknown_event"})
        portal.wait_for(lambda stub, number=number: len(stub.webhooks) == number)  # type: ignore[misc]
        genuine.append((len(parts(portal.webhooks[-1])[1]), is_genuine(portal.webhooks[-1])))
    assert genuine == [(2, True), (1, False), (1, False)]


def test_money_from_outside_any_checkout_is_announced_as_such(sandbox: SandboxClient, portal: PortalStub) -> None:
    sandbox.control("wave/foreign-payment", {"amount": "10", "sender_mobile": "+2203012345"})
    portal.wait_for(lambda stub: len(stub.webhooks) == 1)
    event = json.loads(portal.webhooks[0].body)
    assert (event["type"], event["data"]["sender_mobile"]) == ("merchant.payment_received", "+2203012345")


def test_several_secrets_make_several_signatures(portal: PortalStub, tmp_path: Path) -> None:
    config = make_config(tmp_path, portal_url=portal.url, router_count=0, wave_webhook_secret="old,new")
    with running_sandbox(config) as sandbox:
        pay(sandbox)
        portal.wait_for(lambda stub: len(stub.webhooks) == 1)
    assert is_genuine(portal.webhooks[0], "old")
    assert is_genuine(portal.webhooks[0], "new")
