"""The payment ledger: one appended row for each change, in the change's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from app import correlation
from app.events import publish
from services.payments import answers
from services.payments.clearing.posting import post_event
from services.payments.models import EventKind, Payment, PaymentEvent, PaymentStatus


def record(
    session: Session,
    payment: Payment,
    kind: EventKind,
    *,
    now: datetime,
    amount_bututs: int = 0,
    actor: str = "system",
    **detail: Any,
) -> None:
    """Append an event to a payment whose row is locked by this transaction. `amount_bututs` is signed: in is positive, out negative."""
    assert payment.id is not None
    payment.event_count += 1
    session.add(
        PaymentEvent(
            payment_id=payment.id,
            sequence=payment.event_count,
            kind=kind,
            status=payment.status,
            amount_bututs=amount_bututs,
            detail=detail,
            actor=actor,
            correlation_id=correlation.current(),
            at=now,
        )
    )
    post_event(session, payment, kind, detail, actor=actor, now=now)
    answers.forget(session, payment)
    publish(session, "payments", payment.id)


def mark_served(session: Session, payment_id: int, *, now: datetime) -> None:
    """The customer's access was confirmed: the payment has its outcome. Harmless when it has one already."""
    payment = session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)
    if payment.status is not PaymentStatus.ACCESS_GRANTED:
        return
    payment.move(PaymentStatus.SERVED, now=now)
    payment.served_at = now
    record(session, payment, EventKind.SERVED, now=now)
