"""Time is taken back: its money goes back to the customer, or what is left of it becomes a voucher."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from app.events import publish
from services.access import agent
from services.access.models import LIVE, ON_OFFER, AccessSession, Entitlement, EntitlementState, Grant, GrantState, SessionState


def revoke(session: Session, entitlement: Entitlement, *, state: EntitlementState, reason: str, now: datetime) -> int:
    """End an entitlement, whose row is locked, and everything that it opened. Answers how many sessions were running.

    A router ends nobody's access on our word (opennds.md §4.6): the optional script is told to, else the device stays online until
    the end that its router knows; it is let in nowhere else.
    """
    entitlement.state = state
    session.flush()
    grants = session.exec(
        select(Grant)
        .where(Grant.entitlement_id == entitlement.id, col(Grant.state).in_(LIVE))
        .order_by(col(Grant.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    running = 0
    for grant in grants:
        was_on_offer = grant.state in ON_OFFER and grant.acked_at is None
        grant.state, grant.ended_at, grant.end_reason = (GrantState.VOID if was_on_offer else GrantState.ENDED), now, reason
        running += _end_session(session, grant, reason=reason, now=now)
    session.flush()
    return running


def live_sessions(session: Session, entitlement_id: int) -> int:
    """How many sessions `revoke` would end."""
    running = select(AccessSession.id).where(AccessSession.entitlement_id == entitlement_id, col(AccessSession.state) != SessionState.ENDED)
    return len(session.exec(running).all())


def _end_session(session: Session, grant: Grant, *, reason: str, now: datetime) -> bool:
    row = session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id).with_for_update()).one_or_none()
    if row is None or row.state is SessionState.ENDED:
        return False
    row.state, row.ended_at, row.end_reason = SessionState.ENDED, max(now, row.started_at), reason
    agent.put_out(session, row, now=now)
    publish(session, "sessions", row.id)
    return True
