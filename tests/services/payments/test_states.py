"""Whatever Wave and PortaBilling answer, in any order and any number of times, a payment keeps its books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, func, select

from app.outbound import OutboundError, OutcomeUnknown, Refused, Unavailable
from services.access.models import Entitlement
from services.integrations.portabilling import PortaAccount
from services.integrations.wave import WaveSession
from services.payments.absorb import absorb
from services.payments.models import MOVES, Checkout, EventKind, Payment, PaymentEvent, PaymentStatus, Refund
from services.payments.plan import next_step
from services.payments.steps import BlockVoucher, IssueVoucher
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import NOON
from tests.factories import make_package, make_payment

AMOUNT = 2500
ERRORS: tuple[OutboundError, ...] = (
    OutcomeUnknown("test", "call", "lost"),
    Unavailable("test", "call", "down"),
    Refused("test", "call", "no", "refused", 400),
)
ANSWERS = ("open", "failed", "paid", "expired")
_example = count()


def _seen(payment: Payment, number: int, state: str) -> WaveSession:
    found = WaveSession(
        id=f"cos-{payment.reference}-{number}",
        amount_bututs=AMOUNT,
        currency="GMD",
        client_reference=payment.reference,
        checkout_status="open",
        payment_status="processing",
        transaction_id=None,
        launch_url="https://pay.example/c",
        last_error_code=None,
        when_created=NOON,
        when_expires=NOON + timedelta(minutes=30),
        when_completed=None,
    )
    if state == "failed":
        return replace(found, last_error_code="insufficient-funds")
    if state == "paid":
        return replace(found, checkout_status="complete", payment_status="succeeded", transaction_id=f"T{payment.reference}{number}")
    if state == "expired":
        return replace(found, checkout_status="expired", payment_status="cancelled")
    return found


_wave = st.tuples(st.just("wave"), st.integers(0, 1), st.sampled_from(ANSWERS))
_step = st.tuples(st.just("step"), st.sampled_from((None, *range(len(ERRORS)))), st.booleans())


def _play(session: Session, payment: Payment, event: tuple[str, object, object], minute: int) -> None:
    now = NOON + timedelta(minutes=minute)
    kind, which, what = event
    if kind == "wave":
        absorb(session, payment, _seen(payment, int(str(which)), str(what)), now=now)
        return
    step = next_step(session, payment, now=now)
    payment.lease_until = None
    if not isinstance(step, IssueVoucher | BlockVoucher):
        return
    times = 2 if what else 1  # an answer may be recorded twice: by the one who asked and by who took over its lease
    for _ in range(times):
        if which is not None:
            step.failed(session, payment, ERRORS[int(str(which))], now=now)
        elif isinstance(step, IssueVoucher):
            step.record(session, payment, _account(payment), now=now)
        else:
            step.record(session, payment, None, now=now)


def _account(payment: Payment) -> PortaAccount:
    return PortaAccount(
        i_account=1000 + (payment.id or 0),
        id=f"inet-{payment.reference.lower()}",
        balance_bututs=AMOUNT,
        opening_balance_bututs=AMOUNT,
        blocked=False,
        bill_status=None,
        batch=None,
        i_customer=1,
    )


def _check(session: Session, payment: Payment) -> None:
    session.flush()
    paid_sessions = session.exec(
        select(func.count()).select_from(Checkout).where(Checkout.payment_id == payment.id, col(Checkout.transaction_id).is_not(None))
    ).one()
    winners = session.exec(select(func.count()).select_from(Checkout).where(Checkout.payment_id == payment.id, Checkout.is_winner)).one()
    refunds = session.exec(select(func.count()).select_from(Refund).where(Refund.payment_id == payment.id)).one()
    events = session.exec(select(PaymentEvent).where(PaymentEvent.payment_id == payment.id)).all()
    vouchers = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).all()
    entitlements = session.exec(select(Entitlement).where(Entitlement.payment_id == payment.id)).all()

    assert sum(event.amount_bututs for event in events) == AMOUNT * paid_sessions
    assert winners == min(1, paid_sessions)
    assert refunds == max(0, paid_sessions - 1)
    assert len(vouchers) == winners
    assert len(entitlements) <= 1
    assert [event.sequence for event in sorted(events, key=lambda e: e.sequence)] == list(range(1, len(events) + 1))
    if payment.paid_at is not None:
        assert payment.status not in (PaymentStatus.CREATED, PaymentStatus.CHECKOUT_OPEN, PaymentStatus.EXPIRED, PaymentStatus.FAILED)
    if entitlements:
        assert vouchers[0].state is VoucherState.USED
        assert payment.status in (PaymentStatus.ACCESS_GRANTED, PaymentStatus.SERVED)
        assert EventKind.CHARGED in {event.kind for event in events}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(_wave, _step), max_size=14))
def test_no_order_of_answers_loses_or_doubles_anything(session: Session, events: list[tuple[str, object, object]]) -> None:
    nested = session.begin_nested()
    payment = make_payment(session, package=make_package(session, amount_bututs=AMOUNT))
    payment.create_called_at = NOON
    for minute, event in enumerate(events):
        _play(session, payment, event, minute)
        _check(session, payment)
    nested.rollback()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([("wave", 0, "open"), ("wave", 0, "failed"), ("wave", 0, "paid"), ("wave", 0, "paid"), ("wave", 0, "open")]))
def test_every_order_of_one_sessions_news_ends_paid_once(session: Session, events: list[tuple[str, object, object]]) -> None:
    nested = session.begin_nested()
    payment = make_payment(session, package=make_package(session, amount_bututs=AMOUNT))
    for minute, event in enumerate(events):
        _play(session, payment, event, minute)
    assert payment.status is PaymentStatus.PAID
    _check(session, payment)
    nested.rollback()


def test_nothing_leads_back_from_paid_to_unpaid() -> None:
    unpaid = {PaymentStatus.CREATED, PaymentStatus.CHECKOUT_OPEN, PaymentStatus.EXPIRED, PaymentStatus.FAILED}
    for status in set(PaymentStatus) - unpaid - {PaymentStatus.ATTENTION}:
        assert not MOVES[status] & unpaid
