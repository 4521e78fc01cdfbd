"""Wave's webhooks: verified over raw bytes, kept under their own id, answered at once; then Wave is asked (design.md, invariant 5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, select

from app import correlation
from app.queue import ring
from app.settings import get_settings
from services.integrations import wave
from services.payments import strays
from services.payments.errors import ForgedWebhook
from services.payments.models import Checkout, Payment, WebhookEvent
from services.payments.process import ADVANCE_JOB


def receive(session: Session, *, body: bytes, signature: str | None, authorization: str | None, now: datetime) -> bool:
    """Store a webhook and ring for the payment it names. Answers whether it was news. Raises ForgedWebhook, or ValueError for nonsense."""
    try:
        wave.verify_webhook(
            body=body, signature=signature, authorization=authorization, secrets=get_settings().wave_webhook_secrets, now=now
        )
    except wave.WebhookRefused:
        raise ForgedWebhook from None
    event = wave.parse_event(body)
    stored = session.execute(
        insert(WebhookEvent)
        .values(
            provider_event_id=event.id,
            type=event.type,
            session_id=event.session_id,
            client_reference=event.client_reference,
            body=event.raw,
            received_at=now,
            correlation_id=correlation.current(),
        )
        .on_conflict_do_nothing()
        .returning(WebhookEvent)
    ).scalar_one_or_none()
    if stored is None:
        return False
    follow(session, stored, now=now)
    return True


def follow(session: Session, event: WebhookEvent, *, now: datetime) -> None:
    """Mark the payment it names as due and ring for it. One that names nothing of ours stays on record."""
    payment = _payment_of(session, event)
    if payment is None:
        event.processed_at, event.outcome = now, "no payment of ours"
        session.flush()
        return
    # The request has an ID of its own; what it starts is told under the payment's, and the log leads from the one to the other.
    with correlation.continuing(payment.correlation_id):
        _ring_for(session, event, payment, now=now)
    session.flush()


def _ring_for(session: Session, event: WebhookEvent, payment: Payment, *, now: datetime) -> None:
    assert payment.id is not None
    if payment.paid_at is None:
        payment.next_attempt_at = now
        ring(session, ADVANCE_JOB, payment.id, queue="urgent")
    with session.no_autoflush:
        checkout = _checkout_of(session, event)
    if checkout is not None and checkout.transaction_id is not None:
        # Its session's money is in our ledger: this is the same news again.
        event.processed_at, event.outcome = now, "known already"
    elif payment.paid_at is None and checkout is not None:
        event.processed_at, event.outcome = now, "rung"
    else:
        # A second success, or a session of which we were never told: Wave knows which. Pending until Wave was asked, so that a
        # lost ring costs nobody their money.
        ring(session, strays.LOOK_JOB, payment.id)


def _checkout_of(session: Session, event: WebhookEvent) -> Checkout | None:
    if event.session_id is None:
        return None
    return session.exec(select(Checkout).where(Checkout.wave_session_id == event.session_id)).one_or_none()


def _payment_of(session: Session, event: WebhookEvent) -> Payment | None:
    if event.session_id:
        known = session.exec(
            select(Payment).join(Checkout).where(Checkout.wave_session_id == event.session_id).with_for_update(of=Payment)
        ).one_or_none()
        if known is not None:
            return known
    if event.client_reference:
        return session.exec(select(Payment).where(Payment.reference == event.client_reference).with_for_update()).one_or_none()
    return None
