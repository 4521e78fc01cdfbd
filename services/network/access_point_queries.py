"""Long reads of access points: the list, one of them, how it fared, and which gateways it may be linked to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import NotFound
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import AccessPoint, Health, HealthChange, HealthPeriod, Site

Presence = Literal["present", "vanished", "all"]
_HEXADECIMAL = re.compile(r"[0-9a-f]{12}")
_PART_OF_ADDRESS, _PART_OF_MAC = re.compile(r"[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*"), re.compile(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*")
_CHANGES_SHOWN = 50
_SUGGESTIONS = 5
_FIVE_OCTETS = 15


class AccessPointNotFound(NotFound):
    code, title = "access_point_not_found", "No such access point"
    message = "There is no access point under that number."


@dataclass(frozen=True)
class AccessPointFilter:
    """`search` is a part of a name, an address or a MAC; a whole MAC is found however it is written."""

    presence: Presence = "present"
    health: Health | None = None
    site_id: int | None = None
    has_site: bool | None = None
    gateway_slug: str | None = None
    is_linked: bool | None = None
    search: str = ""


@dataclass(frozen=True)
class AccessPointRow:
    point: AccessPoint
    site_name: str | None
    gateway_name: str | None
    gateway_slug: str | None

    @property
    def id(self) -> int:
        assert self.point.id is not None
        return self.point.id


@dataclass(frozen=True)
class GatewayChoice:
    """A gateway that an access point may be linked to. `hint` tells two of one name apart."""

    slug: str
    name: str
    hint: str


_SORTS: dict[str, Sequence[Any]] = {
    "name": (col(AccessPoint.name), col(AccessPoint.id)),
    # Numbers are given as access points are discovered.
    "discovered": (col(AccessPoint.id),),
}


def rows_query() -> sa.Select[Any]:
    """Access points with the names of their site and gateway, as `AccessPointRow` takes them."""
    return (
        pick(AccessPoint, Site.name, Gateway.name, Gateway.slug)
        .select_from(AccessPoint)
        .outerjoin(Site, col(Site.id) == AccessPoint.site_id)
        .outerjoin(Gateway, col(Gateway.id) == AccessPoint.gateway_id)
    )


def list_access_points(session: Session, *, actor: Principal, wanted: AccessPointFilter, part: Slice) -> Listing[AccessPointRow]:
    """One page of access points. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    conditions = _conditions(session, wanted)
    found = fetch(session, rows_query().where(*conditions), part, sorts=_SORTS, default_sort="name")
    whole = None if conditions else "access_point"
    total, is_estimate = count(session, pick(AccessPoint.id).where(*conditions), whole_table=whole, part=part)
    return Listing(tuple(AccessPointRow(*row) for row in found), total, is_estimate)


def _conditions(session: Session, wanted: AccessPointFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.presence != "all":
        is_gone = col(AccessPoint.vanished_at).is_not(None)
        conditions.append(is_gone if wanted.presence == "vanished" else ~is_gone)
    if wanted.health is not None:
        conditions.append(col(AccessPoint.health) == wanted.health)
    if wanted.site_id is not None:
        conditions.append(col(AccessPoint.site_id) == wanted.site_id)
    if wanted.has_site is not None:
        placed = col(AccessPoint.site_id).is_not(None)
        conditions.append(placed if wanted.has_site else ~placed)
    if wanted.gateway_slug is not None:
        gateway_id = session.exec(select(Gateway.id).where(Gateway.slug == wanted.gateway_slug)).one_or_none()
        conditions.append(sa.false() if gateway_id is None else col(AccessPoint.gateway_id) == gateway_id)
    if wanted.is_linked is not None:
        linked = col(AccessPoint.gateway_id).is_not(None)
        conditions.append(linked if wanted.is_linked else ~linked)
    if text := wanted.search.strip():
        conditions.append(_found_by(text))
    return conditions


def _found_by(text: str) -> sa.ColumnElement[bool]:
    mac = canonical_mac(text)
    if mac is not None:
        return col(AccessPoint.mac) == mac
    # Every column that is looked through costs a look at every row: only what the text can be part of.
    fields: list[Any] = [AccessPoint.name]
    if _PART_OF_ADDRESS.fullmatch(text):
        fields.append(AccessPoint.address)
    if _PART_OF_MAC.fullmatch(text):
        fields.append(AccessPoint.mac)
    return sa.or_(*(col(field).icontains(text, autoescape=True) for field in fields))


def canonical_mac(text: str) -> str | None:
    """Six octets in lower case with colons, from any way of writing them; None for anything else."""
    digits = re.sub(r"[\s:.\-]", "", text.lower())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2)) if _HEXADECIMAL.fullmatch(digits) else None


def access_point_page(session: Session, *, actor: Principal, access_point_id: int) -> AccessPointRow:
    """Raises Forbidden or AccessPointNotFound."""
    actor.require(Permission.NETWORK_READ)
    found = session.execute(rows_query().where(col(AccessPoint.id) == access_point_id)).one_or_none()
    if found is None:
        raise AccessPointNotFound
    return AccessPointRow(*found)


def raw_changes(session: Session, *, actor: Principal, access_point_id: int) -> tuple[HealthChange, ...]:
    """The newest changes of what OpenWISP reports, before anything is debounced. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    newest = (
        select(HealthChange)
        .where(HealthChange.access_point_id == access_point_id)
        .order_by(col(HealthChange.at).desc(), col(HealthChange.id).desc())
    )
    return tuple(session.exec(newest.limit(_CHANGES_SHOWN)).all())


def list_periods(
    session: Session, *, actor: Principal, access_point_id: int, since: datetime | None, until: datetime | None, part: Slice
) -> tuple[HealthPeriod, ...]:
    """The debounced states that touch [since, until), by their beginning. Raises Forbidden or AccessPointNotFound."""
    access_point_page(session, actor=actor, access_point_id=access_point_id)
    query = pick(HealthPeriod).where(col(HealthPeriod.access_point_id) == access_point_id)
    if since is not None:
        query = query.where(sa.or_(col(HealthPeriod.ended_at).is_(None), col(HealthPeriod.ended_at) > since))
    if until is not None:
        query = query.where(col(HealthPeriod.started_at) < until)
    sorts: dict[str, Sequence[Any]] = {"started": (col(HealthPeriod.started_at), col(HealthPeriod.id))}
    return tuple(row[0] for row in fetch(session, query, part, sorts=sorts, default_sort="started"))


def near_gateways(session: Session, *, actor: Principal, mac: str | None) -> tuple[GatewayChoice, ...]:
    """Gateways that differ only in the MAC's last octet: a box numbers its ports and radios one after the other. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    if not mac:
        return ()
    near = (
        select(Gateway).where(col(Gateway.mac).startswith(mac[:_FIVE_OCTETS], autoescape=True)).order_by(col(Gateway.mac), col(Gateway.id))
    )
    return tuple(_choice(gateway) for gateway in session.exec(near.limit(_SUGGESTIONS)).all())


def find_gateways(session: Session, *, actor: Principal, search: str, limit: int = 8) -> tuple[GatewayChoice, ...]:
    """The first gateways whose name, address or MAC has the text somewhere. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    query = select(Gateway).order_by(col(Gateway.name), col(Gateway.id)).limit(limit)
    if text := search.strip():
        fields = (Gateway.name, Gateway.slug, Gateway.mac)
        query = query.where(sa.or_(*(col(field).icontains(text, autoescape=True) for field in fields)))
    return tuple(_choice(gateway) for gateway in session.exec(query).all())


def _choice(gateway: Gateway) -> GatewayChoice:
    return GatewayChoice(gateway.slug, gateway.name, gateway.mac or gateway.slug)
