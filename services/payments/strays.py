"""Second sessions of a payment that is paid already: when one of them succeeds too, its money goes back."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.outbound import OutboundError, recording
from app.queue import ring
from services.integrations.clients import Outside
from services.payments.absorb import LAST_LOOK_AFTER, absorb
from services.payments.calls import keep_calls
from services.payments.models import Checkout, Payment

LOOK_JOB = "jobs.payments.look_for_strays"
_SWEEP_BATCH = 200


def look_for_strays(begin: Begin, payment_id: int, outside: Outside, *, clock: Clock) -> None:
    """Ask Wave for every session of this payment's reference and take in what they became. Safe to repeat."""
    with begin() as session:
        reference = session.get_one(Payment, payment_id).reference
    with recording() as calls:
        try:
            found = outside.wave.find_sessions(reference)
        except OutboundError:
            found = []  # asked again by the sweep; the call's outcome is on record
    with begin() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        keep_calls(session, payment_id, calls)
        for wave_session in found:
            if wave_session.client_reference == reference:
                absorb(session, payment, wave_session, now=clock())


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep: open sessions beside a paid one, whose last look is due."""
    due = session.exec(
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
    for payment_id in due:
        ring(session, LOOK_JOB, payment_id)
    return len(due)
