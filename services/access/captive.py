"""What a phone's own system may know: whether its client is captive and what is left (RFC 8908), and what the place is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.keys import BadSeal, seal_json, unseal_json
from services.access import slots
from services.access.context import HotspotContext, read_context
from services.access.entitlements import AccessView, usable_for_client, view_access
from services.access.errors import GatewayNotFound, StaleContext
from services.access.gateways import gateway_by_slug
from services.access.models import LIVE, ON_OFFER, Entitlement, Gateway, Grant
from services.accounts.models import Device
from services.network.incident_models import Incident, IncidentState
from services.network.models import Site

_READING = "captive-reading"


def reading_token(device: Device) -> str:
    """Names a device for reading its balance alone: it stands in an address, so it must open nothing."""
    return seal_json(_READING, {"d": device.id})


def _device_read(session: Session, token: str) -> Device | None:
    if not token:
        return None
    try:
        device_id = unseal_json(_READING, token).get("d")
    except BadSeal:
        return None
    return session.get(Device, device_id) if isinstance(device_id, int) else None


@dataclass(frozen=True)
class Standing:
    """One client before the portal. `access` is None where nothing is known of it; `context_token` is empty without a good one."""

    is_captive: bool
    access: AccessView | None
    gateway_slug: str | None
    context_token: str


def standing(session: Session, *, context_token: str, reading_token: str, now: datetime) -> Standing:
    """Whether the client behind these tokens is let in where it stands. Changes nothing; a bad token names nobody."""
    try:
        context = read_context(context_token, now=now)
    except StaleContext:
        context, context_token = None, ""
    device = _device_read(session, reading_token)
    entitlement = usable_for_client(session, context, device, now=now)
    access = view_access(session, entitlement, now=now) if entitlement is not None else None
    slug = session.exec(select(Gateway.slug).where(Gateway.id == context.gateway_id)).one_or_none() if context is not None else None
    is_in = entitlement is not None and _is_in(session, entitlement, device, context)
    return Standing(not is_in, access, slug, context_token)


def _is_in(session: Session, entitlement: Entitlement, device: Device | None, context: HotspotContext | None) -> bool:
    """Whether a router let in this very client, not merely some device of the purchase."""
    if context is not None:
        slot = slots.held_slot(session, entitlement, device, context)
        device_id = slot.device_id if slot is not None else None
    else:
        device_id = device.id if device is not None else None
    let_in = select(Grant.id).where(
        Grant.entitlement_id == entitlement.id,
        Grant.device_id == device_id,
        col(Grant.state).in_(LIVE),
        # On offer and acknowledged before: offered anew for a page that was only reloaded.
        (~col(Grant.state).in_(ON_OFFER)) | col(Grant.acked_at).is_not(None),
    )
    return session.exec(let_in.limit(1)).one_or_none() is not None


@dataclass(frozen=True)
class Place:
    """A place as a customer sees it. `outage_since`: the network is known to be down there."""

    name: str
    address: str | None
    outage_since: datetime | None


def gateway_place(session: Session, slug: str) -> Place | None:
    """Where this gateway stands; None for one that is not ours."""
    try:
        gateway = gateway_by_slug(session, slug)
    except GatewayNotFound:
        return None
    place = site_place(session, gateway.site_id) if gateway.site_id is not None else None
    return place or Place(gateway.name, None, None)


def site_place(session: Session, site_id: int) -> Place | None:
    """This site; None for one that is not ours."""
    site = session.get(Site, site_id)
    if site is None:
        return None
    since = session.exec(select(Incident.started_at).where(Incident.site_id == site_id, Incident.state == IncidentState.OPEN)).first()
    return Place(site.name, site.address, since)
