"""What Wave refused to give back is owed to the customer: it is sent again, or staff pay it out another way and say how."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from app.events import publish
from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentStatus, Refund, RefundKind, RefundState
from services.payments.refund_errors import NotFailed, OwnPayout
from services.payments.refunding import in_words, locked_refund, revision_of_refund, without_the_customer
from services.payments.refunds import REFUND_JOB
from services.revision import require


def retry_refund(session: Session, *, actor: Principal, refund_id: int, now: datetime) -> Refund:
    """Send a refund that Wave refused once more. Raises Forbidden, FreshProofNeeded, RefundNotFound or NotFailed."""
    payment, refund = _refused(session, actor, refund_id, None, now=now)
    refund.state, refund.settled_at, refund.attempts, refund.next_attempt_at = RefundState.REQUESTED, None, 0, now
    _back_to_refunding(payment, refund, now=now)
    record(session, payment, EventKind.RETRIED, now=now, actor=actor.label, refund_id=refund.id)
    audit.record(session, actor, "refund.retry", target=("refund", refund_id), now=now, after={"payment": payment.reference})
    session.flush()
    ring(session, REFUND_JOB, refund_id)
    publish(session, "refunds", refund.id)
    return refund


def pay_out(session: Session, *, actor: Principal, refund_id: int, how: str, expected_revision: str | None = None, now: datetime) -> Refund:
    """Say that the customer got the money another way than through Wave: `how`, with what proves it (a receipt, a transfer's number).

    It is never sent to Wave again. Raises Forbidden, FreshProofNeeded, RefundNotFound, Stale, NotFailed, OwnPayout for who asked for the
    refund, or InvalidInput without a word of how.
    """
    said = in_words(how, "how", "Say how it was paid out, and the number of its receipt.")
    payment, refund = _refused(session, actor, refund_id, expected_revision, now=now)
    if refund.asked_by == actor.label:
        raise OwnPayout
    said = without_the_customer(session, payment, said)
    _back_to_refunding(payment, refund, now=now)
    if payment.status is PaymentStatus.REFUNDING and refund.kind is RefundKind.SALE:
        payment.move(PaymentStatus.REFUNDED, now=now)
    refund.state, refund.settled_at, refund.paid_out_by, refund.decision_note = RefundState.PAID_OUT, now, actor.label, said
    session.flush()
    amount = -refund.amount_bututs
    record(session, payment, EventKind.PAID_OUT, now=now, amount_bututs=amount, actor=actor.label, refund_id=refund.id, why=said)
    after = {"payment": payment.reference, "amount_bututs": refund.amount_bututs, "how": said}
    audit.record(session, actor, "refund.pay_out", target=("refund", refund_id), now=now, after=after)
    publish(session, "refunds", refund.id)
    return refund


def _refused(session: Session, actor: Principal, refund_id: int, expected_revision: str | None, *, now: datetime) -> tuple[Payment, Refund]:
    actor.require(Permission.REFUNDS_APPROVE)
    actor.require_proof(now=now)
    payment, refund = locked_refund(session, refund_id)
    require(expected_revision, revision_of_refund(refund))
    if refund.state is not RefundState.FAILED:
        raise NotFailed
    return payment, refund


def _back_to_refunding(payment: Payment, refund: Refund, *, now: datetime) -> None:
    if refund.kind is RefundKind.SALE and payment.status is PaymentStatus.ATTENTION:
        payment.move(PaymentStatus.REFUNDING, now=now)
