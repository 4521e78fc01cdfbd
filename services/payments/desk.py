"""What staff may do to a payment: have Wave asked, have a waiting step tried at once."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.payments.checkout import payment_by_public_id
from services.payments.errors import NothingToRetry, PaymentNotFound
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentStatus
from services.payments.process import ADVANCE_JOB

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
    public_id = session.exec(select(Payment.public_id).where(Payment.reference == reference.upper())).one_or_none()
    if public_id is None:
        raise PaymentNotFound("There is no payment with that receipt code.")
    return retry_now(session, actor=actor, public_id=public_id, now=now)
