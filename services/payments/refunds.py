"""Giving money back through Wave: full, and harmless to repeat, so a lost answer is simply asked again (wave.md §4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app import correlation
from app.clock import Clock
from app.db import Begin
from app.events import publish
from app.failpoints import boundary
from app.outbound import OutboundError, Refused, recording
from app.queue import ring
from services.integrations.clients import Outside
from services.payments.absorb import to_attention
from services.payments.calls import keep_calls
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus, Refund, RefundKind, RefundState

REFUND_JOB = "jobs.payments.send_refund"
_SWEEP_BATCH = 100
_PAUSE = timedelta(seconds=30)


def send_refund(begin: Begin, refund_id: int, outside: Outside, *, clock: Clock) -> None:
    """Send one refund that is due. A refusal by Wave leaves it failed, with a reason, for a person."""
    with begin() as session:
        refund = session.get(Refund, refund_id, with_for_update=True)
        if refund is None or refund.state is not RefundState.REQUESTED:
            return
        refund.attempts += 1
        refund.next_attempt_at = clock() + _PAUSE * min(refund.attempts, 20)
        payment_id = refund.payment_id
        wave_session_id = session.get_one(Checkout, refund.checkout_id).wave_session_id
        told_under = session.get_one(Payment, payment_id).correlation_id
    with correlation.continuing(told_under):
        _send(begin, payment_id, refund_id, wave_session_id, outside, clock=clock)


def _send(begin: Begin, payment_id: int, refund_id: int, wave_session_id: str, outside: Outside, *, clock: Clock) -> None:
    boundary("send_refund.before_call")
    failure: OutboundError | None = None
    with recording() as calls:
        try:
            outside.wave.refund_session(wave_session_id)
        except OutboundError as error:
            failure = error
    boundary("send_refund.after_call")
    with begin() as session:
        # The payment first, as everybody locks them.
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        refund = session.get_one(Refund, refund_id, with_for_update=True)
        keep_calls(session, payment_id, calls)
        if refund.state is RefundState.REQUESTED:
            _settle(session, payment, refund, failure, now=clock())


def _settle(session: Session, payment: Payment, refund: Refund, failure: OutboundError | None, *, now: datetime) -> None:
    if failure is not None and not isinstance(failure, Refused):
        return
    refund.next_attempt_at, refund.settled_at = None, now
    is_sale = refund.kind is RefundKind.SALE
    if failure is None:
        refund.state, refund.decision_note = RefundState.REFUNDED, None
        if is_sale and payment.status is PaymentStatus.REFUNDING:
            payment.move(PaymentStatus.REFUNDED, now=now)
        record(session, payment, EventKind.REFUNDED, now=now, amount_bututs=-refund.amount_bututs, refund_id=refund.id)
    else:
        refund.state, refund.decision_note = RefundState.FAILED, f"Wave refused: {failure.detail}"[:300]
        record(session, payment, EventKind.DELAYED, now=now, why=f"Wave refused the refund: {failure.detail}", refund_id=refund.id)
        if is_sale and payment.status is PaymentStatus.REFUNDING:
            to_attention(session, payment, "Wave refused to give the money back. Its access was ended.", now=now, refund_id=refund.id)
    publish(session, "refunds", refund.id)


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep of refunds that are due."""
    due = session.exec(select(Refund).where(col(Refund.next_attempt_at) <= now).limit(_SWEEP_BATCH).with_for_update(skip_locked=True)).all()
    for refund in due:
        assert refund.id is not None
        refund.next_attempt_at = now + _PAUSE
        ring(session, REFUND_JOB, refund.id)
    session.flush()
    return len(due)
