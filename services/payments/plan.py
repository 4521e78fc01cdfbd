"""Which step a payment needs next: decided under its row's lock, and noted before the call is made."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.settings import get_settings
from services.payments.granting import grant_access
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus
from services.payments.steps import AskWave, BlockVoucher, CreateAtWave, IssueVoucher, Step
from services.vouchers import service as vouchers
from services.vouchers import stock
from services.vouchers.models import Voucher, VoucherOrigin


def next_step(session: Session, payment: Payment, *, now: datetime) -> Step | None:
    """What the payment needs from outside now. Its row is locked; what is about to be called is noted before the commit."""
    assert payment.id is not None
    lease_until = now + timedelta(seconds=get_settings().lease_seconds)
    step = _choose(session, payment, lease_until, now=now)
    # Where nothing is to be asked any more, a hint that came late must not keep the payment due for ever.
    payment.lease_until = payment.next_attempt_at = lease_until if step is not None else None
    session.flush()
    return step


def _choose(session: Session, payment: Payment, lease_until: datetime, *, now: datetime) -> Step | None:
    assert payment.id is not None
    match payment.status:
        case PaymentStatus.CREATED:
            return _creation_step(session, payment, lease_until, now=now)
        case PaymentStatus.CHECKOUT_OPEN | PaymentStatus.EXPIRED | PaymentStatus.FAILED:
            sessions = session.exec(
                select(Checkout.wave_session_id).where(Checkout.payment_id == payment.id).order_by(col(Checkout.id))
            ).all()
            return AskWave(payment.id, lease_until, payment.reference, tuple(sessions))
        case PaymentStatus.PAID | PaymentStatus.VOUCHER_ISSUED:
            return _issue_step(session, payment, lease_until, now=now)
        case PaymentStatus.CHARGED:
            voucher = vouchers.voucher_for_payment(session, payment, now=now)
            assert voucher.id is not None
            assert voucher.porta_i_account is not None
            return BlockVoucher(payment.id, lease_until, voucher.id, voucher.porta_i_account, voucher.porta_blocked_at is not None)
    return None


def _creation_step(session: Session, payment: Payment, lease_until: datetime, *, now: datetime) -> Step:
    assert payment.id is not None
    grace = timedelta(seconds=get_settings().wave_create_grace_seconds)
    fresh = payment.create_called_at is None
    if not fresh and (payment.attempts == 0 or now - (payment.create_called_at or now) < grace):
        # The answer was lost: look for what it may have opened before anything is created again.
        payment.attempts = max(payment.attempts, 1)
        return AskWave(payment.id, lease_until, payment.reference, ())
    payment.create_called_at, payment.create_calls, payment.attempts = now, payment.create_calls + 1, 0
    record(session, payment, EventKind.CREATE_CALLED, now=now, call=payment.create_calls)
    return CreateAtWave(
        payment.id, lease_until, payment.amount_bututs, payment.currency, payment.reference, payment.public_id, look_first=not fresh
    )


def _issue_step(session: Session, payment: Payment, lease_until: datetime, *, now: datetime) -> Step | None:
    assert payment.id is not None
    voucher, has_stock = _own_voucher(session, payment, now=now)
    assert voucher.id is not None
    if voucher.origin is VoucherOrigin.STOCK:
        # Bound before, and kept from being used by something that a person has mended since. Nothing is issued for it.
        grant_access(session, payment, voucher, now=now)
        return None
    patience = get_settings().portabilling_patience_seconds
    look_first = voucher.porta_issue_called_at is not None
    waited = now - (voucher.porta_issue_called_at or now)
    if has_stock and waited >= timedelta(seconds=patience) and stock.bind(session, payment, now=now) is not None:
        return None
    if not look_first:
        voucher.porta_issue_called_at = now
        record(session, payment, EventKind.ISSUE_CALLED, now=now)
    return IssueVoucher(
        payment.id,
        lease_until,
        voucher.id,
        voucher.porta_account_id,
        payment.amount_bututs,
        payment.currency,
        voucher.use_before,
        now,
        look_first,
        patience if has_stock else None,
    )


def _own_voucher(session: Session, payment: Payment, *, now: datetime) -> tuple[Voucher, bool]:
    """The payment's voucher, and whether one of the stock could be given instead: one question, on everybody's way."""
    row = session.exec(
        select(Voucher, stock.is_there(payment, now=now)).where(Voucher.payment_id == payment.id).with_for_update(of=Voucher)
    ).one_or_none()
    return (row[0], row[1]) if row is not None else (vouchers.voucher_for_payment(session, payment, now=now), False)
