"""A refund that Wave's list shows and our books do not: recorded by the ordinary way of refunds, whose call is harmless to repeat."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from app.queue import ring
from services.accounts.permissions import Principal
from services.payments.models import Checkout, Payment, Refund, RefundState
from services.payments.reconciliation.errors import CannotBeMended
from services.payments.reconciliation.models import ReconciliationFinding, WaveMovement
from services.payments.refunding import ask_refund
from services.payments.refunds import REFUND_JOB
from services.payments.refused import retry_refund


def record_refund(session: Session, finding: ReconciliationFinding, actor: Principal, now: datetime) -> str:
    """Have a refund of our own sent: Wave answers that it is done, gives nothing back twice, and it is settled as any other.

    One that nobody asked for here is asked for now, with its limits and its second person. Raises CannotBeMended, and as `ask_refund`.
    """
    if finding.payment_id is None or finding.movement_id is None:
        raise CannotBeMended
    payment = session.get_one(Payment, finding.payment_id, with_for_update=True, populate_existing=True)
    movement = session.get_one(WaveMovement, finding.movement_id)
    query = select(Refund).join(Checkout, col(Checkout.id) == col(Refund.checkout_id)).where(Refund.payment_id == payment.id)
    if movement.session_id:
        query = query.where(Checkout.wave_session_id == movement.session_id)
    refund = session.exec(query.where(col(Refund.state) != RefundState.DECLINED)).first()
    if refund is None:
        reason = f"Wave's list shows that it was given back ({movement.id})"
        asked = ask_refund(session, actor=actor, public_id=payment.public_id, reason=reason, now=now)
        if asked.state is RefundState.ASKED:
            return f"A refund of {payment.reference} was asked for and waits for a second person; Wave gives nothing back twice."
        return f"The refund of {payment.reference} is recorded and its access taken back; Wave gives nothing back twice."
    assert refund.id is not None
    if refund.state is RefundState.ASKED:
        raise CannotBeMended("Its refund waits for a second person. Approve it there: Wave gives nothing back twice.")
    if refund.state is RefundState.PAID_OUT:
        who = refund.paid_out_by
        raise CannotBeMended(f"It was paid out another way too, by {who}: the customer has it twice. Settle that with them first.")
    if refund.state is RefundState.FAILED:
        retry_refund(session, actor=actor, refund_id=refund.id, now=now)
    elif refund.state is RefundState.REQUESTED:
        refund.next_attempt_at = now
        ring(session, REFUND_JOB, refund.id)
    return f"The refund of {payment.reference} is settled: Wave is asked once more, and answers that it is done."
