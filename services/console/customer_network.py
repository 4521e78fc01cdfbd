"""How the network fared where and when a customer was online or wrote: the outages that covered a session, an access point's health then.

Which access points belong to a gateway is known as it is now (services/network/linking.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from app.db import UtcDateTime
from services.access.models import AccessSession
from services.listing import pick
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Health, HealthPeriod

_MOST = 200


@dataclass(frozen=True)
class Outage:
    """One access point that was down within a session: half-open [started_at, ended_at), and down still without an end."""

    reference: str
    access_point: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Point:
    """The access point that somebody stood under, and its health at a moment; None where that is not known any more."""

    id: int
    name: str
    then: Health | None


def outages_within(session: Session, session_ids: Collection[int], *, now: datetime) -> dict[int, tuple[Outage, ...]]:
    """By access session, the first outage first; false alarms were none."""
    until = sa.func.coalesce(col(AccessSession.ended_at), sa.func.least(col(AccessSession.ends_at), now))
    overlaps = (col(IncidentMember.started_at) < until) & (
        col(IncidentMember.ended_at).is_(None) | (col(IncidentMember.ended_at) > col(AccessSession.started_at))
    )
    query = (
        pick(AccessSession.id, Incident.reference, AccessPoint.name, IncidentMember.started_at, IncidentMember.ended_at)
        .join(AccessPoint, col(AccessPoint.gateway_id) == AccessSession.gateway_id)
        .join(IncidentMember, (col(IncidentMember.access_point_id) == AccessPoint.id) & overlaps)
        .join(Incident, col(Incident.id) == IncidentMember.incident_id)
        .where(col(AccessSession.id).in_(session_ids), col(Incident.state) != IncidentState.FALSE_ALARM)
        .order_by(col(IncidentMember.started_at), col(IncidentMember.id))
        .limit(_MOST)
    )
    found: dict[int, list[Outage]] = defaultdict(list)
    for session_id, reference, name, started_at, ended_at in session.execute(query):
        found[session_id].append(Outage(reference, name, started_at, ended_at))
    return {session_id: tuple(outages) for session_id, outages in found.items()}


def points_behind(session: Session, gateway_ids: Collection[int]) -> dict[int, int]:
    """The one access point of each of these gateways; one with several, or none, is left out: which it was would be guessed."""
    standing = (
        pick(AccessPoint.gateway_id, sa.func.min(AccessPoint.id))
        .where(col(AccessPoint.gateway_id).in_(gateway_ids), col(AccessPoint.vanished_at).is_(None))
        .group_by(col(AccessPoint.gateway_id))
        .having(sa.func.count() == 1)
    )
    return {row[0]: row[1] for row in session.execute(standing)}


def points_then(session: Session, wanted: Sequence[tuple[int, datetime]]) -> dict[tuple[int, datetime], Point]:
    """Each access point with its health at the moment that is asked for."""
    if not wanted:
        return {}
    asked = sa.values(sa.column("point", sa.BigInteger), sa.column("at", UtcDateTime), name="asked").data(list(dict.fromkeys(wanted)))
    last = (
        pick(HealthPeriod.state, HealthPeriod.ended_at)
        .where(col(HealthPeriod.access_point_id) == asked.c.point, col(HealthPeriod.started_at) <= asked.c.at)
        .order_by(col(HealthPeriod.started_at).desc())
        .limit(1)
        .lateral("last")
    )
    query = (
        pick(asked.c.point, asked.c.at, AccessPoint.name, last.c.state, last.c.ended_at)
        .select_from(asked)
        .join(AccessPoint, col(AccessPoint.id) == asked.c.point)
        .outerjoin(last, sa.true())
    )
    found = {}
    for point, at, name, state, ended_at in session.execute(query):
        covers = state is not None and (ended_at is None or ended_at > at)
        found[point, at] = Point(point, name, Health(state) if covers else None)
    return found
