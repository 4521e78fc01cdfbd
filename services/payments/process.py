"""Drive a payment: decide under lock, call without a transaction, record, and go on until nothing is due.

`begin` opens a transaction and is handed in by the edge (job, API), so that no transaction is open while an outside service thinks.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app import correlation
from app.clock import Clock
from app.db import Begin
from app.failpoints import boundary
from app.outbound import OutboundCall, OutboundError, recording
from app.queue import ring
from services.integrations.clients import Outside
from services.payments.calls import keep_calls
from services.payments.models import Payment
from services.payments.plan import next_step
from services.payments.steps import AskWave, CreateAtWave, Step

ADVANCE_JOB = "jobs.payments.advance_payment"
# More than any payment needs; a bug that loops stops here and the sweep goes on later.
_MAX_STEPS = 12
_SWEEP_BATCH = 500


def advance(begin: Begin, payment_id: int, outside: Outside, *, clock: Clock, only_wave: bool = False) -> None:
    """Take every step that is due. Safe to run twice, at once, late, or to die between any two statements.

    With `only_wave` (a customer waits for the answer) it stops once money has arrived, and rings a worker for the rest.
    """
    with begin() as session:
        step = _take(session, payment_id, now=clock())
        # In the session still, so that it costs no question.
        payment = session.get(Payment, payment_id) if step is not None else None
        told_under = payment.correlation_id if payment is not None else ""
    if step is not None:
        with correlation.continuing(told_under):
            _go_on(begin, step, outside, clock=clock, only_wave=only_wave)


def _go_on(begin: Begin, first: Step, outside: Outside, *, clock: Clock, only_wave: bool) -> None:
    step: Step | None = first
    for _ in range(_MAX_STEPS):
        if step is None:
            return
        boundary(f"{step.name}.before_call")
        with recording() as calls:
            try:
                answer: object = step.perform(outside)
            except OutboundError as error:
                answer = error
        boundary(f"{step.name}.after_call")
        with begin() as session:
            following = _record(session, step, answer, calls, now=clock(), only_wave=only_wave)
        boundary(f"{step.name}.recorded")
        step = following


def _take(session: Session, payment_id: int, *, now: datetime) -> Step | None:
    payment = session.get(Payment, payment_id, with_for_update=True)
    if payment is None:
        return None
    if payment.lease_until is not None and payment.lease_until > now:
        # Somebody is at it, perhaps with an older answer in hand: have them look again when they are done.
        payment.next_attempt_at = now
        return None
    return next_step(session, payment, now=now)


def _record(session: Session, step: Step, answer: object, calls: list[OutboundCall], *, now: datetime, only_wave: bool) -> Step | None:
    payment = session.get_one(Payment, step.payment_id, with_for_update=True)
    keep_calls(session, step.payment_id, calls)
    is_ours = payment.lease_until == step.lease_until
    asked_meanwhile = payment.next_attempt_at != step.lease_until
    planned = payment.next_attempt_at
    if is_ours:
        payment.lease_until = payment.next_attempt_at = None
    if isinstance(answer, OutboundError):
        step.failed(session, payment, answer, now=now)
    else:
        step.record(session, payment, answer, now=now)  # type: ignore[arg-type]  # each step records what it performed
    if not is_ours:
        # Our lease ran out and another took over; what we learnt is kept, the plan is theirs.
        payment.next_attempt_at = planned
        return None
    if asked_meanwhile:
        payment.next_attempt_at = now
    if payment.next_attempt_at is None or payment.next_attempt_at > now:
        session.flush()
        return None
    with session.no_autoflush:
        following = next_step(session, payment, now=now)
    if only_wave and not isinstance(following, CreateAtWave | AskWave):
        payment.lease_until, payment.next_attempt_at = None, now
        ring(session, ADVANCE_JOB, step.payment_id, queue="urgent")
        return None
    return following


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep: hand every payment that is due to a worker. What a lost doorbell or a death left behind is found here."""
    due = session.exec(
        select(Payment)
        .where(col(Payment.next_attempt_at) <= now)
        .order_by(col(Payment.next_attempt_at))
        .limit(_SWEEP_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for payment in due:
        assert payment.id is not None
        # Not rung again while the job waits its turn; if the ring is lost it is due again soon.
        payment.next_attempt_at = now + timedelta(seconds=10)
        with correlation.under(payment.correlation_id):
            ring(session, ADVANCE_JOB, payment.id, queue="urgent")
    session.flush()
    return len(due)
