"""What staff may do to a payment: have Wave asked, have a waiting step tried at once, ask for its money to go back."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.payments.checkout import payment_by_public_id
from services.payments.errors import NothingToRetry, PaymentNotFound
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentStatus, Refund
from services.payments.process import ADVANCE_JOB
from services.payments.refunding import ask_refund

_WAITS = {
    PaymentStatus.CREATED,
    PaymentStatus.CHECKOUT_OPEN,
    PaymentStatus.EXPIRED,
    PaymentStatus.FAILED,
    PaymentStatus.PAID,
    PaymentStatus.VOUCHER_ISSUED,
    PaymentStatus.CHARGED,
}


def retry_now(session: Session, *, actor: Principal, public_id: str, now: datetime) -> Payment:
    """Try the step that waits at once ("retry now", and "ask Wave now" before money came). Raises Forbidden or NothingToRetry."""
    actor.require(Permission.PAYMENTS_RETRY)
    found = payment_by_public_id(session, public_id)
    payment = session.get_one(Payment, found.id, with_for_update=True, populate_existing=True)
    if payment.attention_from is PaymentStatus.REFUNDING:
        raise NothingToRetry("Wave refused to give this money back. Send the refund again from the list of refunds.")
    if payment.status is PaymentStatus.ATTENTION and payment.attention_from is not None:
        payment.move(payment.attention_from, now=now)
    elif payment.status not in _WAITS:
        raise NothingToRetry
    payment.next_attempt_at = now
    record(session, payment, EventKind.RETRIED, now=now, actor=actor.label)
    audit.record(session, actor, "payment.retry", target=("payment", payment.reference), now=now, after={"status": payment.status})
    assert payment.id is not None
    ring(session, ADVANCE_JOB, payment.id, queue="urgent")
    return payment


def retry_by_reference(session: Session, *, actor: Principal, reference: str, now: datetime) -> Payment:
    """`retry_now` for who knows the receipt code. Raises Forbidden, PaymentNotFound or NothingToRetry."""
    actor.require(Permission.PAYMENTS_RETRY)
    return retry_now(session, actor=actor, public_id=_public_id(session, reference), now=now)


def ask_refund_by_reference(
    session: Session, *, actor: Principal, reference: str, reason: str, amount_bututs: int | None = None, now: datetime
) -> Refund:
    """`ask_refund` for who knows the receipt code. Raises as that one does."""
    actor.require(Permission.PAYMENTS_REFUND)
    public_id = _public_id(session, reference)
    return ask_refund(session, actor=actor, public_id=public_id, reason=reason, amount_bututs=amount_bututs, now=now)


def _public_id(session: Session, reference: str) -> str:
    public_id = session.exec(select(Payment.public_id).where(Payment.reference == reference.upper())).one_or_none()
    if public_id is None:
        raise PaymentNotFound("There is no payment with that receipt code.")
    return public_id
