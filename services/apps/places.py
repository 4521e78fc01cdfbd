"""Outages as customers see them: where, since when, how far away. Nothing of what staff found out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import AccessSession, Gateway
from services.apps.callers import Caller
from services.network.incident_models import Incident, IncidentState
from services.network.models import Site
from services.tickets.candidates import Position, distance_km

MOST = 200
_RECENT = timedelta(days=14)
_FAR = float("inf")


@dataclass(frozen=True)
class OutageNear:
    """`is_mine`: the caller was online there within two weeks. `km` is None where nobody knows one of the two positions."""

    place_id: int
    name: str
    address: str | None
    latitude: float | None
    longitude: float | None
    since: datetime
    km: float | None
    is_mine: bool


def outages(session: Session, caller: Caller, *, near: Position | None, now: datetime) -> tuple[OutageNear, ...]:
    """Places that are down now: first those where the caller was lately, then the nearest."""
    found = session.exec(
        select(Incident, Site)
        .join(Site, col(Site.id) == Incident.site_id)
        .where(Incident.state == IncidentState.OPEN)
        .order_by(col(Incident.started_at).desc(), col(Incident.id))
    ).all()
    mine = _places_of(session, caller, now=now) if found else set()
    told = [_near(incident, site, near, is_mine=site.id in mine) for incident, site in found]
    return tuple(sorted(told, key=_rank)[:MOST])


def _rank(one: OutageNear) -> tuple[bool, float, float, int]:
    return (not one.is_mine, _FAR if one.km is None else one.km, -one.since.timestamp(), one.place_id)


def _near(incident: Incident, site: Site, near: Position | None, *, is_mine: bool) -> OutageNear:
    assert site.id is not None
    km = None
    if near is not None and site.latitude is not None and site.longitude is not None:
        km = round(distance_km(near, (site.latitude, site.longitude)), 1)
    return OutageNear(site.id, site.name, site.address, site.latitude, site.longitude, incident.started_at, km, is_mine)


def _places_of(session: Session, caller: Caller, *, now: datetime) -> set[int | None]:
    """Sites whose routers let the caller in lately."""
    there = (
        select(Gateway.site_id)
        .join(AccessSession, col(AccessSession.gateway_id) == Gateway.id)
        .where(
            AccessSession.customer_id == caller.customer(),
            sa.or_(col(AccessSession.ended_at).is_(None), col(AccessSession.ended_at) > now - _RECENT),
            col(Gateway.site_id).is_not(None),
        )
        .distinct()
    )
    return set(session.exec(there).all())
