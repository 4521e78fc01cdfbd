"""The main job over the wire: Wave by HTTP, PortaBilling by SOAP, both played by the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from services.access.models import Entitlement, Grant
from services.integrations import clients
from services.integrations.clients import outside
from services.payments import process, refunds, strays, webhooks
from services.payments.checkout import Opened, Order, buy
from services.payments.errors import WaveUnavailable
from services.payments.models import EventKind, Payment, PaymentEvent, PaymentStatus, Refund, RefundState, WebhookEvent
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import Sandbox
from tests.factories import PHONE, make_context, make_gateway, make_package


@pytest.fixture
def package_id(database: sa.Engine) -> str:
    with transaction() as session:
        return make_package(session, amount_bututs=2500).public_id


@pytest.fixture
def opened(package_id: str, sandbox: Sandbox) -> Opened:
    with transaction() as session:
        context = make_context(make_gateway(session), at=utc_now())
    return buy(transaction, Order(package_id, PHONE, context), outside(), clock=utc_now)


def _advance(payment: Opened) -> Payment:
    with transaction() as session:
        found = session.exec(select(Payment).where(Payment.public_id == payment.payment_id)).one()
        found.next_attempt_at, found.lease_until = utc_now(), None
    process.advance(transaction, found.id or 0, outside(), clock=utc_now)
    with transaction() as session:
        return session.get_one(Payment, found.id)


def _kinds(payment: Payment) -> list[EventKind]:
    with transaction() as session:
        rows = session.exec(select(PaymentEvent).where(PaymentEvent.payment_id == payment.id).order_by(col(PaymentEvent.sequence))).all()
        return [row.kind for row in rows]


def test_a_paid_payment_ends_with_one_blocked_voucher_one_charge_and_a_queued_grant(opened: Opened, sandbox: Sandbox) -> None:
    assert opened.status is PaymentStatus.CHECKOUT_OPEN
    assert opened.launch_url
    sandbox.pay(opened.reference)

    payment = _advance(opened)

    assert payment.status is PaymentStatus.ACCESS_GRANTED
    state = sandbox.state()
    assert [account["blocked"] for account in state["portabilling"]["accounts"] if account["id"].startswith("inet-")] == ["Y"]
    assert len(state["portabilling"]["charges"]) == 1
    with transaction() as session:
        assert session.exec(select(Voucher)).one().state is VoucherState.USED
        entitlement = session.exec(select(Entitlement)).one()
        assert session.exec(select(Grant)).one().entitlement_id == entitlement.id
    assert _kinds(payment) == [
        EventKind.CREATED,
        EventKind.CREATE_CALLED,
        EventKind.CHECKOUT_OPENED,
        EventKind.PAID,
        EventKind.ISSUE_CALLED,
        EventKind.VOUCHER_ISSUED,
        EventKind.CHARGED,
        EventKind.VOUCHER_BLOCKED,
        EventKind.ACCESS_GRANTED,
    ]


def test_the_ledgers_sum_is_the_money_that_was_taken(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    payment = _advance(opened)

    with transaction() as session:
        total = session.execute(
            sa.select(sa.func.sum(PaymentEvent.amount_bututs)).where(PaymentEvent.payment_id == payment.id)
        ).scalar_one()  # type: ignore[arg-type]
    assert total == 2500


def test_advancing_a_served_payment_again_changes_nothing(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    payment = _advance(opened)
    before = _kinds(payment)

    _advance(opened)

    assert _kinds(payment) == before
    assert len(sandbox.state()["portabilling"]["charges"]) == 1


def test_a_lost_answer_to_create_is_looked_up_and_adopted(package_id: str, sandbox: Sandbox) -> None:
    sandbox.fault("wave", drop_response_rate=1.0, operations=["create"])

    opened = buy(transaction, Order(package_id, PHONE), outside(), clock=utc_now)

    assert opened.status is PaymentStatus.CHECKOUT_OPEN
    assert len(sandbox.state()["wave"]["sessions"]) == 1


def test_a_lost_answer_to_issue_is_looked_up_and_adopted(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    sandbox.fault("portabilling", drop_response_rate=1.0, operations=["add_account"], count=1)

    assert _advance(opened).status is PaymentStatus.PAID
    payment = _advance(opened)

    assert payment.status is PaymentStatus.ACCESS_GRANTED
    assert len(sandbox.state()["portabilling"]["charges"]) == 1


def test_a_block_whose_answer_was_lost_keeps_nobody_waiting_and_is_settled_later(opened: Opened, sandbox: Sandbox) -> None:
    from services.vouchers import settlement

    sandbox.pay(opened.reference)
    sandbox.fault("portabilling", error_rate=1.0, operations=["update_account"], count=1)

    assert _advance(opened).status is PaymentStatus.ACCESS_GRANTED
    with transaction() as session:
        voucher = session.exec(select(Voucher)).one()
        assert voucher.porta_blocked_at is None
    settlement.settle_voucher(transaction, voucher.id or 0, outside(), clock=utc_now)

    with transaction() as session:
        assert session.exec(select(Voucher)).one().porta_blocked_at is not None


def test_with_portabilling_down_the_customer_is_told_and_served_when_it_is_back(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    sandbox.fault("portabilling", down=True)

    waiting = _advance(opened)
    assert waiting.status is PaymentStatus.PAID
    assert waiting.reason is not None
    assert "You have paid" in waiting.reason
    assert waiting.next_attempt_at is not None

    sandbox.fault("portabilling", clear=True)
    clients.close()
    assert _advance(opened).status is PaymentStatus.ACCESS_GRANTED


def test_with_wave_down_nothing_is_charged_and_the_same_key_may_try_again(package_id: str, sandbox: Sandbox) -> None:
    sandbox.fault("wave", down=True)
    order = Order(package_id, PHONE, idempotency_key="a-double-tap")
    with pytest.raises(WaveUnavailable):
        _buy_until_refused(order)

    sandbox.fault("wave", clear=True)
    clients.close()
    assert buy(transaction, order, outside(), clock=utc_now).status is PaymentStatus.CHECKOUT_OPEN


def _buy_until_refused(order: Order) -> None:
    # "Down" may close a connection that was already open, which is an unknown outcome; the payment then waits and is no refusal.
    for _ in range(8):
        buy(transaction, Order(order.package_id, order.phone), outside(), clock=utc_now)
    buy(transaction, order, outside(), clock=utc_now)


def test_the_same_idempotency_key_buys_once(package_id: str, sandbox: Sandbox) -> None:
    order = Order(package_id, PHONE, idempotency_key="a-double-tap")

    first, second = (buy(transaction, order, outside(), clock=utc_now) for _ in range(2))

    assert first.payment_id == second.payment_id
    assert len(sandbox.state()["wave"]["sessions"]) == 1


def test_a_refused_attempt_leaves_the_checkout_open_for_the_next_one(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference, "fail", error_code="insufficient-funds")
    payment = _advance(opened)
    assert payment.status is PaymentStatus.CHECKOUT_OPEN
    assert payment.reason == "Wave: insufficient funds"

    sandbox.pay(opened.reference)
    assert _advance(opened).status is PaymentStatus.ACCESS_GRANTED


def test_a_second_success_for_one_reference_is_refunded(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    payment = _advance(opened)
    twin = outside().wave.create_session(
        amount_bututs=2500, currency="GMD", client_reference=opened.reference, success_url="https://a.gm/", error_url="https://a.gm/"
    )
    sandbox.http.post("/_control/wave/pay", json={"session_id": twin.id, "outcome": "succeed"}).raise_for_status()

    strays.look_for_strays(transaction, payment.id or 0, outside(), clock=utc_now)
    with transaction() as session:
        refund = session.exec(select(Refund)).one()
    refunds.send_refund(transaction, refund.id or 0, outside(), clock=utc_now)
    refunds.send_refund(transaction, refund.id or 0, outside(), clock=utc_now)

    with transaction() as session:
        assert session.exec(select(Refund)).one().state is RefundState.REFUNDED
        total = session.execute(sa.select(sa.func.sum(PaymentEvent.amount_bututs))).scalar_one()
    assert total == 2500
    assert len(sandbox.state()["wave"]["refunds"]) == 1


def test_a_second_success_of_an_unknown_session_is_remembered_until_wave_was_asked(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    payment = _advance(opened)
    twin = outside().wave.create_session(
        amount_bututs=2500, currency="GMD", client_reference=opened.reference, success_url="https://a.gm/", error_url="https://a.gm/"
    )
    sandbox.http.post("/_control/wave/pay", json={"session_id": twin.id, "outcome": "succeed"}).raise_for_status()
    later = utc_now() + timedelta(seconds=30)
    with transaction() as session:
        hint = WebhookEvent(
            provider_event_id="EV_unheard",
            type="checkout.session.completed",
            session_id=twin.id,
            client_reference=opened.reference,
            body={},
            received_at=utc_now(),
        )
        session.add(hint)
        session.flush()
        webhooks.follow(session, hint, now=utc_now())
        assert hint.processed_at is None

    with transaction() as session:
        assert strays.ring_due(session, now=later) == 1  # the ring of the webhook itself was lost
    strays.look_for_strays(transaction, payment.id or 0, outside(), clock=utc_now)

    with transaction() as session:
        assert len(session.exec(select(Refund)).all()) == 1
        assert strays.ring_due(session, now=later) == 0


def test_an_open_checkout_expires_only_after_the_last_look(opened: Opened, sandbox: Sandbox) -> None:
    with transaction() as session:
        payment = session.exec(select(Payment)).one()
        payment.next_attempt_at = None
    session_id = sandbox.state()["wave"]["sessions"][0]["id"]
    sandbox.http.post("/_control/wave/expire", json={"session_id": session_id}).raise_for_status()

    process.advance(transaction, payment.id or 0, outside(), clock=utc_now)
    with transaction() as session:
        assert session.get_one(Payment, payment.id).status is PaymentStatus.CHECKOUT_OPEN

    process.advance(transaction, payment.id or 0, outside(), clock=lambda: utc_now() + timedelta(minutes=40))
    with transaction() as session:
        assert session.get_one(Payment, payment.id).status is PaymentStatus.EXPIRED


def test_the_ledger_refuses_to_be_rewritten(opened: Opened, session: Session) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"):
        session.execute(sa.text("UPDATE payment_event SET amount_bututs = 1"))
