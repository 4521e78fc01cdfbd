"""What a customer would lose with their account: a purchase under way, and time that was paid and not used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.events import publish
from app.queue import ring
from services.access import agent
from services.access.entitlements import has_left
from services.access.models import LIVE, ON_OFFER, AccessSession, Entitlement, EntitlementState, Grant, GrantState, SessionState
from services.payments.models import Payment, PaymentStatus, Refund, RefundState
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import SETTLE_JOB

GIVEN_UP = "given_up"
_ENDED = (PaymentStatus.ACCESS_GRANTED, PaymentStatus.SERVED, PaymentStatus.EXPIRED, PaymentStatus.FAILED, PaymentStatus.REFUNDED)
# Money that somebody asked to be given back and that has not gone: Wave refused it, or a person has still to decide.
_OWED = (RefundState.ASKED, RefundState.REQUESTED, RefundState.FAILED)


def is_payment_under_way(session: Session, customer_id: int) -> bool:
    """Whether money may still come in, or what was paid is still being made into time or given back."""
    wanted = select(Payment.id).where(Payment.customer_id == customer_id, col(Payment.status).not_in(_ENDED))
    if session.exec(wanted.limit(1)).first() is not None:
        return True
    paid = sa.select(col(Payment.id)).where(col(Payment.customer_id) == customer_id)
    owed = select(Refund.id).where(col(Refund.payment_id).in_(paid), col(Refund.state).in_(_OWED))
    return session.exec(owed.limit(1)).first() is not None


def is_time_left(session: Session, customer_id: int, *, now: datetime) -> bool:
    """Whether there is time to be let in with, or a code that can be made into it."""
    unused = select(Voucher.id).where(
        Voucher.customer_id == customer_id, col(Voucher.state).in_((VoucherState.PENDING, VoucherState.ACTIVE)), Voucher.use_before > now
    )
    if session.exec(unused.limit(1)).first() is not None:
        return True
    return any(has_left(session, one, now=now) for one in _standing(session, customer_id))


def give_up(session: Session, customer_id: int, *, now: datetime) -> None:
    """End all of the customer's time and codes: nobody is let in with it any more, and who is online is put out where the router can."""
    for entitlement in _standing(session, customer_id):
        entitlement.state = EntitlementState.ENDED
    _end_sessions(session, customer_id, now=now)
    codes = select(Voucher).where(Voucher.customer_id == customer_id, col(Voucher.state).in_((VoucherState.PENDING, VoucherState.ACTIVE)))
    for voucher in session.exec(codes.order_by(col(Voucher.id)).with_for_update()).all():
        # PortaBilling follows.
        voucher.state, voucher.porta_next_attempt_at = VoucherState.BLOCKED, now
        assert voucher.id is not None
        ring(session, SETTLE_JOB, voucher.id)
        publish(session, "vouchers", voucher.id)
    session.flush()


def _standing(session: Session, customer_id: int) -> Sequence[Entitlement]:
    wanted = select(Entitlement).where(
        Entitlement.customer_id == customer_id, col(Entitlement.state).in_((EntitlementState.READY, EntitlementState.RUNNING))
    )
    return session.exec(wanted.order_by(col(Entitlement.id)).with_for_update().execution_options(populate_existing=True)).all()


def _end_sessions(session: Session, customer_id: int, *, now: datetime) -> None:
    live = select(AccessSession).where(AccessSession.customer_id == customer_id, AccessSession.state != SessionState.ENDED)
    for row in session.exec(live.order_by(col(AccessSession.id)).with_for_update()).all():
        row.state, row.ended_at, row.end_reason = SessionState.ENDED, max(now, row.started_at), GIVEN_UP
        session.flush()
        agent.put_out(session, row, now=now)
        publish(session, "sessions", row.id)
    theirs = sa.select(col(Entitlement.id)).where(col(Entitlement.customer_id) == customer_id)
    state = sa.case((col(Grant.state).in_(ON_OFFER), GrantState.VOID), else_=GrantState.ENDED)
    session.execute(
        sa.update(Grant)
        .where(col(Grant.entitlement_id).in_(theirs), col(Grant.state).in_(LIVE))
        .values(state=state, ended_at=now, end_reason=GIVEN_UP)
        .execution_options(synchronize_session=False)
    )
