"""What staff may do to access: end a session, register a router, read its keys."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from sqlmodel import Session, col, select, update

from app.errors import Conflict
from app.events import publish
from services.access.errors import GatewayNotFound, SessionNotFound
from services.access.gateways import add_gateway, faskey_of, gateway_by_slug, router_snippet, site_named
from services.access.models import ON_OFFER, AccessSession, Entitlement, EntitlementState, Gateway, Grant, GrantState, SessionState
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.models import Site
from services.revision import require

ENDED_BY_STAFF = "ended_by_staff"
_HIDDEN = "•" * 16


class SessionAlreadyEnded(Conflict):
    code, title = "session_already_ended", "The session has ended"
    message = "This session has ended already."


def end_session_now(session: Session, *, actor: Principal, session_id: int, reason: str, now: datetime) -> AccessSession:
    """End a session and the time it was using up. Raises Forbidden, SessionNotFound or SessionAlreadyEnded.

    No message to a router ends a client early (opennds.md §4.6): the phone stays online there until the time it was let in for is over,
    but it is not let in again, anywhere.
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
    return row


def _end_entitlement(session: Session, entitlement_id: int, *, now: datetime) -> None:
    entitlement = session.get_one(Entitlement, entitlement_id, with_for_update=True)
    entitlement.state = EntitlementState.ENDED
    waiting = (col(Grant.entitlement_id) == entitlement_id) & col(Grant.state).in_(ON_OFFER)
    session.exec(update(Grant).where(waiting).values(state=GrantState.VOID, ended_at=now, end_reason=ENDED_BY_STAFF))


def register_gateway(
    session: Session,
    *,
    actor: Principal,
    slug: str,
    gateway_name: str,
    faskey: str,
    level: int,
    name: str,
    site_name: str | None,
    now: datetime,
) -> Gateway:
    """Register a router from the console. Raises Forbidden, BadGateway or GatewayExists."""
    actor.require(Permission.GATEWAYS_EDIT)
    gateway = add_gateway(
        session, slug=slug, gateway_name=gateway_name, faskey=faskey, level=level, site_name=site_name, name=name or None, now=now
    )
    shown = {"name": gateway.name, "gateway_name": gateway_name, "level": level, "faskey": faskey}
    audit.record(session, actor, "gateway.register", target=("gateway", slug), now=now, after=shown)
    publish(session, "gateways", gateway.id)
    return gateway


class GatewayChanges(TypedDict, total=False):
    """What is left out stays as it is; a `site` of None takes the gateway from its place."""

    name: str
    site: str | None


def change_gateway(
    session: Session, *, actor: Principal, slug: str, changes: GatewayChanges, expected_revision: str | None, now: datetime
) -> Gateway:
    """Give a router another name or place. Raises Forbidden, GatewayNotFound or Stale."""
    actor.require(Permission.GATEWAYS_EDIT)
    gateway = session.exec(select(Gateway).where(Gateway.slug == slug).with_for_update()).one_or_none()
    if gateway is None:
        raise GatewayNotFound
    require(expected_revision, gateway.revision)
    before = {"name": gateway.name, "site": _site_of(session, gateway)}
    gateway.name = changes.get("name", gateway.name)
    if "site" in changes:
        gateway.site_id = site_named(session, changes["site"])
    session.flush()
    after = {"name": gateway.name, "site": _site_of(session, gateway)}
    audit.record(session, actor, "gateway.change", target=("gateway", slug), now=now, before=before, after=after)
    publish(session, "gateways", gateway.id)
    return gateway


def _site_of(session: Session, gateway: Gateway) -> str | None:
    site = session.get(Site, gateway.site_id) if gateway.site_id else None
    return site.name if site else None


def snippet_for(session: Session, *, actor: Principal, slug: str, public_url: str, reveal: bool, now: datetime) -> str:
    """The router's configuration; its key is hidden unless `reveal`, which takes the right to edit. Raises Forbidden, GatewayNotFound."""
    actor.require(Permission.GATEWAYS_EDIT if reveal else Permission.GATEWAYS_READ)
    gateway = gateway_by_slug(session, slug)
    text = router_snippet(gateway, public_url=public_url)
    if reveal:
        audit.record(session, actor, "gateway.reveal_key", target=("gateway", slug), now=now)
        return text
    return text.replace(faskey_of(gateway), _HIDDEN)
