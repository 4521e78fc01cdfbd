"""Long reads of sites: the list, one of them, and all of them on the map."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import NotFound
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import AccessPoint, Health, Site
from services.network.surroundings import live_sessions_by_site
from services.network.uptime import Uptime, begins_at, month_after, month_of, uptime_by_site

UP = (Health.ONLINE, Health.DEGRADED)
"""States in which an access point serves customers."""


class SiteNotFound(NotFound):
    code, title = "site_not_found", "No such site"
    message = "There is no site under that number."


@dataclass(frozen=True)
class SiteRow:
    """`access_point_count` leaves out those that vanished from OpenWISP or are out of service; `access_points_up` are of these."""

    id: int
    name: str
    external_id: str | None
    address: str | None
    latitude: float | None
    longitude: float | None
    gateway_count: int
    access_point_count: int
    access_points_up: int
    revision: str


@dataclass(frozen=True)
class SiteFigures:
    """What is happening at a site. `live_sessions` is None for whoever may not know."""

    live_sessions: int | None
    uptime: Uptime


@dataclass(frozen=True)
class SiteOnMap:
    """A site with how its access points fare; those that vanished or are out of service are left out."""

    id: int
    name: str
    latitude: float | None
    longitude: float | None
    by_health: dict[Health, int]

    @property
    def total(self) -> int:
        return sum(self.by_health.values())

    @property
    def up(self) -> int:
        return sum(self.by_health.get(state, 0) for state in UP)

    @property
    def worst(self) -> Health | None:
        """None for a site without access points."""
        return next((state for state in _WORST_FIRST if self.by_health.get(state)), None)


_CHOICES = 1000
_WORST_FIRST = (Health.OFFLINE, Health.DEGRADED, Health.UNKNOWN, Health.ONLINE)
_SORTS: dict[str, Sequence[Any]] = {"newest": (col(Site.id),), "name": (col(Site.name), col(Site.id))}
_IN_SERVICE = (col(AccessPoint.vanished_at).is_(None), col(AccessPoint.health) != Health.RETIRED)


def _rows_query() -> sa.Select[Any]:
    gateways = sa.select(sa.func.count()).select_from(Gateway).where(col(Gateway.site_id) == Site.id).scalar_subquery()
    points = sa.select(sa.func.count()).select_from(AccessPoint).where(col(AccessPoint.site_id) == Site.id, *_IN_SERVICE)
    return pick(Site, gateways, points.scalar_subquery(), points.where(col(AccessPoint.health).in_(UP)).scalar_subquery())


def _row(found: Any) -> SiteRow:
    site, gateways, points, up = found
    place = (site.name, site.external_id, site.address, site.latitude, site.longitude)
    return SiteRow(site.id, *place, gateways, points, up, site.revision)


def list_sites(session: Session, *, actor: Principal, search: str, part: Slice) -> Listing[SiteRow]:
    """One page of places; `search` is looked for anywhere in their names and addresses. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    text = search.strip()
    wanted = [sa.or_(*(col(field).icontains(text, autoescape=True) for field in (Site.name, Site.address)))] if text else []
    found = fetch(session, _rows_query().where(*wanted), part, sorts=_SORTS, default_sort="newest")
    total, is_estimate = count(session, pick(Site.id).where(*wanted), part=part)
    return Listing(tuple(_row(row) for row in found), total, is_estimate)


def site_page(session: Session, *, actor: Principal, site_id: int) -> SiteRow:
    """Raises Forbidden or SiteNotFound."""
    actor.require(Permission.NETWORK_READ)
    found = session.execute(_rows_query().where(col(Site.id) == site_id)).one_or_none()
    if found is None:
        raise SiteNotFound
    return _row(found)


def figures_of(session: Session, *, actor: Principal, site_ids: Collection[int], now: datetime) -> dict[int, SiteFigures]:
    """Live sessions and this month's up-time of some sites. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    uptimes = uptime_by_site(session, site_ids, start=begins_at(month_of(now)), end=now, now=now)
    may_count = actor.may(Permission.SESSIONS_READ)
    live = live_sessions_by_site(session, actor=actor, site_ids=site_ids) if may_count else {}
    return {site_id: SiteFigures(live.get(site_id, 0) if may_count else None, uptimes[site_id]) for site_id in site_ids}


def months_of_site(session: Session, *, actor: Principal, site_id: int, months: int, now: datetime) -> dict[date, Uptime]:
    """Its up-time in the last `months` months up to the running one, oldest first. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    wanted = [month_after(month_of(now), -back) for back in reversed(range(months))]
    return {
        month: uptime_by_site(session, [site_id], start=begins_at(month), end=begins_at(month_after(month)), now=now)[site_id]
        for month in wanted
    }


def sites_on_map(session: Session, *, actor: Principal) -> tuple[SiteOnMap, ...]:
    """Every site, by name, also those without a position. Two statements, however many there are. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    by_site: dict[int, dict[Health, int]] = {}
    counted = pick(AccessPoint.site_id, AccessPoint.health, sa.func.count()).where(*_IN_SERVICE, col(AccessPoint.site_id).is_not(None))
    for site_id, health, number in session.execute(counted.group_by(col(AccessPoint.site_id), col(AccessPoint.health))):
        by_site.setdefault(site_id, {})[health] = number
    rows = session.execute(pick(Site.id, Site.name, Site.latitude, Site.longitude).order_by(col(Site.name))).all()
    return tuple(SiteOnMap(row.id, row.name, row.latitude, row.longitude, by_site.get(row.id, {})) for row in rows)


def site_choices(session: Session, *, actor: Principal, besides: int | None = None) -> dict[str, str]:
    """Number to name of the first thousand sites by name, and of the site `besides`, for a filter's menu. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    found = session.execute(pick(Site.id, Site.name).order_by(col(Site.name)).limit(_CHOICES)).all()
    extra = session.execute(pick(Site.id, Site.name).where(col(Site.id) == besides)).all() if besides is not None else ()
    return {str(row.id): row.name for row in (*extra, *found)}


def find_sites(session: Session, *, actor: Principal, search: str, besides: int | None = None, limit: int = 8) -> Sequence[Site]:
    """The first sites by name whose name has the text somewhere, for choosing one. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    query = select(Site).order_by(col(Site.name)).limit(limit)
    if text := search.strip():
        query = query.where(col(Site.name).icontains(text, autoescape=True))
    return session.exec(query.where(Site.id != besides) if besides is not None else query).all()
