"""Refunds over HTTP: a service's wish waits for a person, and a wish under one key is done once."""

from __future__ import annotations

import json

import pytest
from sqlmodel import Session, col, select

from app import redis
from app.db import transaction
from services.accounts.access_tokens import read
from services.accounts.models import Role
from services.payments.models import Payment, PaymentStatus, Refund, RefundState
from tests.app.api.asking import Api, Headers, refusal

REASON = {"reason": "The router at his place is down"}


@pytest.fixture
def payment(api: Api) -> Payment:
    with transaction() as session:
        return _one(session, PaymentStatus.SERVED)


def _one(session: Session, status: PaymentStatus) -> Payment:
    return session.exec(select(Payment).where(Payment.status == status).order_by(col(Payment.amount_bututs))).all()[0]


def address(payment: Payment) -> str:
    return f"/api/v1/payments/{payment.reference}/refund"


def asked(api: Api, payment: Payment, who: Headers | None = None) -> int:
    answer = api.http.post(address(payment), json=REASON, headers=who or api.service("payments:refund"))
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_what_a_service_asks_for_waits_for_a_person_and_is_asked_for_once(api: Api, payment: Payment) -> None:
    who = api.service("payments:refund") | {"Idempotency-Key": "one-refund-please"}
    body = REASON | {"amount": payment.amount_bututs}
    first, again = (api.http.post(address(payment), json=body, headers=who) for _ in range(2))
    assert (first.status_code, first.json()["state"], first.json()["decided_by"]) == (201, "asked", None)
    assert (again.status_code, again.json()) == (201, first.json())
    assert first.headers["location"] == f"/api/v1/refunds/{first.json()['id']}"
    assert first.headers["etag"]
    assert payment.public_id not in first.text
    refusal(api.http.post(address(payment), json=REASON, headers=who), 422, "idempotency_mismatch")
    refusal(api.http.post(address(payment), json=REASON, headers=api.service("payments:refund")), 409, "refund_waits")
    with transaction() as session:
        assert len(session.exec(select(Refund).where(Refund.payment_id == payment.id)).all()) == 1
        assert session.get_one(Payment, payment.id).status is PaymentStatus.SERVED


def test_a_senseless_wish_is_refused_at_its_field(api: Api, payment: Payment) -> None:
    who = api.service("payments:refund")
    whole = payment.amount_bututs
    for wrong, field in (
        ({"reason": ""}, "reason"),
        ({"reason": "   x   "}, "reason"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 0.5}, "amount"),
        ({"amount": "100"}, "amount"),
        ({"amount": whole + 1}, "amount"),
        ({"amount": whole - 1}, "amount"),
        ({"everything": True}, "everything"),
    ):
        answer = api.http.post(address(payment), json=REASON | wrong, headers=who)
        assert field in json.dumps(refusal(answer, 422)["errors"]), (wrong, answer.text)
    refusal(api.http.post("/api/v1/payments/NOSUCH22/refund", json=REASON, headers=who), 404)
    with transaction() as session:
        unpaid, given_back = _one(session, PaymentStatus.EXPIRED), _one(session, PaymentStatus.REFUNDED)
        assert not session.exec(select(Refund).where(Refund.payment_id == payment.id)).all()
    refusal(api.http.post(address(unpaid), json=REASON, headers=who), 409, "nothing_paid")
    refusal(api.http.post(address(given_back), json=REASON, headers=who), 409, "already_refunded")


def test_a_person_agrees_to_what_was_read_and_after_a_fresh_proof(api: Api, payment: Payment) -> None:
    refund_id = asked(api, payment)
    officer, one = api.staff(Role.BILLING_OFFICER), f"/api/v1/refunds/{refund_id}"
    read_ = api.http.get(one, headers=officer)
    tag = {"If-Match": read_.headers["etag"]}
    refusal(api.http.post(f"{one}/approve", headers=officer), 428)
    refusal(api.http.post(f"{one}/approve", headers=officer | {"If-Match": '"older"'}), 412)
    stale = api.staff(Role.BILLING_OFFICER)
    redis.client().hset(_session_key(stale), "proven", "1")
    refusal(api.http.post(f"{one}/approve", headers=stale | tag), 403, "fresh_proof_needed")
    keyed = officer | tag | {"Idempotency-Key": "one-agreement-only"}
    done, again = (api.http.post(f"{one}/approve", headers=keyed) for _ in range(2))
    assert (done.status_code, done.json()["state"]) == (200, "requested"), done.text
    assert done.json() == again.json()
    assert done.headers["etag"] != tag["If-Match"]
    refusal(api.http.post(f"{one}/approve", headers=officer | {"If-Match": "*"}), 409, "refund_not_waiting")
    refusal(api.http.post(f"{one}/retry", headers=officer | {"If-Match": "*"}), 409, "refund_not_failed")


def _session_key(who: Headers) -> str:
    from app.clock import utc_now

    return f"staff-session:{read(who['Authorization'].removeprefix('Bearer '), now=utc_now())}"


def test_a_declined_one_says_why_and_may_be_asked_for_again(api: Api, payment: Payment) -> None:
    refund_id = asked(api, payment)
    officer, one = api.staff(Role.BILLING_OFFICER), f"/api/v1/refunds/{refund_id}"
    refusal(api.http.post(f"{one}/decline", json={"note": " "}, headers=officer | {"If-Match": "*"}), 422)
    answer = api.http.post(f"{one}/decline", json={"note": "It was used up"}, headers=officer | {"If-Match": "*"})
    assert (answer.json()["state"], answer.json()["decision_note"]) == ("declined", "It was used up")
    assert asked(api, payment) > refund_id


def test_nobody_decides_about_their_own_and_no_service_decides_at_all(api: Api, payment: Payment) -> None:
    from services.payments.models import RefundRule

    with transaction() as session:
        session.get_one(RefundRule, Role.BILLING_OFFICER).alone_bututs = 0
    officer = api.staff(Role.BILLING_OFFICER)
    one = f"/api/v1/refunds/{asked(api, payment, officer)}"
    refusal(api.http.post(f"{one}/approve", headers=officer | {"If-Match": "*"}), 403, "own_refund")
    service = api.service("payments:refund", "money:read") | {"If-Match": "*"}
    refusal(api.http.post(f"{one}/approve", headers=service), 403, "forbidden")
    refusal(api.http.post(f"{one}/decline", json={"note": "Mine"}, headers=service), 403, "forbidden")
    refusal(api.http.get(one, headers=api.service("payments:refund")), 403, "forbidden")


def test_what_wave_refused_is_sent_again(api: Api, payment: Payment) -> None:
    refund_id, officer = _refused(api, payment), api.staff(Role.BILLING_OFFICER)
    refusal(api.http.post(f"/api/v1/refunds/{refund_id}/retry", headers=officer | {"If-Match": '"older"'}), 412)
    answer = api.http.post(f"/api/v1/refunds/{refund_id}/retry", headers=officer | {"If-Match": "*"})
    assert (answer.status_code, answer.json()["state"]) == (200, "requested"), answer.text


def _refused(api: Api, payment: Payment) -> int:
    """One that Wave was asked for and did not give."""
    refund_id = asked(api, payment)
    agreed = api.http.post(f"/api/v1/refunds/{refund_id}/approve", headers=api.staff(Role.BILLING_OFFICER) | {"If-Match": "*"})
    assert agreed.status_code == 200, agreed.text
    with transaction() as session:
        refund = session.get_one(Refund, refund_id)
        refund.state, refund.decision_note = RefundState.FAILED, "Wave refused: checkout-refund-failed"
    return refund_id


def test_one_that_wave_refused_is_said_to_be_paid_out_once_under_one_key(api: Api, payment: Payment) -> None:
    one, officer = f"/api/v1/refunds/{_refused(api, payment)}/pay-out", api.staff(Role.BILLING_OFFICER)
    body = {"how": "Cash at the office, receipt 1041"}
    refusal(api.http.post(one, json=body, headers=officer | {"If-Match": '"older"'}), 412)
    refusal(api.http.post(one, json={"how": " "}, headers=officer | {"If-Match": "*"}), 422)
    keyed = officer | {"If-Match": "*", "Idempotency-Key": "paid-in-cash-1041"}
    done, again = (api.http.post(one, json=body, headers=keyed) for _ in range(2))
    assert (done.status_code, done.json()["state"], done.json()["decision_note"]) == (200, "paid_out", body["how"]), done.text
    assert done.json()["paid_out_by"].startswith("staff:")
    assert done.json() == again.json()
    refusal(api.http.post(one, json=body, headers=officer | {"If-Match": "*"}), 409, "refund_not_failed")
    with transaction() as session:
        assert session.get_one(Payment, payment.id).status is PaymentStatus.REFUNDED


def test_the_list_is_narrowed_and_paged(api: Api, payment: Payment) -> None:
    refund_id = asked(api, payment)
    who = api.service("money:read")
    everything = list(api.every("/api/v1/refunds", who, limit=1))
    assert everything[0]["id"] == refund_id
    assert len({one["id"] for one in everything}) == len(everything) == 3
    found = api.get("/api/v1/refunds", who, state=["asked", "failed"])["items"]
    assert [(one["id"], one["payment"], one["kind"]) for one in found] == [(refund_id, payment.reference, "sale")]
    assert [one["id"] for one in api.get("/api/v1/refunds", who, payment=payment.reference.lower())["items"]] == [refund_id]
    assert api.get("/api/v1/refunds", who, asked_by_id=999_999)["items"] == []
    refusal(api.http.get("/api/v1/refunds", params={"state": "lost"}, headers=who), 422)
