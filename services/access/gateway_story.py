"""All that is known of one gateway, for its page: who is there, what warns of it, and what it is linked with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access import busy
from services.access.agent import SEEN_LATELY
from services.access.models import LIVE, DeauthOrder, Grant, GrantState
from services.access.queries import GatewayRow, GrantRow, gateway_page, grants_of
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.network.models import AccessPoint, Health

_SHOWN = 50
_ABOUT_GATEWAYS = (AlarmKind.GATEWAY_SILENT, AlarmKind.TWO_POLLERS)


@dataclass(frozen=True)
class LinkedAccessPoint:
    id: int
    name: str
    health: Health


@dataclass(frozen=True)
class Warned:
    kind: AlarmKind
    message: str
    started_at: datetime


@dataclass(frozen=True)
class GatewayStory:
    """`grants` is None for staff who may not see sessions. `online` counts what routers confirmed, not what their scripts count."""

    row: GatewayRow
    grants: tuple[GrantRow, ...] | None
    online: int
    unconfirmed: int
    waiting: int
    polls_last_minute: int | None
    first_redirect_at: datetime | None
    access_points: tuple[LinkedAccessPoint, ...]
    alarms: tuple[Warned, ...]
    open_orders: int

    def agent_listens(self, *, now: datetime) -> bool:
        """Whether its script spoke so short a time ago that an order will be carried out."""
        seen = self.row.agent_seen_at
        return seen is not None and now - seen <= SEEN_LATELY

    @property
    def poll_spacing(self) -> timedelta | None:
        """How far its polls were apart in the last whole minute, on average."""
        return timedelta(seconds=60 / self.polls_last_minute) if self.polls_last_minute else None


def gateway_story(session: Session, *, actor: Principal, slug: str, now: datetime) -> GatewayStory:
    """Raises Forbidden or GatewayNotFound."""
    row = gateway_page(session, actor=actor, slug=slug)
    counts = _counts(session, row.id)
    return GatewayStory(
        row=row,
        grants=grants_of(session, actor=actor, gateway_id=row.id, limit=_SHOWN) if actor.may(Permission.SESSIONS_READ) else None,
        online=counts.get(GrantState.ACKED, 0),
        unconfirmed=counts.get(GrantState.UNCONFIRMED, 0),
        waiting=counts.get(GrantState.QUEUED, 0) + counts.get(GrantState.OFFERED, 0),
        polls_last_minute=busy.polls_last_minute(slug, now=now),
        first_redirect_at=busy.first_redirect(slug),
        access_points=_access_points(session, row.id),
        alarms=_alarms(session, slug),
        open_orders=session.exec(
            select(sa.func.count()).select_from(DeauthOrder).where(DeauthOrder.gateway_id == row.id, col(DeauthOrder.done_at).is_(None))
        ).one(),
    )


def _counts(session: Session, gateway_id: int) -> dict[GrantState, int]:
    # The two halves are the predicates of the two partial indexes of live grants.
    named = sa.or_(col(Grant.hid).is_not(None), sa.and_(col(Grant.hid).is_(None), col(Grant.mac).is_not(None)))
    found = session.execute(
        sa.select(col(Grant.state), sa.func.count())
        .where(col(Grant.gateway_id) == gateway_id, col(Grant.state).in_(LIVE), named)
        .group_by(col(Grant.state))
    ).all()
    return {row[0]: int(row[1]) for row in found}


def _access_points(session: Session, gateway_id: int) -> tuple[LinkedAccessPoint, ...]:
    found = session.execute(
        pick(AccessPoint.id, AccessPoint.name, AccessPoint.health)
        .where(col(AccessPoint.gateway_id) == gateway_id, col(AccessPoint.vanished_at).is_(None))
        .order_by(col(AccessPoint.name))
        .limit(_SHOWN)
    ).all()
    return tuple(LinkedAccessPoint(*row) for row in found)


def _alarms(session: Session, slug: str) -> tuple[Warned, ...]:
    found = session.execute(
        pick(NetworkAlarm.kind, NetworkAlarm.message, NetworkAlarm.started_at)
        .where(col(NetworkAlarm.kind).in_(_ABOUT_GATEWAYS), col(NetworkAlarm.subject) == slug, col(NetworkAlarm.ended_at).is_(None))
        .order_by(col(NetworkAlarm.id))
    ).all()
    return tuple(Warned(*row) for row in found)
