"""The up-time report in any order, with the outages of each row: whoever fared worst first, for the console."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.permissions import Permission, Principal
from services.listing import COUNT_CAP, MAX_LIMIT, Listing, Slice, pick
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Site
from services.network.uptime import Uptime, uptime_by_access_point, uptime_by_site
from services.network.uptime_report import By, Range, UptimeRow

Order = Literal["name", "share", "down", "incidents"]


@dataclass(frozen=True)
class Ranked:
    """How one access point or site fared, and in how many outages it was down."""

    row: UptimeRow
    incidents: int


@dataclass(frozen=True)
class Ranking:
    """One page, and all rows of the report together: `whole` is their up-time, `incidents` the outages, each counted once."""

    listing: Listing[Ranked]
    whole: Uptime
    incidents: int


def ranking(session: Session, *, actor: Principal, by: By, span: Range, part: Slice, search: str = "", now: datetime) -> Ranking:
    """One page in the order that `part` names (an `Order`). Sorted over the first 10,000 by name. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    found = session.execute(_query(by, search)).all()
    ids = [row[0] for row in found]
    measure = uptime_by_access_point if by == "access_point" else uptime_by_site
    uptimes = measure(session, ids, start=span.start, end=span.end, now=now)
    times, incidents = _incidents(session, by, ids, span)
    ranked = [Ranked(UptimeRow(row[0], row[1], row[2], row[3], uptimes[row[0]]), times.get(row[0], 0)) for row in found]
    ranked.sort(key=_KEYS.get(part.sort, _KEYS["name"]), reverse=part.descending)
    if part.sort == "share":
        # What nothing is known of is neither good nor bad: it stands last either way.
        ranked.sort(key=lambda one: one.row.uptime.share is None)
    first = min(max(part.offset, 0), COUNT_CAP)
    rows = tuple(ranked[first : first + min(max(part.limit, 1), MAX_LIMIT)])
    whole = sum(uptimes.values(), Uptime())
    return Ranking(Listing(rows, len(ranked), len(ranked) == COUNT_CAP), whole, incidents)


_KEYS: dict[str, Callable[[Ranked], Any]] = {
    "name": lambda ranked: (ranked.row.name, ranked.row.id),
    "share": lambda ranked: (ranked.row.uptime.share or 0.0, ranked.row.name, ranked.row.id),
    "down": lambda ranked: (ranked.row.uptime.offline, ranked.row.name, ranked.row.id),
    "incidents": lambda ranked: (ranked.incidents, ranked.row.name, ranked.row.id),
}


def _query(by: By, search: str) -> sa.Select[Any]:
    text = search.strip()
    if by == "site":
        query = pick(Site.id, Site.name, sa.null(), sa.null()).order_by(col(Site.name), col(Site.id))
        names = [col(Site.name)]
    else:
        query = (
            pick(AccessPoint.id, AccessPoint.name, Site.name, AccessPoint.health)
            .outerjoin(Site, col(Site.id) == AccessPoint.site_id)
            .order_by(col(AccessPoint.name), col(AccessPoint.id))
        )
        names = [col(AccessPoint.name), col(Site.name)]
    if text:
        query = query.where(sa.or_(*(name.icontains(text, autoescape=True) for name in names)))
    return query.limit(COUNT_CAP)


def _incidents(session: Session, by: By, ids: Collection[int], span: Range) -> tuple[dict[int, int], int]:
    """In how many outages each was down within the range, and how many those are together. False alarms are none."""
    whose: Any = col(IncidentMember.access_point_id) if by == "access_point" else col(AccessPoint.site_id)
    rows = session.execute(
        sa.select(whose, col(IncidentMember.incident_id))
        .join(Incident, col(Incident.id) == IncidentMember.incident_id)
        .join(AccessPoint, col(AccessPoint.id) == IncidentMember.access_point_id)
        .where(
            whose.in_(ids),
            col(IncidentMember.started_at) < span.end,
            sa.or_(col(IncidentMember.ended_at).is_(None), col(IncidentMember.ended_at) > span.start),
            col(Incident.state) != IncidentState.FALSE_ALARM,
        )
        .distinct()
    ).all()
    times: dict[int, int] = {}
    for row_id, _ in rows:
        times[row_id] = times.get(row_id, 0) + 1
    return times, len({incident_id for _, incident_id in rows})
