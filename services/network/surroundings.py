"""What other contexts hold of the gateways at a place: who is online, what was sold, what was reported, which outages there were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import AccessSession, Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.incident_models import Incident, IncidentMember
from services.network.models import AccessPoint
from services.payments.models import Payment, PaymentStatus
from services.tickets.models import Ticket
from services.tickets.sight import in_sight

_SHOWN = 10
_GIVEN_BACK = (PaymentStatus.REFUNDING, PaymentStatus.REFUNDED)


@dataclass(frozen=True)
class Takings:
    """Bututs that were paid in front of the gateways and kept. Days are Banjul's, which are UTC's."""

    today: int
    seven_days: int
    thirty_days: int


def gateways_at(session: Session, *, actor: Principal, site_id: int) -> tuple[Gateway, ...]:
    """By name. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    return tuple(session.exec(select(Gateway).where(Gateway.site_id == site_id).order_by(col(Gateway.name), col(Gateway.id))).all())


def live_sessions(session: Session, *, actor: Principal, gateway_ids: Collection[int]) -> int:
    """How many sessions run behind these gateways. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    running = pick(sa.func.count()).where(col(AccessSession.gateway_id).in_(gateway_ids), col(AccessSession.ended_at).is_(None))
    return int(session.execute(running).scalar_one())


def live_sessions_by_site(session: Session, *, actor: Principal, site_ids: Collection[int]) -> dict[int, int]:
    """How many sessions run at each site; one where none does is left out. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    running = (
        pick(Gateway.site_id, sa.func.count())
        .join(AccessSession, col(AccessSession.gateway_id) == Gateway.id)
        .where(col(Gateway.site_id).in_(site_ids), col(AccessSession.ended_at).is_(None))
        .group_by(col(Gateway.site_id))
    )
    return {row[0]: row[1] for row in session.execute(running)}


def takings(session: Session, *, actor: Principal, gateway_ids: Collection[int], now: datetime) -> Takings:
    """What was paid in front of these gateways. Raises Forbidden."""
    actor.require(Permission.PAYMENTS_READ)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = (midnight, now - timedelta(days=7), now - timedelta(days=30))
    amount, paid_at = sa.func.sum(Payment.amount_bututs), col(Payment.paid_at)
    found = session.execute(
        pick(*(sa.func.coalesce(amount.filter(paid_at >= start), 0) for start in since)).where(
            # Whoever bought in front of a router is known by it, and found by the index of those.
            col(Payment.gateway_id).in_(gateway_ids),
            col(Payment.client_hid).is_not(None),
            paid_at >= min(since),
            col(Payment.status).not_in(_GIVEN_BACK),
        )
    ).one()
    return Takings(*(int(sum_) for sum_ in found))


def incidents_of(
    session: Session, *, actor: Principal, site_id: int | None = None, access_point_id: int | None = None
) -> tuple[Incident, ...]:
    """The newest outages at a site, or those that one access point was in. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    query = select(Incident).order_by(col(Incident.started_at).desc(), col(Incident.id).desc()).limit(_SHOWN)
    if access_point_id is not None:
        of_point = select(IncidentMember.incident_id).where(IncidentMember.access_point_id == access_point_id)
        return tuple(session.exec(query.where(col(Incident.id).in_(of_point))).all())
    return tuple(session.exec(query.where(Incident.site_id == site_id)).all())


def tickets_about(session: Session, *, actor: Principal, access_point: AccessPoint) -> tuple[Ticket, ...]:
    """The newest reports from behind its gateway, and those about its outages, as far as the person may know of them. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    outages = select(IncidentMember.incident_id).where(IncidentMember.access_point_id == access_point.id)
    about: list[sa.ColumnElement[bool]] = [col(Ticket.incident_id).in_(outages)]
    if access_point.gateway_id is not None:
        about.append(col(Ticket.gateway_id) == access_point.gateway_id)
    query = select(Ticket).where(sa.or_(*about), *in_sight(actor))
    return tuple(session.exec(query.order_by(col(Ticket.created_at).desc(), col(Ticket.id).desc()).limit(_SHOWN)).all())
