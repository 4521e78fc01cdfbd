"""What routers report by themselves: restarts and ends of sessions. None of it is authenticated but the token (opennds.md §4.5, §6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.events import publish
from services.access import busy, followups, grants
from services.access.models import LIVE, ON_OFFER, AccessSession, Entitlement, EntitlementState, Gateway, Grant, GrantState, SessionState
from services.integrations import opennds
from services.integrations.opennds import DeauthReport


def router_restarted(session: Session, *, gateway_id: int, slug: str, now: datetime) -> int:
    """A `clear`: everybody behind this router is captive again. Entitlements stand, so a forged one costs nobody their time."""
    gateway = session.get_one(Gateway, gateway_id)
    gateway.last_clear_at = now
    rows = session.exec(select(Grant).where(Grant.gateway_id == gateway_id, col(Grant.state).in_(LIVE)).with_for_update()).all()
    # They were cut off somewhere between the last poll and now; the customer gets the benefit.
    seen = busy.last_seen(slug)
    ended_at = min(seen[0], now) if seen else now
    for grant in rows:
        was_on_offer = grant.state in ON_OFFER and grant.acked_at is None
        grant.state = GrantState.VOID if was_on_offer else GrantState.ENDED
        grant.ended_at, grant.end_reason = now, "router_restart"
        end_session(session, grant, at=max(ended_at, grant.acked_at or ended_at), reason="router_restart")
        followups.after_end(session, grant, now=now)
    session.flush()
    return len(rows)


def deauthenticated(session: Session, *, gateway_id: int, report: DeauthReport, now: datetime) -> bool:
    """A client's session ended on the router. Applied once however often it comes. Answers whether it named a grant of ours."""
    grant = _reported_grant(session, gateway_id, report)
    if grant is None:
        return False
    row = session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id).with_for_update()).one_or_none()
    if row is not None and row.bytes_down is not None:
        return True
    if grant.state is not GrantState.ENDED and grant.acked_at is None:
        # The acknowledgement was lost; the report proves that the client was let in.
        row = grants.confirm(session, grant, started_at=_proved_start(grant, report, now=now), now=now)
    if grant.state is not GrantState.ENDED:
        grant.state, grant.ended_at, grant.end_reason = GrantState.ENDED, now, report.method
        end_session(session, grant, at=now, reason=report.method)
    row = row or session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id)).one_or_none()
    if row is not None:
        row.bytes_down, row.bytes_up = report.bytes_downloaded, report.bytes_uploaded
        _count_bytes(session, row.entitlement_id, report.bytes_downloaded + report.bytes_uploaded)
    followups.after_end(session, grant, now=now)
    session.flush()
    return True


def _reported_grant(session: Session, gateway_id: int, report: DeauthReport) -> Grant | None:
    newest = select(Grant).where(Grant.gateway_id == gateway_id, Grant.offer_count > 0).order_by(col(Grant.id).desc()).limit(1)
    if report.token:
        # Only the router knows the raw token, so this match also authenticates the report.
        by_token = session.exec(newest.where(Grant.hid == opennds.hid_of(report.token)).with_for_update()).one_or_none()
        if by_token is not None:
            return by_token
    grant_id = opennds.grant_id_of(report.custom) if report.custom else None
    if grant_id is None:
        return None
    return session.exec(
        newest.where(Grant.id == grant_id, col(Grant.hid).is_(None), Grant.mac == report.mac).with_for_update()
    ).one_or_none()


def _proved_start(grant: Grant, report: DeauthReport, *, now: datetime) -> datetime:
    """When a session began of which only the end was heard.

    A router without a battery clock believes in 1970 until it hears the time, and then reports a session of decades: nobody was let
    in before the offer (opennds.md §5).
    """
    offered_at = grant.first_offered_at or grant.created_at
    longest = max(0.0, (now - offered_at).total_seconds())
    return now - timedelta(seconds=min(float(report.duration_seconds), longest))


def _count_bytes(session: Session, entitlement_id: int | None, used: int) -> None:
    if entitlement_id is None:
        return
    entitlement = session.get_one(Entitlement, entitlement_id, with_for_update=True)
    entitlement.bytes_used += max(0, used)
    if entitlement.bytes_left == 0:
        entitlement.state = EntitlementState.ENDED


def end_session(session: Session, grant: Grant, *, at: datetime, reason: str) -> None:
    """Close the access session of a grant, if one is open."""
    row = session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id).with_for_update()).one_or_none()
    if row is not None and row.state is not SessionState.ENDED:
        row.state, row.ended_at, row.end_reason = SessionState.ENDED, max(at, row.started_at), reason
        session.flush()
        publish(session, "sessions", row.id)
