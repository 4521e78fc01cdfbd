"""Sales for the tests of the ledger, made by the services themselves: what Wave and PortaBilling answered is handed to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session, select

from services.integrations.portabilling import PortaAccount
from services.integrations.wave import WaveSession
from services.packages.service import Offer
from services.payments.absorb import absorb
from services.payments.ledger import mark_served
from services.payments.models import Payment
from services.payments.plan import next_step
from services.payments.steps import BlockVoucher, IssueVoucher
from services.vouchers.models import Voucher
from tests.conftest import NOON
from tests.factories import make_package, make_payment

AMOUNT = 2500


def session_at_wave(payment: Payment, number: int = 1, *, now: datetime = NOON) -> WaveSession:
    """A session of Wave's that was paid."""
    return WaveSession(
        id=f"cos-{payment.reference}-{number}",
        amount_bututs=payment.amount_bututs,
        currency="GMD",
        client_reference=payment.reference,
        checkout_status="complete",
        payment_status="succeeded",
        transaction_id=f"T{payment.reference}{number}",
        launch_url="https://pay.example/c",
        last_error_code=None,
        when_created=now,
        when_expires=now + timedelta(minutes=30),
        when_completed=now,
    )


def open_at_wave(payment: Payment, number: int = 1) -> WaveSession:
    return replace(
        session_at_wave(payment, number), checkout_status="open", payment_status="processing", transaction_id=None, when_completed=None
    )


def account_of(voucher: Voucher, payment: Payment) -> PortaAccount:
    return PortaAccount(
        i_account=1000 + (voucher.id or 0),
        id=voucher.porta_account_id,
        balance_bututs=payment.amount_bututs,
        opening_balance_bututs=payment.amount_bututs,
        blocked=False,
        bill_status=None,
        batch=None,
        i_customer=1,
    )


def voucher_of(session: Session, payment: Payment) -> Voucher:
    return session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()


def paid(session: Session, *, now: datetime = NOON, offer: Offer | None = None) -> Payment:
    """Wave took the money; PortaBilling was not asked yet."""
    payment = make_payment(session, package=offer or make_package(session, amount_bututs=AMOUNT, now=now), now=now)
    absorb(session, payment, session_at_wave(payment, now=now), now=now)
    session.flush()
    return payment


def with_access(session: Session, *, now: datetime = NOON, offer: Offer | None = None) -> Payment:
    """Issued and charged in PortaBilling, blocked there, and ready to be used."""
    payment = paid(session, now=now, offer=offer)
    step = next_step(session, payment, now=now)
    assert isinstance(step, IssueVoucher)
    step.record(session, payment, account_of(voucher_of(session, payment), payment), now=now)
    payment.lease_until = None
    step = next_step(session, payment, now=now)
    assert isinstance(step, BlockVoucher)
    step.record(session, payment, None, now=now)
    session.flush()
    return payment


def served(session: Session, *, now: datetime = NOON, offer: Offer | None = None) -> Payment:
    payment = with_access(session, now=now, offer=offer)
    assert payment.id is not None
    mark_served(session, payment.id, now=now)
    session.flush()
    return payment
