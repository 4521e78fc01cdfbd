"""How the network fares at a glance, and the warnings that stand: for the console's first page and the incidents page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.alarm_models import AlarmKind, CheckKind, NetworkAlarm, NetworkCheck
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Health

_STANDING_SHOWN = 100


@dataclass(frozen=True)
class NetworkGlance:
    """`down` of `known` access points, retired ones left out; `checks` by kind are how asking OpenWISP went last."""

    down: int
    known: int
    open_incidents: int
    alarms: int
    checks: dict[CheckKind, NetworkCheck]


def network_glance(session: Session, *, actor: Principal) -> NetworkGlance:
    """Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    is_down = col(AccessPoint.health) == Health.OFFLINE
    down, known = session.execute(
        sa.select(sa.func.count().filter(is_down), sa.func.count()).where(
            col(AccessPoint.vanished_at).is_(None), col(AccessPoint.health) != Health.RETIRED
        )
    ).one()
    incidents = session.execute(
        sa.select(sa.func.count()).select_from(Incident).where(col(Incident.state) == IncidentState.OPEN)
    ).scalar_one()
    checks = session.exec(select(NetworkCheck)).all()
    return NetworkGlance(down, known, incidents, count_standing(session), {check.kind: check for check in checks})


@dataclass(frozen=True)
class AlarmRow:
    """A warning. `gateway_name` is of one about a gateway; `access_point_id` of one about a single access point."""

    alarm: NetworkAlarm
    gateway_name: str | None

    @property
    def gateway_slug(self) -> str | None:
        return self.alarm.subject if self.gateway_name is not None else None

    @property
    def access_point_id(self) -> int | None:
        is_one = self.alarm.kind is AlarmKind.ACCESS_POINT_VANISHED and self.alarm.subject.isdecimal()
        return int(self.alarm.subject) if is_one else None


_ABOUT_GATEWAYS = (AlarmKind.GATEWAY_SILENT, AlarmKind.TWO_POLLERS)
_SORTS: dict[str, Sequence[Any]] = {"started": (col(NetworkAlarm.started_at), col(NetworkAlarm.id))}


def _alarms_query() -> sa.Select[Any]:
    about = (col(Gateway.slug) == NetworkAlarm.subject) & col(NetworkAlarm.kind).in_(_ABOUT_GATEWAYS)
    return pick(NetworkAlarm, Gateway.name).select_from(NetworkAlarm).outerjoin(Gateway, about)


def count_standing(session: Session) -> int:
    """How many warnings stand, whoever asks."""
    standing = sa.select(sa.func.count()).select_from(NetworkAlarm).where(col(NetworkAlarm.ended_at).is_(None))
    return int(session.execute(standing).scalar_one())


def standing_alarms(session: Session, *, actor: Principal) -> tuple[AlarmRow, ...]:
    """What staff is warned of now, the newest first. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    query = _alarms_query().where(col(NetworkAlarm.ended_at).is_(None))
    rows = session.execute(query.order_by(col(NetworkAlarm.started_at).desc(), col(NetworkAlarm.id).desc()).limit(_STANDING_SHOWN)).all()
    return tuple(AlarmRow(*row) for row in rows)


def past_alarms(
    session: Session, *, actor: Principal, kind: AlarmKind | None, since: datetime | None = None, part: Slice
) -> Listing[AlarmRow]:
    """One page of the warnings that are over, those that began last first. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    conditions: list[sa.ColumnElement[bool]] = [col(NetworkAlarm.ended_at).is_not(None)]
    if kind is not None:
        conditions.append(col(NetworkAlarm.kind) == kind)
    if since is not None:
        conditions.append(col(NetworkAlarm.started_at) >= since)
    found = fetch(session, _alarms_query().where(*conditions), part, sorts=_SORTS, default_sort="started")
    total, is_estimate = count(session, pick(NetworkAlarm.id).where(*conditions), part=part)
    return Listing(tuple(AlarmRow(*row) for row in found), total, is_estimate)
