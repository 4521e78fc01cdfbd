"""What staff may do to routers: register one, change it, read its keys."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from sqlmodel import Session, select

from app.events import publish
from services.access.errors import GatewayNotFound
from services.access.gateway_keys import wanted_key
from services.access.gateways import DEFAULT_POLL_SECONDS, add_gateway, gateway_by_slug, site_named
from services.access.models import Gateway
from services.access.router_config import PortalAddress, RouterSystem, router_snippet
from services.accounts.permissions import PROOF_LASTS, Permission, Principal
from services.audit import service as audit
from services.network.models import Site
from services.revision import require

_HIDDEN = "•" * 16


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
    poll_seconds: int = DEFAULT_POLL_SECONDS,
) -> Gateway:
    """Register a router from the console. Raises Forbidden, BadGateway or GatewayExists."""
    actor.require(Permission.GATEWAYS_EDIT)
    gateway = add_gateway(
        session,
        slug=slug,
        gateway_name=gateway_name,
        faskey=faskey,
        level=level,
        site_name=site_name,
        name=name or None,
        poll_seconds=poll_seconds,
        now=now,
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


def snippet_for(
    session: Session,
    *,
    actor: Principal,
    slug: str,
    portal: PortalAddress,
    reveal: bool,
    now: datetime,
    system: RouterSystem = "openwrt",
) -> str:
    """The router's configuration. Its key is hidden unless `reveal`, which takes the right to edit and a fresh proof.

    Raises Forbidden, FreshProofNeeded, GatewayNotFound, or BadGateway where that system cannot do what the gateway is registered for.
    """
    actor.require(Permission.GATEWAYS_EDIT if reveal else Permission.GATEWAYS_READ)
    gateway = gateway_by_slug(session, slug)
    # Whoever registers a router sees the key that was made a moment ago.
    if reveal and now - gateway.created_at > PROOF_LASTS:
        actor.require_proof(now=now)
    text = router_snippet(gateway, portal=portal, system=system)
    if reveal:
        audit.record(session, actor, "gateway.reveal_key", target=("gateway", slug), now=now)
        return text
    return text.replace(wanted_key(gateway), _HIDDEN)
