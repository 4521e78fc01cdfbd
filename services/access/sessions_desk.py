"""What staff may do to somebody's time: end it, or give more of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select, update

from app.clock import isoformat
from app.errors import Conflict
from app.events import publish
from services.access import agent, followups
from services.access.errors import BadExtension, EntitlementNotFound, NotExtendable, SessionNotFound
from services.access.models import ON_OFFER, AccessSession, Entitlement, EntitlementState, Grant, GrantState, SessionState
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.vouchers.models import Voucher

ENDED_BY_STAFF = "ended_by_staff"
LEAST_SECONDS, MOST_SECONDS = 60, 30 * 86_400
REOPEN_WITHIN = timedelta(days=7)


class SessionAlreadyEnded(Conflict):
    code, title = "session_already_ended", "The session has ended"
    message = "This session has ended already."


@dataclass(frozen=True)
class Ended:
    """`is_put_out`: the router's script will put the client out within a minute or two; else it stays online until its router's end."""

    row: AccessSession
    is_put_out: bool


def end_session_now(session: Session, *, actor: Principal, session_id: int, reason: str, now: datetime) -> Ended:
    """End a session and the time it was using up; the client is not let in again, anywhere.

    No message to a router ends a client early (opennds.md §4.6), but the optional script takes orders (services/access/agent.py).
    Raises Forbidden, SessionNotFound or SessionAlreadyEnded.
    """
    actor.require(Permission.SESSIONS_END)
    row = session.get(AccessSession, session_id, with_for_update=True)
    if row is None:
        raise SessionNotFound
    if row.state is SessionState.ENDED:
        raise SessionAlreadyEnded
    grant = session.get_one(Grant, row.grant_id, with_for_update=True)
    grant.state, grant.ended_at, grant.end_reason = GrantState.ENDED, now, ENDED_BY_STAFF
    row.state, row.ended_at, row.end_reason = SessionState.ENDED, max(now, row.started_at), ENDED_BY_STAFF
    if row.entitlement_id is not None:
        _end_entitlement(session, row.entitlement_id, now=now)
    session.flush()
    audit.record(session, actor, "session.end", target=("access_session", session_id), now=now, after={"reason": reason})
    publish(session, "sessions", row.id)
    return Ended(row, agent.put_out(session, row, now=now))


def _end_entitlement(session: Session, entitlement_id: int, *, now: datetime) -> None:
    entitlement = session.get_one(Entitlement, entitlement_id, with_for_update=True)
    entitlement.state = EntitlementState.ENDED
    waiting = (col(Grant.entitlement_id) == entitlement_id) & col(Grant.state).in_(ON_OFFER)
    session.exec(update(Grant).where(waiting).values(state=GrantState.VOID, ended_at=now, end_reason=ENDED_BY_STAFF))


def extend_entitlement(session: Session, *, actor: Principal, entitlement_id: int, seconds: int, reason: str, now: datetime) -> Entitlement:
    """Give more time: to time that waits or runs, or to time that ran out less than seven days ago, which then runs again from now.

    A session that runs on a router keeps the end that the router was told; when that comes, the device is let in for the rest.
    Raises Forbidden, EntitlementNotFound, BadExtension or NotExtendable.
    """
    actor.require(Permission.SESSIONS_EXTEND)
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise BadExtension(field="seconds")
    entitlement = session.get(Entitlement, entitlement_id, with_for_update=True)
    if entitlement is None:
        raise EntitlementNotFound
    _require_extendable(session, entitlement, now=now)
    before = {"state": entitlement.state, "ends_at": isoformat(entitlement.ends_at), "seconds_total": entitlement.seconds_total}
    _add(entitlement, seconds, now=now)
    session.flush()
    # An offer carries the time that was left when it was made; what is not taken up yet may carry the new time.
    waiting = (col(Grant.entitlement_id) == entitlement_id) & col(Grant.state).in_(ON_OFFER) & col(Grant.acked_at).is_(None)
    session.exec(update(Grant).where(waiting).values(seconds=entitlement.seconds_left(now=now)))
    followups.after_extension(session, entitlement, now=now)
    after = {"state": entitlement.state, "ends_at": isoformat(entitlement.ends_at), "seconds_total": entitlement.seconds_total}
    target = ("entitlement", entitlement_id)
    audit.record(session, actor, "entitlement.extend", target=target, now=now, before=before, after={**after, "reason": reason})
    publish(session, "sessions", entitlement_id)
    return entitlement


def _require_extendable(session: Session, entitlement: Entitlement, *, now: datetime) -> None:
    if entitlement.bytes_left == 0:
        raise NotExtendable("Its data is used up, and time without data opens nothing. Issue a voucher instead.")
    if entitlement.state is EntitlementState.READY and now < entitlement.use_before:
        return
    if entitlement.state is EntitlementState.ENDED and _was_credited(session, entitlement):
        raise NotExtendable("What was left of it became a voucher. Issue another one instead.")
    if entitlement.state is EntitlementState.VOID or entitlement.ends_at is None:
        raise NotExtendable("It was taken back, or never begun within its validity. Issue a voucher instead.")
    if entitlement.state is EntitlementState.ENDED and _was_ended_by_staff(session, entitlement):
        raise NotExtendable("Staff ended it. Issue a voucher instead.")
    if entitlement.paused_at is None and entitlement.ends_at < now - REOPEN_WITHIN:
        raise NotExtendable("It ran out more than seven days ago. Issue a voucher instead.")


def _was_ended_by_staff(session: Session, entitlement: Entitlement) -> bool:
    ended = select(AccessSession.id).where(AccessSession.entitlement_id == entitlement.id, AccessSession.end_reason == ENDED_BY_STAFF)
    return session.exec(ended.limit(1)).one_or_none() is not None


def _was_credited(session: Session, entitlement: Entitlement) -> bool:
    return session.exec(select(Voucher.id).where(Voucher.credit_of_id == entitlement.id)).one_or_none() is not None


def _add(entitlement: Entitlement, seconds: int, *, now: datetime) -> None:
    entitlement.seconds_total += seconds
    if entitlement.ends_at is None:
        return
    # Time that ran out while nobody was counting is not given as well: what is added counts from now.
    runs_until = entitlement.ends_at if entitlement.paused_at is not None else max(entitlement.ends_at, now)
    entitlement.ends_at = runs_until + timedelta(seconds=seconds)
    entitlement.state = EntitlementState.RUNNING
