"""Tickets and outages: an incident has one ticket of its own, and what customers report of it joins that incident."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Site
from services.tickets import changes
from services.tickets.models import UNDONE, Category, Channel, Priority, Ticket, TicketState
from services.tickets.opening import Opening, open_ticket

_NAMED = 5
# A customer may notice an outage before OpenWISP does.
_REPORTED_BEFORE = timedelta(minutes=30)


def open_for(session: Session, incidents: Sequence[Incident], *, now: datetime) -> None:
    """One ticket for each of these new incidents, and customers' reports of the last minutes from there joined to it."""
    if not incidents:
        return
    ids = [incident.id for incident in incidents]
    rows = session.exec(
        select(IncidentMember.incident_id, AccessPoint.name, AccessPoint.gateway_id)
        .join(AccessPoint, col(AccessPoint.id) == IncidentMember.access_point_id)
        .where(col(IncidentMember.incident_id).in_(ids))
        .order_by(col(AccessPoint.name))
    ).all()
    names: dict[int, list[str]] = defaultdict(list)
    gateways: dict[int, int] = {}
    incident_of: dict[int, int] = {}
    for incident_id, name, gateway_id in rows:
        names[incident_id].append(name)
        if gateway_id is not None:
            gateways.setdefault(incident_id, gateway_id)
            incident_of[gateway_id] = incident_id
    sites = {site.id: site.name for site in session.exec(select(Site).where(col(Site.id).in_([i.site_id for i in incidents]))).all()}
    for incident in incidents:
        assert incident.id is not None
        opening = Opening(
            body=_words(names[incident.id], sites.get(incident.site_id), incident),
            channel=Channel.INCIDENT,
            category=Category.CONNECTIVITY,
            priority=Priority.HIGH,
            gateway_id=gateways.get(incident.id),
            site_id=incident.site_id,
            incident_id=incident.id,
        )
        open_ticket(session, opening, who=changes.SYSTEM, now=now)
    _join_reports(session, incident_of, since=min(incident.started_at for incident in incidents) - _REPORTED_BEFORE, now=now)


def _words(names: list[str], site: str | None, incident: Incident) -> str:
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    place = f" at {site}" if site else ""
    what = "1 access point is" if len(names) == 1 else f"{len(names)} access points are"
    return f"Outage {incident.reference}: {what} down{place} since {incident.started_at:%H:%M}: {shown}."


def _join_reports(session: Session, incident_of: dict[int, int], *, since: datetime, now: datetime) -> None:
    reports = session.exec(
        select(Ticket)
        .where(
            col(Ticket.gateway_id).in_(incident_of),
            col(Ticket.incident_id).is_(None),
            col(Ticket.state).in_(UNDONE),
            Ticket.created_at >= since,
        )
        .order_by(col(Ticket.id))
        .with_for_update()
    ).all()
    for report in reports:
        if report.gateway_id is not None and report.channel is not Channel.INCIDENT:
            changes.set_field(session, report, "incident_id", incident_of[report.gateway_id], who=changes.SYSTEM, now=now)


def incident_at(session: Session, gateway_id: int | None) -> int | None:
    """The outage that somebody behind this gateway is likely to write about: one at its place or of its own access points."""
    if gateway_id is None:
        return None
    gateway = session.get(Gateway, gateway_id)
    standing = select(Incident.id).where(Incident.state == IncidentState.OPEN).order_by(col(Incident.id).desc()).limit(1)
    if gateway is not None and gateway.site_id is not None:
        at_site = session.exec(standing.where(Incident.site_id == gateway.site_id)).one_or_none()
        if at_site is not None:
            return at_site
    return session.exec(
        standing.join(IncidentMember, col(IncidentMember.incident_id) == Incident.id)
        .join(AccessPoint, col(AccessPoint.id) == IncidentMember.access_point_id)
        .where(AccessPoint.gateway_id == gateway_id, col(IncidentMember.ended_at).is_(None))
    ).one_or_none()


def network_back(session: Session, incidents: Sequence[Incident], *, now: datetime) -> None:
    """Close the own tickets of these incidents that nobody took: the network is back without a person."""
    _close_own(session, incidents, only_untaken=True, note="The network is back.", now=now)


def was_none(session: Session, incident: Incident, *, now: datetime) -> None:
    """A false alarm: its own ticket is closed, and customers' reports stand for themselves again."""
    _close_own(session, [incident], only_untaken=False, note="It was a false alarm.", now=now)
    joined = select(Ticket).where(Ticket.incident_id == incident.id, Ticket.channel != Channel.INCIDENT).order_by(col(Ticket.id))
    for report in session.exec(joined.with_for_update()).all():
        changes.set_field(session, report, "incident_id", None, who=changes.SYSTEM, why="It was a false alarm.", now=now)


def _close_own(session: Session, incidents: Sequence[Incident], *, only_untaken: bool, note: str, now: datetime) -> None:
    wanted = select(Ticket).where(
        col(Ticket.incident_id).in_([incident.id for incident in incidents]),
        Ticket.channel == Channel.INCIDENT,
        Ticket.state != TicketState.CLOSED,
    )
    if only_untaken:
        wanted = wanted.where(col(Ticket.assignee_id).is_(None))
    for ticket in session.exec(wanted.order_by(col(Ticket.id)).with_for_update()).all():
        changes.set_state(session, ticket, TicketState.CLOSED, who=changes.SYSTEM, note=note, now=now)
