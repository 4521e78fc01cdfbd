"""Tickets and outages: an incident has one ticket of its own, and what customers report of it joins that incident."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Site
from services.tickets import changes, outage_news
from services.tickets.models import UNDONE, Category, Channel, Priority, Ticket, TicketState
from services.tickets.opening import Opening, open_ticket

_NAMED = 5
# A customer may notice an outage before OpenWISP does.
_REPORTED_BEFORE = timedelta(minutes=30)


@dataclass(frozen=True)
class _Near:
    """The new incidents by their site, by the gateways behind which something is down, and by the access points that are."""

    at_site: dict[int, Incident]
    behind: dict[int, Incident]
    under: dict[int, Incident]

    def of(self, report: Ticket) -> Incident | None:
        """The closest one counts."""
        by_point = self.under.get(report.access_point_id or 0)
        return by_point or self.behind.get(report.gateway_id or 0) or self.at_site.get(report.site_id or 0)


def open_for(session: Session, incidents: Sequence[Incident], *, now: datetime) -> None:
    """One ticket for each of these new incidents, and customers' reports of the last minutes from there joined to it."""
    if not incidents:
        return
    ids = [incident.id for incident in incidents]
    rows = session.exec(
        select(IncidentMember.incident_id, AccessPoint.name, AccessPoint.gateway_id, AccessPoint.id)
        .join(AccessPoint, col(AccessPoint.id) == IncidentMember.access_point_id)
        .where(col(IncidentMember.incident_id).in_(ids))
        .order_by(col(AccessPoint.name))
    ).all()
    names: dict[int, list[str]] = defaultdict(list)
    gateways: dict[int, int] = {}
    near = _Near({incident.site_id: incident for incident in incidents if incident.site_id is not None}, {}, {})
    by_id = {incident.id: incident for incident in incidents}
    for incident_id, name, gateway_id, point_id in rows:
        names[incident_id].append(name)
        near.under[point_id or 0] = by_id[incident_id]
        if gateway_id is not None:
            gateways.setdefault(incident_id, gateway_id)
            near.behind[gateway_id] = by_id[incident_id]
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
    _join_reports(session, near, since=min(incident.started_at for incident in incidents) - _REPORTED_BEFORE, now=now)


def _words(names: list[str], site: str | None, incident: Incident) -> str:
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    place = f" at {site}" if site else ""
    what = "1 access point is" if len(names) == 1 else f"{len(names)} access points are"
    return f"Outage {incident.reference}: {what} down{place} since {incident.started_at:%H:%M}: {shown}."


def _join_reports(session: Session, near: _Near, *, since: datetime, now: datetime) -> None:
    reports = session.exec(
        select(Ticket)
        .where(
            sa.or_(
                col(Ticket.access_point_id).in_(near.under), col(Ticket.gateway_id).in_(near.behind), col(Ticket.site_id).in_(near.at_site)
            ),
            col(Ticket.incident_id).is_(None),
            col(Ticket.state).in_(UNDONE),
            Ticket.created_at >= since,
            Ticket.channel != Channel.INCIDENT,
        )
        .order_by(col(Ticket.id))
        .with_for_update()
    ).all()
    for report in reports:
        if (incident := near.of(report)) is not None:
            outage_news.join(session, report, incident, now=now)


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
