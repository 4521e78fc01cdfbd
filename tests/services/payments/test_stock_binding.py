"""Paid means online: with PortaBilling slow, away or silent, who has paid gets a voucher of the stock; the charge follows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from services.access.models import Entitlement, Grant
from services.integrations import clients
from services.integrations.clients import outside
from services.packages.service import Offer
from services.payments import process
from services.payments.checkout import Opened, Order, buy
from services.payments.clearing.models import LedgerAccount, LedgerOpen
from services.payments.models import EventKind, OutboundCallRecord, Payment, PaymentEvent, PaymentStatus
from services.vouchers import settlement, stock
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from tests.conftest import Sandbox
from tests.factories import PHONE, make_context, make_gateway, make_package
from tests.services.vouchers.stocking import set_mark

PATIENCE = 0.4


@pytest.fixture(params=["soap", "rest"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def portabilling(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The sandbox with a product that is as patient as a test may be."""
    if "dialect" in request.fixturenames:
        monkeypatch.setenv("INET_PORTABILLING_DIALECT", request.getfixturevalue("dialect"))
    monkeypatch.setenv("INET_PORTABILLING_PATIENCE_SECONDS", str(PATIENCE))
    get_settings.cache_clear()
    clients.close()
    outside().portabilling.warm_up()
    yield sandbox
    get_settings.cache_clear()


@pytest.fixture
def offer(database: sa.Engine, portabilling: Sandbox) -> Offer:
    with transaction() as session:
        made = make_package(session, amount_bututs=2500, now=utc_now())
        set_mark(session, made, 1)
    _top_up()
    return made


def _top_up() -> None:
    with transaction() as session:
        stock.top_up(session, now=utc_now())
    _settle_due()


def _settle_due(*, later: timedelta = timedelta(0)) -> None:
    """What a sweep would find; `later` as if so much time had passed."""
    with transaction() as session:
        due = select(Voucher.id).where(col(Voucher.porta_next_attempt_at) <= utc_now() + later).order_by(col(Voucher.id))
        found = session.exec(due).all()
    for voucher_id in found:
        settlement.settle_voucher(transaction, voucher_id or 0, outside(), clock=lambda: utc_now() + later)


def _bought(offer: Offer, sandbox: Sandbox, *, phone: str = PHONE) -> Opened:
    with transaction() as session:
        context = make_context(make_gateway(session), at=utc_now())
    opened = buy(transaction, Order(offer.public_id, phone, context), outside(), clock=utc_now)
    sandbox.pay(opened.reference)
    return opened


def _advance(opened: Opened, *, later: timedelta = timedelta(0)) -> Payment:
    with transaction() as session:
        found = session.exec(select(Payment).where(Payment.public_id == opened.payment_id)).one()
        found.next_attempt_at, found.lease_until = utc_now(), None
    process.advance(transaction, found.id or 0, outside(), clock=lambda: utc_now() + later)
    with transaction() as session:
        return session.get_one(Payment, found.id)


def _vouchers(origin: VoucherOrigin) -> list[Voucher]:
    with transaction() as session:
        return list(session.exec(select(Voucher).where(Voucher.origin == origin).order_by(col(Voucher.id))))


def _kinds(session: Session, payment: Payment) -> list[EventKind]:
    rows = session.exec(select(PaymentEvent).where(PaymentEvent.payment_id == payment.id).order_by(col(PaymentEvent.sequence)))
    return [row.kind for row in rows]


def _accounts(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return {account["id"]: account for account in sandbox.state()["portabilling"]["accounts"]}


def _manual_charges(sandbox: Sandbox) -> list[tuple[str, str]]:
    charges = sandbox.state()["portabilling"]["charges"]
    return [(row["amount"], row["visible_comment"]) for row in charges if row["kind"] == "manual_charge"]


def _assert_served_from_stock(payment: Payment) -> None:
    assert payment.status is PaymentStatus.ACCESS_GRANTED
    with transaction() as session:
        assert session.exec(select(Entitlement)).one().payment_id == payment.id
        assert len(session.exec(select(Grant)).all()) == 1
        voucher = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
        assert (voucher.origin, voucher.state) == (VoucherOrigin.STOCK, VoucherState.USED)
        assert EventKind.STOCK_BOUND in _kinds(session, payment)


def _assert_settled(payment: Payment, sandbox: Sandbox) -> None:
    """One voucher, one charge under the reference, nothing that could be used, no charge open."""
    assert _manual_charges(sandbox) == [("25.00000", f"INET {payment.reference}")]
    assert {account["blocked"] for account in _accounts(sandbox).values()} == {"Y"}
    with transaction() as session:
        kinds = _kinds(session, payment)
        held = select(LedgerOpen).where(LedgerOpen.account == LedgerAccount.PORTABILLING_CHARGE)
        assert session.exec(held).all() == []
        assert session.exec(select(Voucher).where(col(Voucher.porta_next_attempt_at).is_not(None))).all() == []
    assert (kinds.count(EventKind.CHARGED), kinds.count(EventKind.VOUCHER_ISSUED), kinds.count(EventKind.VOUCHER_BLOCKED)) == (1, 1, 1)


def test_with_portabilling_slow_the_customer_is_online_within_our_patience(offer: Offer, portabilling: Sandbox, dialect: str) -> None:
    opened = _bought(offer, portabilling)
    _advance_to_paid(opened)
    portabilling.fault("portabilling", latency_ms=1500)
    began = time.monotonic()

    payment = _advance(opened)

    assert time.monotonic() - began < 2 * PATIENCE + 0.5
    _assert_served_from_stock(payment)
    portabilling.fault("portabilling", clear=True)
    _settle_due()
    _settle_due(later=timedelta(minutes=10))
    _assert_settled(payment, portabilling)


def _advance_to_paid(opened: Opened) -> None:
    """Only Wave is asked, as while a customer waits for the answer."""
    with transaction() as session:
        payment = session.exec(select(Payment).where(Payment.public_id == opened.payment_id)).one()
        payment.next_attempt_at, payment.lease_until = utc_now(), None
    process.advance(transaction, payment.id or 0, outside(), clock=utc_now, only_wave=True)


def test_with_portabilling_away_the_customer_is_online_at_once(offer: Offer, portabilling: Sandbox) -> None:
    opened = _bought(offer, portabilling)
    portabilling.fault("portabilling", down=True)

    payment = _advance(opened)

    _assert_served_from_stock(payment)
    _settle_due()
    with transaction() as session:
        assert EventKind.CHARGED not in _kinds(session, payment)
    portabilling.fault("portabilling", clear=True)
    clients.close()
    _settle_due(later=timedelta(minutes=10))
    _settle_due(later=timedelta(minutes=20))
    _assert_settled(payment, portabilling)


def test_with_the_breaker_open_nobody_is_asked_and_nobody_waits(offer: Offer, portabilling: Sandbox) -> None:
    opened = _bought(offer, portabilling)
    _advance_to_paid(opened)
    portabilling.fault("portabilling", error_rate=1.0, error_statuses=[500])
    billing = outside().portabilling
    for _ in range(5):
        with pytest.raises(Exception, match="portabilling"):
            billing.set_blocked(1, True)

    payment = _advance(opened)

    _assert_served_from_stock(payment)
    with transaction() as session:
        calls = session.exec(select(OutboundCallRecord).where(OutboundCallRecord.service == "portabilling")).all()
    assert calls == []


def test_an_account_whose_answer_was_lost_is_found_and_blocked(offer: Offer, portabilling: Sandbox) -> None:
    opened = _bought(offer, portabilling)
    portabilling.fault("portabilling", drop_response_rate=1.0, operations=["add_account"], count=1)

    payment = _advance(opened)

    _assert_served_from_stock(payment)
    own = _vouchers(VoucherOrigin.PAYMENT)[0]
    assert _accounts(portabilling)[own.porta_account_id]["blocked"] == "N"
    _settle_due()
    _settle_due(later=timedelta(seconds=10))
    _assert_settled(payment, portabilling)
    assert (own.payment_id, own.replaced_payment_id) == (None, payment.id)


def test_a_charge_whose_answer_was_lost_is_found_by_its_comment(offer: Offer, portabilling: Sandbox, dialect: str) -> None:
    opened = _bought(offer, portabilling)
    portabilling.fault("portabilling", down=True)
    payment = _advance(opened)
    clients.close()
    portabilling.fault("portabilling", drop_response_rate=1.0, operations=["make_transaction"], count=1)

    _settle_due()
    assert len(_manual_charges(portabilling)) == 1
    _settle_due(later=timedelta(minutes=5))
    _settle_due(later=timedelta(minutes=15))

    _assert_settled(payment, portabilling)


def test_without_stock_the_customer_waits_and_is_served_when_portabilling_is_back(offer: Offer, portabilling: Sandbox) -> None:
    with transaction() as session:
        set_mark(session, offer, 0)
        stock.top_up(session, now=utc_now())
    opened = _bought(offer, portabilling)
    _advance_to_paid(opened)
    portabilling.fault("portabilling", latency_ms=1000 * PATIENCE * 1.5)

    payment = _advance(opened)

    assert payment.status is PaymentStatus.ACCESS_GRANTED
    assert [voucher.state for voucher in _vouchers(VoucherOrigin.PAYMENT)] == [VoucherState.USED]


def test_the_last_of_the_stock_goes_to_one_of_two(offer: Offer, portabilling: Sandbox) -> None:
    both = [_bought(offer, portabilling, phone=phone) for phone in (PHONE, "+220833000002")]
    for opened in both:
        _advance_to_paid(opened)
    portabilling.fault("portabilling", down=True)

    with ThreadPoolExecutor(2) as pool:
        payments = list(pool.map(_advance, both))

    assert sorted(payment.status for payment in payments) == [PaymentStatus.ACCESS_GRANTED, PaymentStatus.PAID]
    waiting = next(payment for payment in payments if payment.status is PaymentStatus.PAID)
    assert "You have paid" in (waiting.reason or "")


def test_who_waited_already_gets_what_is_in_stock_by_then_without_another_call(offer: Offer, portabilling: Sandbox) -> None:
    with transaction() as session:
        held = session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.STOCK)).one()
        held.state = VoucherState.BLOCKED
    opened = _bought(offer, portabilling)
    portabilling.fault("portabilling", down=True)
    assert _advance(opened).status is PaymentStatus.PAID
    with transaction() as session:
        session.get_one(Voucher, held.id).state = VoucherState.ACTIVE
        asked = len(session.exec(select(OutboundCallRecord)).all())

    payment = _advance(opened, later=timedelta(seconds=5))

    _assert_served_from_stock(payment)
    with transaction() as session:
        assert len(session.exec(select(OutboundCallRecord)).all()) == asked


def test_a_payment_of_an_older_version_does_not_get_the_new_ones_stock(offer: Offer, portabilling: Sandbox) -> None:
    opened = _bought(offer, portabilling)
    with transaction() as session:
        held = session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.STOCK)).one()
        other = make_package(session, amount_bututs=5000, now=utc_now())
        held.package_version_id = other.version_id
    portabilling.fault("portabilling", down=True)
    assert _advance(opened).status is PaymentStatus.PAID


def test_with_portabilling_well_the_stock_is_not_touched(offer: Offer, portabilling: Sandbox) -> None:
    payment = _advance(_bought(offer, portabilling))
    assert payment.status is PaymentStatus.ACCESS_GRANTED
    assert [voucher.state for voucher in _vouchers(VoucherOrigin.STOCK)] == [VoucherState.ACTIVE]
    assert _manual_charges(portabilling) == []


def test_a_block_that_is_slow_keeps_nobody_waiting(offer: Offer, portabilling: Sandbox) -> None:
    opened = _bought(offer, portabilling)
    portabilling.fault("portabilling", latency_ms=2500, operations=["update_account"])
    began = time.monotonic()
    payment = _advance(opened)
    assert time.monotonic() - began < 2
    assert payment.status is PaymentStatus.ACCESS_GRANTED


def test_a_retried_payment_whose_stock_voucher_was_held_up_is_let_in_and_nothing_is_issued(offer: Offer, portabilling: Sandbox) -> None:
    opened = _bought(offer, portabilling)
    _advance_to_paid(opened)
    with transaction() as session:
        payment = session.exec(select(Payment)).one()
        own = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
        held = session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.STOCK)).one()
        own.payment_id, own.replaced_payment_id, own.state = None, payment.id, VoucherState.BLOCKED
        session.flush()
        held.payment_id, held.customer_id = payment.id, payment.customer_id
        payment.move(PaymentStatus.VOUCHER_ISSUED, now=utc_now())

    assert _advance(opened).status is PaymentStatus.ACCESS_GRANTED
    assert len(_accounts(portabilling)) == 1
