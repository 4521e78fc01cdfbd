"""How the network stands as a whole: what is down, what the last questions to OpenWISP brought, and the discoveries there were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.access_point_queries import AccessPointRow, rows_query
from services.network.alarm_models import CheckKind, DiscoveryRun, NetworkCheck
from services.network.models import AccessPoint, Health

_RUN_SORTS: dict[str, Sequence[Any]] = {"started": (col(DiscoveryRun.started_at), col(DiscoveryRun.id))}


@dataclass(frozen=True)
class NetworkSummary:
    """Access points in service by state, those that vanished, and how the newest discovery and health poll went (None: there was none)."""

    by_health: dict[Health, int]
    vanished: int
    without_site: int
    discovery: NetworkCheck | None
    poll: NetworkCheck | None

    @property
    def total(self) -> int:
        return sum(number for state, number in self.by_health.items() if state is not Health.RETIRED)


def network_summary(session: Session, *, actor: Principal) -> NetworkSummary:
    """Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    is_there = col(AccessPoint.vanished_at).is_(None)
    in_service = col(AccessPoint.health) != Health.RETIRED
    alone = sa.func.count().filter(is_there, in_service, col(AccessPoint.site_id).is_(None))
    rows = session.execute(
        pick(AccessPoint.health, sa.func.count().filter(is_there), sa.func.count().filter(~is_there), alone).group_by(
            col(AccessPoint.health)
        )
    ).all()
    return NetworkSummary(
        by_health={row[0]: row[1] for row in rows if row[1]},
        vanished=sum(row[2] for row in rows),
        without_site=sum(row[3] for row in rows),
        discovery=session.get(NetworkCheck, CheckKind.DISCOVERY),
        poll=session.get(NetworkCheck, CheckKind.HEALTH),
    )


def down_now(session: Session, *, actor: Principal, site_id: int | None = None, limit: int = 50) -> tuple[AccessPointRow, ...]:
    """Access points that are down, newest first. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    query = rows_query().where(col(AccessPoint.health) == Health.OFFLINE, col(AccessPoint.vanished_at).is_(None))
    if site_id is not None:
        query = query.where(col(AccessPoint.site_id) == site_id)
    found = session.execute(query.order_by(col(AccessPoint.health_since).desc(), col(AccessPoint.id).desc()).limit(limit)).all()
    return tuple(AccessPointRow(*row) for row in found)


def list_runs(session: Session, *, actor: Principal, part: Slice) -> Listing[DiscoveryRun]:
    """One page of discoveries. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    found = fetch(session, pick(DiscoveryRun), part, sorts=_RUN_SORTS, default_sort="started")
    total, is_estimate = count(session, pick(DiscoveryRun.id), whole_table="discovery_run", part=part)
    return Listing(tuple(row[0] for row in found), total, is_estimate)
