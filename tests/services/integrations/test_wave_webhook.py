import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.integrations.wave import WebhookRefused, parse_event, sign, verify_webhook

SECRET = "test_WHS_0123456789abcdef"
SIGNED_AT = datetime.fromtimestamp(1700000000, UTC)
BODY = (
    b'{"id":"EV_test0001","type":"checkout.session.completed","data":{"id":"cos-test0001","amount":"25",'
    b'"checkout_status":"complete","client_reference":"inet-1","currency":"GMD","payment_status":"succeeded",'
    b'"transaction_id":"TTEST000001"}}'
)
V1 = "4a810c2ed10506bb1ee200fe47ad31e1c851a73cb8db7d88dac3deeefb765b16"
V1_WITH_DOT = "ea501926f0098f2d9b557d1067a452e77352376148a87216b7ba1d23fea0ecee"
V1_EMPTY = "4eff104195dd1634f59b3827138ce895197b2687a4d5764f83d9cb7022327d63"


def verify(signature=None, *, authorization=None, body=BODY, secrets=(SECRET,), now=SIGNED_AT):
    verify_webhook(body=body, signature=signature, authorization=authorization, secrets=secrets, now=now)


def reason(*args, **kwargs) -> str:
    with pytest.raises(WebhookRefused) as refused:
        verify(*args, **kwargs)
    return refused.value.reason_code


def test_the_dossiers_vectors():
    assert len(BODY) == 233
    assert sign(SECRET, "1700000000", BODY) == V1
    assert sign(SECRET, "1700000000", b"") == V1_EMPTY
    verify(f"t=1700000000,v1={V1}")
    verify(f"t=1700000000,v1={V1_EMPTY}", body=b"")
    assert reason(f"t=1700000000,v1={V1_WITH_DOT}") == "mismatch"


def test_any_of_several_digests_and_secrets_may_match():
    verify(f"t=1700000000, v1={'0' * 64}, v1={V1}")
    verify(f"t=1700000000,v1={V1.upper()}", secrets=("old-secret", "", SECRET))


def test_a_changed_body_or_secret_does_not_match():
    assert reason(f"t=1700000000,v1={V1}", body=BODY + b" ") == "mismatch"
    assert reason(f"t=1700000000,v1={V1}", secrets=("another",)) == "mismatch"
    assert reason(f"t=1700000001,v1={V1}") == "mismatch"


@pytest.mark.parametrize(("seconds", "outcome"), [(300, None), (301, "stale"), (-30, None), (-31, "future"), (86400, "stale")])
def test_the_time_window_is_300_seconds_back_and_30_ahead(seconds, outcome):
    now = SIGNED_AT + timedelta(seconds=seconds)
    if outcome is None:
        verify(f"t=1700000000,v1={V1}", now=now)
    else:
        assert reason(f"t=1700000000,v1={V1}", now=now) == outcome


@pytest.mark.parametrize(
    "header", ["", "t=1700000000", f"v1={V1}", f"t=x,v1={V1}", f"t=1,t=2,v1={V1}", "t=1700000000,v1=zz", "x" * 5000, f"t=١,v1={V1}"]
)
def test_other_headers_are_malformed(header):
    assert reason(header) == "malformed"


def test_a_shared_secret_is_accepted_as_a_bearer_token():
    verify(authorization=f"Bearer {SECRET}")
    verify(authorization=f"bearer {SECRET}", secrets=("new", SECRET))
    assert reason(authorization="Bearer wrong") == "mismatch"
    assert reason(authorization=f"Basic {SECRET}") == "malformed"
    assert reason(authorization="Bearer ключ\ud800") == "mismatch"


def test_a_wrong_signature_is_not_healed_by_a_right_token():
    assert reason(f"t=1700000000,v1={V1_WITH_DOT}", authorization=f"Bearer {SECRET}") == "mismatch"


def test_without_proof_or_without_a_secret_nothing_is_accepted():
    assert reason() == "missing"
    assert reason(f"t=1700000000,v1={V1}", secrets=()) == "no_secret"
    assert reason(authorization="Bearer ", secrets=("",)) == "no_secret"


@given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()), st.binary())
def test_no_chance_header_is_accepted(signature, authorization, body):
    with pytest.raises(WebhookRefused):
        verify(signature, authorization=authorization, body=body)


def test_a_session_event_names_session_reference_and_transaction():
    event = parse_event(BODY)
    assert (event.id, event.type) == ("EV_test0001", "checkout.session.completed")
    assert (event.session_id, event.client_reference, event.transaction_id) == ("cos-test0001", "inet-1", "TTEST000001")
    assert event.raw == json.loads(BODY)


def test_a_payment_outside_checkout_names_its_transaction_only():
    event = parse_event(b'{"id":"EV_2","type":"merchant.payment_received","data":{"id":"T_46","amount":"25"}}')
    assert (event.session_id, event.client_reference, event.transaction_id) == (None, None, "T_46")


@pytest.mark.parametrize("data", [None, [], "x", {}, {"id": 7, "client_reference": "a\u0000b", "transaction_id": ""}])
def test_unknown_types_and_odd_data_are_tolerated(data):
    event = parse_event(json.dumps({"id": "AE_1", "type": "brand.new", "data": data, "more": 1}).encode())
    assert (event.type, event.session_id, event.client_reference, event.transaction_id) == ("brand.new", None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"{}",
        b'{"id":"EV_1"}',
        b'{"id":"","type":"t"}',
        b'{"id":1,"type":"t"}',
        b'{"id":"EV 1","type":"t"}',
        b'{"id":"EV_\\ud800","type":"t"}',
        b'{"id":"EV_1","type":"t","data":NaN}',
        b'{"a":' * 50_000,
        b'{"id":"' + b"x" * 65 + b'","type":"t"}',
    ],
)
def test_nonsense_is_a_value_error(body):
    with pytest.raises(ValueError):  # noqa: PT011 - the json module words it
        parse_event(body)


@given(st.binary())
def test_no_bytes_break_the_parser(body):
    with suppress(ValueError):
        parse_event(body)
