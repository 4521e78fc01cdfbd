"""What staff may correct: where an access point belongs, and what a site is called and where it is."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal, TypedDict

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.errors import Conflict, InvalidInput
from app.events import publish
from services.access.errors import GatewayNotFound
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.access_point_queries import AccessPointNotFound
from services.network.models import AccessPoint, SetBy, Site
from services.network.site_queries import SiteNotFound
from services.revision import require

NAME_LENGTH, ADDRESS_LENGTH = 120, 200


class SiteNameTaken(Conflict):
    code, title = "site_name_taken", "Another site has that name"
    message = "Another site has that name already. If both are one place, merge them."


class AccessPointChanges(TypedDict, total=False):
    """What is left out stays. A place or a gateway that is given is staff's word, None too; a `..._set_by` gives it back to discovery."""

    site_id: int | None
    gateway: str | None
    site_set_by: Literal["discovery"]
    gateway_set_by: Literal["discovery"]


class SiteChanges(TypedDict, total=False):
    """What is left out stays."""

    name: str
    address: str | None
    latitude: float | None
    longitude: float | None


def change_access_point(
    session: Session, *, actor: Principal, access_point_id: int, changes: AccessPointChanges, expected_revision: str | None, now: datetime
) -> AccessPoint:
    """Say where an access point stands and which gateway it is, or let discovery decide again, which it does at its next run.

    Raises Forbidden, AccessPointNotFound, Stale, SiteNotFound, GatewayNotFound, or InvalidInput for both wishes at once.
    """
    actor.require(Permission.NETWORK_EDIT)
    _be_no_contradiction(changes)
    point = session.get(AccessPoint, access_point_id, with_for_update=True, populate_existing=True)
    if point is None:
        raise AccessPointNotFound
    require(expected_revision, point.revision)
    before = _shown_point(session, point)
    if "site_id" in changes:
        point.site_id, point.site_set_by = _site_id(session, changes["site_id"]), SetBy.STAFF
    elif "site_set_by" in changes:
        point.site_set_by = SetBy.DISCOVERY
    if "gateway" in changes:
        gateway = _gateway(session, changes["gateway"])
        point.gateway_id, point.gateway_set_by = (gateway.id if gateway else None), SetBy.STAFF
    elif "gateway_set_by" in changes:
        point.gateway_set_by = SetBy.DISCOVERY
    session.flush()
    after = _shown_point(session, point)
    audit.record(session, actor, "access_point.change", target=("access_point", point.id), now=now, before=before, after=after)
    publish(session, "network", point.id)
    return point


def _be_no_contradiction(changes: AccessPointChanges) -> None:
    for value, giver in (("site_id", "site_set_by"), ("gateway", "gateway_set_by")):
        if value in changes and giver in changes:
            raise InvalidInput("Either say what it is, or let discovery decide.", field=giver)


def _site_id(session: Session, site_id: int | None) -> int | None:
    if site_id is not None and session.get(Site, site_id, with_for_update={"read": True, "key_share": True}) is None:
        raise SiteNotFound(field="site_id")
    return site_id


def _gateway(session: Session, slug: str | None) -> Gateway | None:
    if slug is None:
        return None
    found = session.exec(select(Gateway).where(Gateway.slug == slug)).one_or_none()
    if found is None:
        raise GatewayNotFound(field="gateway")
    return found


def _shown_point(session: Session, point: AccessPoint) -> dict[str, object]:
    site = session.get(Site, point.site_id) if point.site_id else None
    gateway = session.get(Gateway, point.gateway_id) if point.gateway_id else None
    return {
        "site": site.name if site else None,
        "site_set_by": point.site_set_by,
        "gateway": gateway.slug if gateway else None,
        "gateway_set_by": point.gateway_set_by,
    }


def change_site(
    session: Session, *, actor: Principal, site_id: int, changes: SiteChanges, expected_revision: str | None, now: datetime
) -> Site:
    """Name, address and position. Raises Forbidden, SiteNotFound, Stale, SiteNameTaken or InvalidInput naming the field."""
    actor.require(Permission.NETWORK_EDIT)
    site = session.get(Site, site_id, with_for_update=True, populate_existing=True)
    if site is None:
        raise SiteNotFound
    require(expected_revision, site.revision)
    before = _shown_site(site)
    wanted = _checked({**before, **changes})
    try:
        with session.begin_nested():
            for field, value in wanted.items():
                setattr(site, field, value)
            session.flush()
    except IntegrityError:
        raise SiteNameTaken(field="name") from None
    audit.record(session, actor, "site.change", target=("site", site_id), now=now, before=before, after=wanted)
    publish(session, "network", site_id)
    return site


def _shown_site(site: Site) -> dict[str, Any]:
    return {"name": site.name, "address": site.address, "latitude": site.latitude, "longitude": site.longitude}


def _checked(wanted: dict[str, Any]) -> dict[str, Any]:
    name, address = _clean(wanted["name"]), _clean(wanted["address"])
    if not name or len(name) > NAME_LENGTH:
        raise InvalidInput(f"A site's name has 1 to {NAME_LENGTH} characters.", field="name")
    if len(address) > ADDRESS_LENGTH:
        raise InvalidInput(f"Keep the address under {ADDRESS_LENGTH} characters.", field="address")
    latitude, longitude = wanted["latitude"], wanted["longitude"]
    if (latitude is None) != (longitude is None):
        missing = "latitude" if latitude is None else "longitude"
        raise InvalidInput("A position is latitude and longitude together, or neither.", field=missing)
    for field, value, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if value is not None and not (math.isfinite(value) and abs(value) <= most):
            raise InvalidInput(f"The {field} is between -{most} and {most} degrees.", field=field)
    return {"name": name, "address": address or None, "latitude": latitude, "longitude": longitude}


def _clean(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()
