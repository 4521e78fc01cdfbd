"""Second sessions of a payment that is paid already: when one of them succeeds too, its money goes back."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select, update

from app import correlation
from app.clock import Clock
from app.db import Begin
from app.outbound import OutboundError, Refused, recording
from app.queue import ring
from services.integrations.clients import Outside
from services.payments.absorb import LAST_LOOK_AFTER, absorb
from services.payments.calls import keep_calls
from services.payments.models import Checkout, Payment, PaymentStatus, WebhookEvent
from services.payments.process import ADVANCE_JOB

LOOK_JOB = "jobs.payments.look_for_strays"
_SWEEP_BATCH = 200
_RING_AGAIN_AFTER = timedelta(seconds=10)
# Few at a time: while Wave is away they are rung for at every sweep.
_HINT_BATCH = 50


def look_for_strays(begin: Begin, payment_id: int, outside: Outside, *, clock: Clock) -> None:
    """Ask Wave for every session of this payment's reference and take in what they became. Safe to repeat."""
    with begin() as session:
        payment = session.get_one(Payment, payment_id)
        reference, told_under = payment.reference, payment.correlation_id
    with correlation.continuing(told_under):
        _look(begin, payment_id, reference, outside, clock=clock)


def _look(begin: Begin, payment_id: int, reference: str, outside: Outside, *, clock: Clock) -> None:
    began_at = clock()
    found = None
    with recording() as calls:
        try:
            found = outside.wave.find_sessions(reference)
        except OutboundError as error:
            if isinstance(error, Refused):
                found = []
            # Else asked again by the sweep; the call's outcome is on record.
    with begin() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        keep_calls(session, payment_id, calls)
        for wave_session in found or ():
            if wave_session.client_reference == reference:
                absorb(session, payment, wave_session, now=clock())
        if found is not None:
            _answered(session, reference, before=began_at, now=clock())
        if payment.status is PaymentStatus.PAID:
            ring(session, ADVANCE_JOB, payment_id, queue="urgent")


def _answered(session: Session, reference: str, *, before: datetime, now: datetime) -> None:
    """What the webhooks hinted at before Wave was asked is known now."""
    session.exec(
        update(WebhookEvent)
        .where(
            col(WebhookEvent.client_reference) == reference,
            col(WebhookEvent.processed_at).is_(None),
            col(WebhookEvent.received_at) <= before,
        )
        .values(processed_at=now, outcome="looked into")
    )


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep: open sessions beside a paid one whose last look is due, and hints of webhooks whose ring was lost."""
    last_looks = session.exec(
        select(Checkout.payment_id)
        .join(Payment)
        .where(
            col(Payment.paid_at).is_not(None),
            col(Checkout.is_winner).is_(False),
            Checkout.checkout_status == "open",
            col(Checkout.expires_at) <= now - LAST_LOOK_AFTER,
            col(Checkout.asked_at) < col(Checkout.expires_at) + LAST_LOOK_AFTER,
        )
        .distinct()
        .limit(_SWEEP_BATCH)
    ).all()
    hints = session.exec(
        select(Payment.id)
        .join(WebhookEvent, col(WebhookEvent.client_reference) == Payment.reference)
        .where(col(WebhookEvent.processed_at).is_(None), col(WebhookEvent.received_at) <= now - _RING_AGAIN_AFTER)
        .order_by(col(WebhookEvent.received_at))
        .limit(_HINT_BATCH)
    ).all()
    due = {*last_looks, *hints} - {None}
    for payment_id in due:
        assert payment_id is not None
        ring(session, LOOK_JOB, payment_id)
    return len(due)
