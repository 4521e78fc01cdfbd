"""What Wave says of a checkout, taken into the payment: the only way a payment becomes paid (wave.md §4.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, select

from services.integrations.wave import WaveSession
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus, Refund
from services.vouchers import service as vouchers

# The payer may finish at the very last second: ask once more after this before a sale is given up.
LAST_LOOK_AFTER = timedelta(minutes=2)
_DEFAULT_LIFE = timedelta(minutes=30)


def absorb(session: Session, payment: Payment, found: WaveSession, *, now: datetime) -> None:
    """Record one Wave session of this payment, whose row is locked. Any order and any number of times lead to the same end."""
    checkout = session.exec(select(Checkout).where(Checkout.wave_session_id == found.id)).one_or_none()
    is_new = checkout is None
    if checkout is None:
        assert payment.id is not None
        checkout = Checkout(
            payment_id=payment.id,
            wave_session_id=found.id,
            launch_url=found.launch_url or "",
            checkout_status=found.checkout_status,
            expires_at=found.when_expires or now + _DEFAULT_LIFE,
            created_at=now,
        )
        session.add(checkout)
    elif checkout.payment_id != payment.id or checkout.transaction_id is not None:
        # Somebody else's, or paid already: older news of it changes nothing.
        return
    previous_error = checkout.last_error_code
    checkout.checkout_status, checkout.payment_status = found.checkout_status, found.payment_status
    checkout.last_error_code, checkout.asked_at = found.last_error_code, now
    checkout.expires_at = found.when_expires or checkout.expires_at
    if is_new:
        session.flush()
    if is_new and payment.status in (PaymentStatus.CREATED, PaymentStatus.FAILED):
        payment.move(PaymentStatus.CHECKOUT_OPEN, now=now)
        record(session, payment, EventKind.CHECKOUT_OPENED, now=now, wave_session_id=found.id)
    if found.last_error_code and found.last_error_code != previous_error:
        payment.reason = f"Wave: {found.last_error_code.replace('-', ' ')}"
        record(session, payment, EventKind.ATTEMPT_FAILED, now=now, code=found.last_error_code)
    if found.is_paid:
        _take_money(session, payment, checkout, found, now=now)


def _take_money(session: Session, payment: Payment, checkout: Checkout, found: WaveSession, *, now: datetime) -> None:
    if (found.amount_bututs, found.currency, found.client_reference) != (payment.amount_bututs, payment.currency, payment.reference):
        to_attention(session, payment, "Wave reports another sum, currency or reference than was asked for.", now=now)
        return
    checkout.transaction_id = found.transaction_id
    if payment.paid_at is not None:
        _second_success(session, payment, checkout, now=now)
        return
    checkout.is_winner = True
    if payment.status is PaymentStatus.ATTENTION:
        assert payment.attention_from is not None
        payment.move(payment.attention_from, now=now)
    payment.wave_transaction_id, payment.paid_at = found.transaction_id, now
    payment.move(PaymentStatus.PAID, now=now)
    payment.next_attempt_at = now
    record(session, payment, EventKind.PAID, now=now, amount_bututs=payment.amount_bututs, transaction_id=found.transaction_id)
    vouchers.voucher_for_payment(session, payment, now=now)


def _second_success(session: Session, payment: Payment, checkout: Checkout, *, now: datetime) -> None:
    """Two sessions for one reference were both paid (a create whose answer was lost): the first wins, this one goes back."""
    assert payment.id is not None
    assert checkout.id is not None
    session.add(
        Refund(
            payment_id=payment.id,
            checkout_id=checkout.id,
            amount_bututs=payment.amount_bututs,
            reason="Paid a second time for the same purchase",
            created_at=now,
            next_attempt_at=now,
        )
    )
    record(session, payment, EventKind.SECOND_SUCCESS, now=now, amount_bututs=payment.amount_bututs, transaction_id=checkout.transaction_id)


def to_attention(session: Session, payment: Payment, why: str, *, now: datetime, **detail: Any) -> None:
    """Put the payment on the list that a person works through. Harmless when it is there already."""
    if payment.status is PaymentStatus.ATTENTION:
        return
    payment.move(PaymentStatus.ATTENTION, now=now, reason=why)
    payment.next_attempt_at = None
    record(session, payment, EventKind.ATTENTION, now=now, why=why, **detail)


def is_over(checkout: Checkout, *, now: datetime) -> bool:
    """No money can come any more: expired at Wave, and looked at once more after its time."""
    looked_after_end = checkout.asked_at is not None and checkout.asked_at >= checkout.expires_at + LAST_LOOK_AFTER
    return now >= checkout.expires_at + LAST_LOOK_AFTER and looked_after_end and checkout.checkout_status != "complete"
