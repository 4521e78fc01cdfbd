"""A technician's tickets in the order in which they best see to them, each with the reason why it stands where it stands.

The order: first what they are at, then by bands of risk (deadline passed, within two hours, within twelve, later), last what waits for
the customer or a part. Inside a band the nearest comes first, so that a way is not gone twice for minutes that no deadline asks for;
without a position, or for tickets whose place nobody knows, what is due first. Bands and not the deadline alone: of two that are due in
five and six hours the one around the corner is the better next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.apps.models import AppDevice
from services.fieldwork.models import Visit, VisitState
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Health, Site
from services.tickets.candidates import Position, distance_km
from services.tickets.models import IS_UNDONE, Ticket, TicketState
from services.tickets.people import headline

MOST = 200
SOON, TODAY = timedelta(hours=2), timedelta(hours=12)
POSITION_LASTS = timedelta(hours=12)
"""A phone that was somewhere longer ago than this may be anywhere."""
_UNDER_WAY = (VisitState.ON_THE_WAY, VisitState.ON_SITE)
_WAITING = (TicketState.PENDING, TicketState.ON_HOLD)


class Band(IntEnum):
    UNDER_WAY = 0
    LATE = 1
    SOON = 2
    TODAY = 3
    LATER = 4
    WAITS = 5


_WHY = {
    Band.UNDER_WAY: "You are at it",
    Band.LATE: "Its deadline has passed",
    Band.SOON: "Due within 2 hours",
    Band.TODAY: "Due within 12 hours",
    Band.LATER: "Nothing is due soon",
    Band.WAITS: "It waits for somebody else",
}


@dataclass(frozen=True)
class Radio:
    """The access point that a ticket is about."""

    id: int
    name: str
    health: Health
    health_since: datetime


@dataclass(frozen=True)
class Errand:
    """One ticket of the list. `incident` is the outage that runs there now; `phone` is the customer's, to call them."""

    ticket: Ticket
    headline: str
    band: Band
    why: str
    distance_km: float | None
    visit: VisitState | None
    site: Site | None
    radio: Radio | None
    incident: str | None
    customer: str | None
    phone: str | None


@dataclass(frozen=True)
class WorkList:
    """`position` is where distances are counted from, and `position_at` since when it is known, None for one that was just told."""

    errands: tuple[Errand, ...]
    total: int
    position: Position | None
    position_at: datetime | None


def work_list(
    session: Session, *, actor: Principal, position: Position | None, app_device_id: int | None = None, now: datetime
) -> WorkList:
    """What lies undone with this person, at most `MOST`. Without `position` the phone's last one counts. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    told_at: datetime | None = None
    if position is None and app_device_id is not None:
        position, told_at = _last_position(session, app_device_id, now=now)
    mine = (IS_UNDONE, Ticket.assignee_id == actor.id)
    total = session.exec(select(sa.func.count()).select_from(Ticket).where(*mine)).one()
    found = session.exec(select(Ticket).where(*mine).order_by(col(Ticket.due_at).asc().nulls_last(), col(Ticket.id)).limit(MOST)).all()
    around = _Around(session, found, actor.id)
    errands = [around.errand(ticket, position, now=now) for ticket in found]
    return WorkList(tuple(sorted(errands, key=_rank)), total, position, told_at)


def _rank(one: Errand) -> tuple[Any, ...]:
    due = one.ticket.due_at
    far = one.distance_km is None
    return (one.band, far, one.distance_km or 0.0, due is None, due.timestamp() if due else 0.0, one.ticket.id)


def band_of(state: TicketState, due_at: datetime | None, visit: VisitState | None, *, now: datetime) -> Band:
    """How pressing it is. A deadline that has passed presses also while a ticket waits."""
    if visit in _UNDER_WAY:
        return Band.UNDER_WAY
    if due_at is not None and due_at <= now:
        return Band.LATE
    if state in _WAITING:
        return Band.WAITS
    if due_at is None or due_at > now + TODAY:
        return Band.LATER
    return Band.SOON if due_at <= now + SOON else Band.TODAY


def _last_position(session: Session, app_device_id: int, *, now: datetime) -> tuple[Position | None, datetime | None]:
    phone = session.get_one(AppDevice, app_device_id)
    if phone.latitude is None or phone.longitude is None or phone.located_at is None or now - phone.located_at > POSITION_LASTS:
        return None, None
    return (phone.latitude, phone.longitude), phone.located_at


class _Around:
    """What belongs to the tickets of a list, read at once for all of them."""

    def __init__(self, session: Session, tickets: Collection[Ticket], staff_id: int) -> None:
        self._session = session
        visits = select(Visit).where(Visit.staff_id == staff_id, col(Visit.ticket_id).in_([one.id for one in tickets]))
        self._visits = {one.ticket_id: one.state for one in session.exec(visits).all()}
        self._radios: Mapping[int, AccessPoint] = self._by_id(AccessPoint, {one.access_point_id for one in tickets})
        self._gateways: Mapping[int, Gateway] = self._by_id(Gateway, {one.gateway_id for one in tickets})
        self._customers: Mapping[int, Customer] = self._by_id(Customer, {one.customer_id for one in tickets})
        places = {self._site_id(one) for one in tickets}
        self._sites: Mapping[int, Site] = self._by_id(Site, places)
        at_them = sa.or_(col(Incident.id).in_({one.incident_id for one in tickets} - {None}), col(Incident.site_id).in_(places - {None}))
        running = session.exec(select(Incident).where(Incident.state == IncidentState.OPEN, at_them)).all()
        self._by_incident = {one.id: one.reference for one in running}
        self._by_site = {one.site_id: one.reference for one in running}

    def _by_id(self, table: type[Any], ids: Collection[int | None]) -> dict[int, Any]:
        rows = self._session.exec(select(table).where(col(table.id).in_({one for one in ids if one is not None}))).all()
        return {row.id: row for row in rows}

    def _site_id(self, ticket: Ticket) -> int | None:
        """Where somebody would have to go: its own place, or that of its access point or gateway."""
        radio, gateway = self._radios.get(ticket.access_point_id or 0), self._gateways.get(ticket.gateway_id or 0)
        return ticket.site_id or (radio.site_id if radio else None) or (gateway.site_id if gateway else None)

    def errand(self, ticket: Ticket, position: Position | None, *, now: datetime) -> Errand:
        site, visit = self._sites.get(self._site_id(ticket) or 0), self._visits.get(ticket.id or 0)
        km = None
        if position is not None and site is not None and site.latitude is not None and site.longitude is not None:
            km = round(distance_km(position, (site.latitude, site.longitude)), 1)
        band = band_of(ticket.state, ticket.due_at, visit, now=now)
        radio, customer = self._radios.get(ticket.access_point_id or 0), self._customers.get(ticket.customer_id or 0)
        incident = self._by_incident.get(ticket.incident_id) or (self._by_site.get(site.id) if site is not None else None)
        is_there = customer is not None and customer.erased_at is None
        return Errand(
            ticket=ticket,
            headline=headline(ticket),
            band=band,
            why=_WHY[band] + (f", {km:g} km away" if km is not None else ""),
            distance_km=km,
            visit=visit,
            site=site,
            radio=Radio(radio.id or 0, radio.name, radio.health, radio.health_since) if radio is not None else None,
            incident=incident,
            customer=customer.name if customer is not None and is_there else None,
            phone=customer.phone_e164 if customer is not None and is_there else None,
        )
