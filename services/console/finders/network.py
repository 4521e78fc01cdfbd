"""The network: access points, sites, gateways, and what went wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Gateway
from services.accounts.finding import any_of
from services.accounts.permissions import Principal
from services.console.finders.asked import Asked, slips
from services.console.finders.hits import WANTED, Hit, Kind, Rank, numbers
from services.console.finders.named import alike
from services.listing import pick
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Site

_LETTER, _REFERENCE, _LEAST = "I", 6, 3


def find_access_points(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By name, by address, or by MAC or how one begins, however it is written."""
    if (
        asked.mac_range is not None
        and not asked.nearly
        and (hits := _point_hits(session, _by_mac(AccessPoint.mac, asked.mac_range), col(AccessPoint.name)))
    ):
        return hits
    fits = alike(session, asked, col(AccessPoint.name))
    ways = [fits.condition, *([col(AccessPoint.address) == asked.text] if "." in asked.text and not asked.nearly else [])]
    return _point_hits(session, sa.or_(*ways), fits.rank, *fits.order, rank=fits.rank)


def access_points_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    return _point_hits(session, col(AccessPoint.id).in_(numbers(keys)), col(AccessPoint.id))


def _point_hits(session: Session, condition: sa.ColumnElement[bool], *order: Any, rank: Any = None) -> list[Hit]:
    query = pick(AccessPoint, Site.name, sa.literal(int(Rank.EXACT)) if rank is None else rank)
    query = query.outerjoin(Site, col(Site.id) == AccessPoint.site_id).where(condition).order_by(*order).limit(WANTED)
    return [
        Hit(
            Kind.ACCESS_POINTS,
            str(point.id),
            point.name,
            note=" · ".join(filter(None, (site, point.mac))),
            rank=Rank(number),
            state=point.health,
        )
        for point, site, number in session.execute(query)
    ]


def find_sites(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By name or address."""
    fits = alike(session, asked, col(Site.name), also=(col(Site.address),))
    query = pick(Site, fits.rank).where(fits.condition).order_by(fits.rank, *fits.order).limit(WANTED)
    return [Hit(Kind.SITES, str(site.id), site.name, note=site.address or "", rank=Rank(rank)) for site, rank in session.execute(query)]


def sites_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    rows = session.execute(pick(Site).where(col(Site.id).in_(numbers(keys)))).scalars()
    return [Hit(Kind.SITES, str(site.id), site.name, note=site.address or "") for site in rows]


def find_gateways(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By name, by the names that the router and its address have, or by MAC."""
    if (
        asked.mac_range is not None
        and not asked.nearly
        and (hits := _gateway_hits(session, _by_mac(Gateway.mac, asked.mac_range), col(Gateway.name)))
    ):
        return hits
    fits = alike(session, asked, col(Gateway.name), also=(col(Gateway.slug), col(Gateway.gateway_name)))
    return _gateway_hits(session, fits.condition, fits.rank, *fits.order, rank=fits.rank)


def gateways_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    return _gateway_hits(session, col(Gateway.slug).in_(keys), col(Gateway.id))


def _gateway_hits(session: Session, condition: sa.ColumnElement[bool], *order: Any, rank: Any = None) -> list[Hit]:
    query = pick(Gateway, Site.name, sa.literal(int(Rank.EXACT)) if rank is None else rank)
    query = query.outerjoin(Site, col(Site.id) == Gateway.site_id).where(condition).order_by(*order).limit(WANTED)
    return [
        Hit(
            Kind.GATEWAYS,
            gateway.slug,
            gateway.name,
            note=" · ".join(filter(None, (site if site != gateway.name else None, gateway.mac))),
            rank=Rank(number),
            at=gateway.last_poll_at,
        )
        for gateway, site, number in session.execute(query)
    ]


def find_incidents(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By reference (also with one slip), or by the place: what is open first, then the newest."""
    code = asked.reference
    if (asked.has_letter_before(_LETTER) or any(one.isdecimal() for one in code)) and _LEAST <= len(code) <= _REFERENCE + 1:
        start = f"{_LETTER}-{code}"
        if asked.nearly:
            named, rank = (
                col(Incident.reference) == any_of([f"{_LETTER}-{one}" for one in slips(code) if len(one) == _REFERENCE]),
                Rank.SIMILAR,
            )
        else:
            named, rank = col(Incident.reference).between(start, start + "Z" * _REFERENCE), Rank.PREFIX
            rank = Rank.EXACT if len(code) == _REFERENCE else rank
        if hits := _incident_hits(session, named, rank):
            return hits
    fits = alike(session, asked, col(Site.name))
    sites = session.execute(pick(Site.id, fits.rank).where(fits.condition).order_by(fits.rank, *fits.order).limit(WANTED)).all()
    # A place that is called so is no incident that is: it comes after those that are.
    rank = Rank.SIMILAR if asked.nearly else Rank.PART
    return _incident_hits(session, col(Incident.site_id).in_([number for number, _ in sites]), rank) if sites else []


def incidents_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    return _incident_hits(session, col(Incident.reference).in_(keys), Rank.EXACT)


def _incident_hits(session: Session, condition: sa.ColumnElement[bool], rank: Rank) -> list[Hit]:
    query = pick(Incident, Site.name).outerjoin(Site, col(Site.id) == Incident.site_id).where(condition)
    order = ((col(Incident.state) == IncidentState.OPEN).desc(), col(Incident.started_at).desc(), col(Incident.id))
    return [
        Hit(
            Kind.INCIDENTS,
            incident.reference,
            f"{incident.reference} · {site}" if site else incident.reference,
            rank=rank,
            state=incident.state,
            at=incident.started_at,
        )
        for incident, site in session.execute(query.order_by(*order).limit(WANTED))
    ]


def _by_mac(column: Any, between: tuple[str, str]) -> sa.ColumnElement[bool]:
    return col(column).between(*between)
