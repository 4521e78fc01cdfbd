"""Places as customers know them; sites, access points and outages as technicians do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Gateway
from services.accounts.permissions import Permission
from services.apps.callers import Caller
from services.apps.documents.shape import Data, at, named
from services.listing import pick
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Site

PERIODS = 10
"""So many of an access point's last states; a longer history is asked for."""
_DOWN_SHOWN = 50
_LAST_PERIODS = sa.text("""
SELECT asked.id, period.state, period.started_at, period.ended_at FROM unnest(CAST(:ids AS bigint[])) AS asked (id)
CROSS JOIN LATERAL (
    SELECT state, started_at, ended_at FROM health_period WHERE access_point_id = asked.id ORDER BY started_at DESC LIMIT :shown
) AS period ORDER BY period.started_at
""")


def places(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """For customers: where it is, since when there is an outage, and its gateways, by which sessions name the place."""
    running = (col(Incident.site_id) == col(Site.id)) & (col(Incident.state) == IncidentState.OPEN)
    rows = session.execute(_sites(col(Incident.started_at).label("outage_since")).outerjoin(Incident, running).where(col(Site.id).in_(ids)))
    found = {row.id: _site(row) | {"outage_since": at(row.outage_since), "gateways": []} for row in rows.all()}
    gateways = sa.select(col(Gateway.site_id), col(Gateway.id), col(Gateway.name)).where(col(Gateway.site_id).in_(found))
    for site_id, number, name in session.execute(gateways.order_by(col(Gateway.id))).all():
        found[site_id]["gateways"].append({"id": str(number), "name": name})
    return found


def sites(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    if not _may_read(caller):
        return {}
    return {row.id: _site(row) for row in session.execute(_sites().where(col(Site.id).in_(ids))).all()}


def access_points(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    if not _may_read(caller):
        return {}
    wanted = sa.select(
        *(col(of) for of in (AccessPoint.id, AccessPoint.name, AccessPoint.mac, AccessPoint.address, AccessPoint.model)),
        *(col(of) for of in (AccessPoint.firmware, AccessPoint.site_id, AccessPoint.gateway_id, AccessPoint.vanished_at)),
        *(col(of) for of in (AccessPoint.health, AccessPoint.health_since)),
    )
    rows = session.execute(wanted.where(col(AccessPoint.id).in_(ids))).all()
    periods: dict[int, list[Data]] = {row.id: [] for row in rows}
    for number, state, started_at, ended_at in session.execute(_LAST_PERIODS, {"ids": list(periods), "shown": PERIODS}).all():
        periods[number].append({"state": state, "started_at": at(started_at), "ended_at": at(ended_at)})
    return {
        row.id: {
            "name": row.name,
            "mac": row.mac,
            "address": row.address,
            "model": row.model,
            "firmware": row.firmware,
            "site_id": named(row.site_id),
            "gateway_id": named(row.gateway_id),
            "vanished_at": at(row.vanished_at),
            "health": row.health.value,
            "health_since": at(row.health_since),
            "periods": periods[row.id],
        }
        for row in rows
    }


def incidents(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """`down`: the access points that are down now, the first fifty of `down_count`."""
    if not _may_read(caller):
        return {}
    wanted = sa.select(
        *(col(of) for of in (Incident.id, Incident.reference, Incident.site_id, Incident.state)),
        *(col(of) for of in (Incident.started_at, Incident.resolved_at)),
    )
    rows = session.execute(wanted.where(col(Incident.id).in_(ids))).all()
    down = _down(session, [row.id for row in rows])
    return {
        row.id: {
            "reference": row.reference,
            "site_id": named(row.site_id),
            "state": row.state.value,
            "started_at": at(row.started_at),
            "resolved_at": at(row.resolved_at),
            "down": down.get(row.id, [])[:_DOWN_SHOWN],
            "down_count": len(down.get(row.id, [])),
        }
        for row in rows
    }


def _down(session: Session, incident_ids: Collection[int]) -> dict[int, list[str]]:
    member = (col(IncidentMember.incident_id).in_(incident_ids), col(IncidentMember.ended_at).is_(None))
    wanted = sa.select(col(IncidentMember.incident_id), col(IncidentMember.access_point_id)).where(*member)
    found: dict[int, list[str]] = {}
    for incident_id, access_point_id in session.execute(wanted.order_by(col(IncidentMember.access_point_id))).all():
        found.setdefault(incident_id, []).append(str(access_point_id))
    return found


def _may_read(caller: Caller) -> bool:
    return caller.technician().may(Permission.NETWORK_READ)


def _sites(*more: Any) -> sa.Select[Any]:
    return pick(*(col(of) for of in (Site.id, Site.name, Site.address, Site.latitude, Site.longitude)), *more)


def _site(row: sa.Row[Any]) -> Data:
    return {"name": row.name, "address": row.address, "latitude": row.latitude, "longitude": row.longitude}
