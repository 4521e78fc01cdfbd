"""A refund that Wave's list shows and our books do not: recorded by the ordinary way of refunds, whose call is harmless to repeat."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from app.queue import ring
from services.accounts.permissions import Principal
from services.payments.models import Checkout, Payment, PaymentStatus, Refund, RefundState
from services.payments.reconciliation.errors import CannotBeMended
from services.payments.reconciliation.models import ReconciliationFinding, WaveMovement
from services.payments.refunds import REFUND_JOB


def record_refund(session: Session, finding: ReconciliationFinding, actor: Principal, now: datetime) -> str:
    """Have our own refund of that checkout sent again: Wave answers that it is done, and it is settled as any other.

    Raises CannotBeMended where no refund was ever asked for here: taking access back is decided on the payment's page.
    """
    if finding.payment_id is None or finding.movement_id is None:
        raise CannotBeMended
    payment = session.get_one(Payment, finding.payment_id, with_for_update=True, populate_existing=True)
    movement = session.get_one(WaveMovement, finding.movement_id)
    query = select(Refund).join(Checkout, col(Checkout.id) == col(Refund.checkout_id)).where(Refund.payment_id == payment.id)
    if movement.session_id:
        query = query.where(Checkout.wave_session_id == movement.session_id)
    open_states = (RefundState.REQUESTED, RefundState.FAILED)
    refund = session.exec(query.where(col(Refund.state).in_(open_states)).with_for_update(of=Refund)).first()
    if refund is None:
        raise CannotBeMended("Nobody asked for this refund here. Open the payment and refund it there: Wave gives nothing back twice.")
    if refund.state is RefundState.FAILED:
        refund.state, refund.settled_at = RefundState.REQUESTED, None
        if payment.status is PaymentStatus.ATTENTION and payment.attention_from is PaymentStatus.REFUNDING:
            payment.move(PaymentStatus.REFUNDING, now=now)
    refund.next_attempt_at = now
    assert refund.id is not None
    ring(session, REFUND_JOB, refund.id)
    return f"The refund of {payment.reference} is settled: Wave is asked once more, and answers that it is done."
