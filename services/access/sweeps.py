"""What time alone does to grants, sessions and entitlements. Each sweep finds what is due by an index and may run twice or die midway."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from services.access import followups, grants
from services.access.models import ON_OFFER, Entitlement, EntitlementState, Grant, GrantState
from services.access.reports import end_session

_BATCH = 500
# A router checks session ends every 15 s and may report late; only then is the end assumed.
_ASSUME_ENDED_AFTER = timedelta(seconds=60)


def give_up_offers(session: Session, *, now: datetime) -> int:
    """Stop offering what was not acknowledged in its window: unconfirmed if it was offered, void if the router never asked."""
    due = session.exec(
        select(Grant)
        .where(col(Grant.state).in_(ON_OFFER), col(Grant.give_up_at) <= now)
        .order_by(col(Grant.give_up_at))
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for grant in due:
        if grant.acked_at is not None:
            # Let in before and offered anew for a page that was only reloaded: it was online all along.
            grant.state = GrantState.ACKED
        elif followups.is_follow_on(grant):
            grant.state, grant.ended_at, grant.end_reason = GrantState.VOID, now, followups.NOT_THERE
        elif grant.first_offered_at is not None:
            grant.state = GrantState.UNCONFIRMED
            grant.ends_at = grant.first_offered_at + timedelta(seconds=grant.seconds)
            grants.open_unconfirmed(session, grant)
        else:
            grant.state, grant.ended_at, grant.end_reason = GrantState.VOID, now, "never_fetched"
    session.flush()
    return len(due)


def end_overdue(session: Session, *, now: datetime) -> int:
    """End what must be over by its time when the router's report was lost."""
    due = session.exec(
        select(Grant)
        .where(col(Grant.state).in_((GrantState.ACKED, GrantState.UNCONFIRMED)), col(Grant.ends_at) <= now - _ASSUME_ENDED_AFTER)
        .order_by(col(Grant.ends_at))
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for grant in due:
        assert grant.ends_at is not None
        grant.state, grant.ended_at, grant.end_reason = GrantState.ENDED, now, "time_over"
        end_session(session, grant, at=grant.ends_at, reason="time_over")
        followups.after_end(session, grant, now=now)
    session.flush()
    return len(due)


def expire_entitlements(session: Session, *, now: datetime) -> int:
    """End the entitlements whose time ran out, and those never started within their validity. A clock that stands does not run out."""
    ran_out = (
        (col(Entitlement.state) == EntitlementState.RUNNING) & (col(Entitlement.ends_at) <= now) & col(Entitlement.paused_at).is_(None)
    )
    never_started = (col(Entitlement.state) == EntitlementState.READY) & (col(Entitlement.use_before) <= now)
    due = [
        entitlement
        for condition in (ran_out, never_started)
        for entitlement in session.exec(select(Entitlement).where(condition).limit(_BATCH).with_for_update(skip_locked=True)).all()
    ]
    for entitlement in due:
        entitlement.state = EntitlementState.ENDED
    session.flush()
    return len(due)
