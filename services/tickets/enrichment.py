"""Live facts beside a ticket: what its customer paid and holds, where they stand, how it fares there, and what they wrote before.

Facts change, so what was known when the ticket came is kept in its history as well (`facts`), and shown beside what is so now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import AccessSession, Gateway
from services.access.session_queries import PurchasedTime, SessionRow, session_page, sessions_of
from services.access.slots import DeviceView
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.incident_models import Incident
from services.network.models import AccessPoint, Health, HealthPeriod
from services.packages.models import PackageVersion
from services.payments.models import Payment
from services.tickets import changes, outage_news
from services.tickets.case import standing_under, unserved
from services.tickets.errors import TicketNotFound
from services.tickets.incidents import incident_at
from services.tickets.models import Channel, Priority, Ticket, TicketEvent
from services.tickets.sight import in_sight
from services.vouchers.models import Voucher

_SHOWN = 5
# Who was online this short a time before writing writes about the place where they were.
_WAS_THERE = timedelta(hours=24)
UNSERVED_WHY = "A payment of this customer was taken and not served yet."


@dataclass(frozen=True)
class PointFact:
    """The access point that the customer stands under: how it fares now, and how it did when they wrote."""

    id: int
    name: str
    health: Health
    since: datetime
    then: Health | None


@dataclass(frozen=True)
class CustomerFacts:
    """What the desk needs beside the conversation. A piece is None where the reader may not know of it, and empty where there is none."""

    ticket: Ticket
    payments: tuple[tuple[Payment, str], ...] | None = None
    unserved: Payment | None = None
    vouchers: tuple[tuple[Voucher, str], ...] | None = None
    sessions: tuple[SessionRow, ...] | None = None
    time: PurchasedTime | None = None
    devices: tuple[DeviceView, ...] = ()
    point: PointFact | None = None
    incident: Incident | None = None
    earlier: tuple[Ticket, ...] = ()
    # As it was when the ticket came in, in words by their names; empty until that was noted.
    at_report: Mapping[str, Any] | None = None
    # The last routing, as the history has it (services/tickets/routing.py).
    routed: Mapping[str, Any] | None = None


def story(session: Session, ticket: Ticket, *, actor: Principal, now: datetime) -> CustomerFacts:
    """Read everything that this person may know of. The caller has asked whether they may know of the ticket. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    may = actor.may
    sessions = _sessions(session, ticket, actor) if may(Permission.SESSIONS_READ) else None
    time, devices = _time(session, sessions or (), actor, now=now)
    return CustomerFacts(
        ticket=ticket,
        payments=_payments(session, ticket) if may(Permission.PAYMENTS_READ) else None,
        unserved=unserved(session, ticket, now=now) if may(Permission.PAYMENTS_READ) else None,
        vouchers=_vouchers(session, ticket) if may(Permission.VOUCHERS_READ) else None,
        sessions=sessions,
        time=time,
        devices=devices,
        point=_point(session, ticket) if may(Permission.NETWORK_READ) else None,
        incident=_incident(session, ticket) if may(Permission.NETWORK_READ) else None,
        earlier=_earlier(session, ticket, actor),
        at_report=_noted(session, ticket),
        routed=_newest(session, ticket, "routed"),
    )


def story_of(session: Session, *, actor: Principal, reference: str, now: datetime) -> CustomerFacts:
    """`story` of a ticket by its reference. Raises Forbidden or TicketNotFound."""
    actor.require(Permission.TICKETS_READ)
    ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper(), *in_sight(actor))).one_or_none()
    if ticket is None:
        raise TicketNotFound
    return story(session, ticket, actor=actor, now=now)


def enrich(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """Right after intake: find the place, join a known outage, raise what was paid and not served, and note how things stand, once.

    The ticket is locked by the caller. Harmless to repeat.
    """
    if not ticket.is_open or ticket.channel is Channel.INCIDENT:
        return
    _find_place(session, ticket, now=now)
    incident = _incident(session, ticket)
    if incident is not None:
        outage_news.join(session, ticket, incident, now=now)
    payment = unserved(session, ticket, now=now)
    if payment is not None and not changes_by_person(session, ticket, "priority"):
        changes.set_field(session, ticket, "priority", Priority.URGENT, who=changes.SYSTEM, why=UNSERVED_WHY, now=now)
    if _noted(session, ticket) is None:
        changes.record(session, ticket, "facts", _snapshot(session, ticket, incident, payment), who=changes.SYSTEM, now=now)


def changes_by_person(session: Session, ticket: Ticket, *kinds: str) -> bool:
    """Whether somebody, and not the product, set one of these."""
    by_person = select(TicketEvent.id).where(
        TicketEvent.ticket_id == ticket.id, col(TicketEvent.kind).in_(kinds), col(TicketEvent.actor) != changes.SYSTEM.label
    )
    return session.exec(by_person.limit(1)).first() is not None


def _find_place(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """Where nobody said where they are: at the hotspot where they are or were online when they wrote."""
    why = "The customer was online there."
    if ticket.gateway_id is None and ticket.site_id is None and ticket.customer_id is not None:
        at = ticket.created_at
        there = (
            select(AccessSession.gateway_id)
            .where(AccessSession.customer_id == ticket.customer_id, AccessSession.started_at <= now)
            .where(sa.or_(col(AccessSession.ended_at).is_(None), col(AccessSession.ended_at) > at - _WAS_THERE))
            .order_by(col(AccessSession.started_at).desc(), col(AccessSession.id).desc())
        )
        gateway_id = session.exec(there.limit(1)).first()
        if gateway_id is None:
            return
        changes.set_field(session, ticket, "gateway_id", gateway_id, who=changes.SYSTEM, why=why, now=now)
    if ticket.access_point_id is None and (point := standing_under(session, ticket)) is not None:
        why = "It is the only one there, or all of them are down."
        changes.set_field(session, ticket, "access_point_id", point.id, who=changes.SYSTEM, why=why, now=now)
    if ticket.site_id is None and (site_id := _site_of(session, ticket)) is not None:
        changes.set_field(session, ticket, "site_id", site_id, who=changes.SYSTEM, now=now)


def _site_of(session: Session, ticket: Ticket) -> int | None:
    point = session.get(AccessPoint, ticket.access_point_id) if ticket.access_point_id is not None else None
    gateway = session.get(Gateway, ticket.gateway_id) if ticket.gateway_id is not None else None
    return (point.site_id if point else None) or (gateway.site_id if gateway else None)


def _incident(session: Session, ticket: Ticket) -> Incident | None:
    incident_id = ticket.incident_id or incident_at(session, ticket.gateway_id)
    return session.get(Incident, incident_id) if incident_id is not None else None


def _snapshot(session: Session, ticket: Ticket, incident: Incident | None, payment: Payment | None) -> dict[str, Any]:
    """No phone, no code, no device: what is kept in the history is read by everybody who may read the ticket."""
    point = standing_under(session, ticket)
    last = next(iter(_payments(session, ticket)), None)
    vouchers = _vouchers(session, ticket)
    running = _running(session, ticket)
    return {
        "snapshot": True,
        "payment": {"reference": last[0].reference, "status": last[0].status.value, "package": last[1]} if last else None,
        "unserved": payment.reference if payment else None,
        "voucher": {"id": vouchers[0][0].id, "state": vouchers[0][0].state.value, "package": vouchers[0][1]} if vouchers else None,
        "session": {"id": running.id, "state": running.state.value} if running else None,
        "access_point": {"id": point.id, "name": point.name, "health": point.health.value} if point else None,
        "incident": {"reference": incident.reference, "state": incident.state.value} if incident else None,
    }


def _newest(session: Session, ticket: Ticket, kind: str) -> Mapping[str, Any] | None:
    newest = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == kind).order_by(col(TicketEvent.id).desc())
    found = session.exec(newest.limit(1)).first()
    return found.data if found else None


def _noted(session: Session, ticket: Ticket) -> Mapping[str, Any] | None:
    kept = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "facts")).all()
    return next((event.data for event in kept if event.data.get("snapshot")), None)


def _running(session: Session, ticket: Ticket) -> AccessSession | None:
    if ticket.customer_id is None:
        return None
    own = select(AccessSession).where(AccessSession.customer_id == ticket.customer_id, col(AccessSession.ended_at).is_(None))
    return session.exec(own.order_by(col(AccessSession.id).desc()).limit(1)).first()


def _payments(session: Session, ticket: Ticket) -> tuple[tuple[Payment, str], ...]:
    """With the package's name; that of the ticket itself is always among them."""
    if ticket.customer_id is None and ticket.payment_id is None:
        return ()
    own = sa.or_(col(Payment.customer_id) == ticket.customer_id, col(Payment.id) == ticket.payment_id)
    found = pick(Payment, PackageVersion.name).join(PackageVersion, col(PackageVersion.id) == col(Payment.package_version_id)).where(own)
    rows = session.execute(found.order_by((col(Payment.id) == ticket.payment_id).desc(), col(Payment.id).desc()).limit(_SHOWN)).all()
    return tuple((row[0], row[1]) for row in sorted(rows, key=lambda row: row[0].id, reverse=True))


def _vouchers(session: Session, ticket: Ticket) -> tuple[tuple[Voucher, str], ...]:
    if ticket.customer_id is None:
        return ()
    found = pick(Voucher, PackageVersion.name).join(PackageVersion, col(PackageVersion.id) == col(Voucher.package_version_id))
    rows = session.execute(found.where(col(Voucher.customer_id) == ticket.customer_id).order_by(col(Voucher.id).desc()).limit(_SHOWN)).all()
    return tuple((row[0], row[1]) for row in rows)


def _sessions(session: Session, ticket: Ticket, actor: Principal) -> tuple[SessionRow, ...]:
    return sessions_of(session, actor=actor, customer_id=ticket.customer_id, limit=_SHOWN) if ticket.customer_id is not None else ()


def _time(
    session: Session, sessions: tuple[SessionRow, ...], actor: Principal, *, now: datetime
) -> tuple[PurchasedTime | None, tuple[DeviceView, ...]]:
    """Of the newest session that was bought."""
    bought = next((row for row in sessions if row.entitlement_id is not None), None)
    if bought is None:
        return None, ()
    page = session_page(session, actor=actor, session_id=bought.id, now=now)
    return page.time, page.devices


def _point(session: Session, ticket: Ticket) -> PointFact | None:
    point = standing_under(session, ticket)
    if point is None or point.id is None:
        return None
    then = select(HealthPeriod.state).where(
        HealthPeriod.access_point_id == point.id,
        HealthPeriod.started_at <= ticket.created_at,
        sa.or_(col(HealthPeriod.ended_at).is_(None), col(HealthPeriod.ended_at) > ticket.created_at),
    )
    was = session.exec(then.limit(1)).first()
    return PointFact(point.id, point.name, point.health, point.health_since, Health(was) if was is not None else None)


def _earlier(session: Session, ticket: Ticket, actor: Principal) -> tuple[Ticket, ...]:
    if ticket.customer_id is None:
        return ()
    others = select(Ticket).where(Ticket.customer_id == ticket.customer_id, Ticket.id != ticket.id, *in_sight(actor))
    return tuple(session.exec(others.order_by(col(Ticket.id).desc()).limit(_SHOWN)).all())
