"""Outages: opened, joined and closed by what health polls find. One incident for one place, whatever goes down there and how often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.events import publish
from app.queue import ring
from services.access import outages
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Health
from services.network.transitions import Transition
from services.tickets import incidents as incident_tickets
from services.vouchers.codes import new_reference

log = structlog.get_logger(__name__)

# A place that is down again this soon after it came back is down for the same cause.
SAME_CAUSE = timedelta(minutes=10)
TELL_JOB = "jobs.network.tell_of_incident"


def react(session: Session, transitions: Sequence[Transition], *, now: datetime) -> None:
    """Open, join and close incidents for these changes, and let the clocks of those behind the access points stand or run.

    Part of the health poll's transaction: the new state and what follows from it stand together or not at all.
    """
    down = [change for change in transitions if change.after is Health.OFFLINE]
    back = [change for change in transitions if change.before is Health.OFFLINE and change.after is not Health.OFFLINE]
    if not down and not back:
        return
    session.flush()
    points = _points(session, [change.access_point_id for change in (*down, *back)])
    if back:
        _come_back(session, back, points, now=now)
    if down:
        _go_down(session, down, points, now=now)


def _points(session: Session, ids: Sequence[int]) -> dict[int, AccessPoint]:
    rows = session.exec(select(AccessPoint).where(col(AccessPoint.id).in_(ids))).all()
    return {row.id: row for row in rows if row.id is not None}


def _go_down(session: Session, down: Sequence[Transition], points: dict[int, AccessPoint], *, now: datetime) -> None:
    held = set(
        session.exec(
            select(IncidentMember.access_point_id).where(
                col(IncidentMember.access_point_id).in_([change.access_point_id for change in down]), col(IncidentMember.ended_at).is_(None)
            )
        ).all()
    )
    by_site: dict[int | None, list[Transition]] = defaultdict(list)
    for change in down:
        if change.access_point_id not in held:
            by_site[points[change.access_point_id].site_id].append(change)
    alone = by_site.pop(None, [])
    standing = _standing(session, list(by_site), since=min((change.at for change in down), default=now))
    opened: list[Incident] = []
    for site_id, changes in by_site.items():
        incident = standing.get(site_id)
        if incident is None:
            incident = _open(session, site_id, changes, now=now)
            opened.append(incident)
        _join(session, incident, changes)
    for change in alone:
        incident = _open(session, None, [change], now=now)
        opened.append(incident)
        _join(session, incident, [change])
    session.flush()
    incident_tickets.open_for(session, opened, now=now)
    _stop_clocks(session, {change.access_point_id for change in down}, now=now)


def _standing(session: Session, sites: Sequence[int | None], *, since: datetime) -> dict[int | None, Incident]:
    """The incident that a new outage at each place belongs to: an open one, or one that was over only a moment before."""
    rows = session.exec(
        select(Incident)
        .where(
            col(Incident.site_id).in_(sites),
            sa.or_(
                col(Incident.state) == IncidentState.OPEN,
                (col(Incident.state) == IncidentState.RESOLVED) & (col(Incident.resolved_at) >= since - SAME_CAUSE),
            ),
        )
        .order_by(col(Incident.resolved_at).asc().nulls_last(), col(Incident.id))
        .with_for_update()
    ).all()
    # Of several the last one wins: the open one, else the one that was over last.
    return {row.site_id: row for row in rows}


def _open(session: Session, site_id: int | None, changes: Iterable[Transition], *, now: datetime) -> Incident:
    incident = Incident(reference=f"I-{new_reference(6)}", site_id=site_id, started_at=min(change.at for change in changes), opened_at=now)
    session.add(incident)
    session.flush()
    log.info("incident.opened", incident=incident.reference, site=site_id)
    publish(session, "incidents", incident.id)
    return incident


def _join(session: Session, incident: Incident, changes: Iterable[Transition]) -> None:
    assert incident.id is not None
    if incident.state is IncidentState.RESOLVED:
        incident.state, incident.resolved_at = IncidentState.OPEN, None
        publish(session, "incidents", incident.id)
    for change in changes:
        incident.started_at = min(incident.started_at, change.at)
        session.add(IncidentMember(incident_id=incident.id, access_point_id=change.access_point_id, started_at=change.at))


def _come_back(session: Session, back: Sequence[Transition], points: dict[int, AccessPoint], *, now: datetime) -> None:
    at = {change.access_point_id: change.at for change in back}
    members = session.exec(
        select(IncidentMember)
        .where(col(IncidentMember.access_point_id).in_(at), col(IncidentMember.ended_at).is_(None))
        .order_by(col(IncidentMember.id))
        .with_for_update()
    ).all()
    for member in members:
        member.ended_at = max(at[member.access_point_id], member.started_at)
    session.flush()
    rule = outages.rule_at(session, now)
    backs: dict[int, datetime] = {}
    still_down = _gateways_down(session, {point.gateway_id for point in points.values()}, any_access_point=rule.any_access_point)
    for access_point_id, moment in at.items():
        gateway_id = points[access_point_id].gateway_id
        if gateway_id is not None and gateway_id not in still_down:
            # The first of several access points that is back brings its customers back.
            backs[gateway_id] = min(backs.get(gateway_id, moment), moment)
    outages.resume_gateways(session, backs, reason="network_back", now=now)
    close_finished(session, {member.incident_id for member in members}, now=now)


def close_finished(session: Session, incident_ids: Iterable[int], *, now: datetime) -> None:
    """Resolve those of these incidents in which nothing is down any more, as of the moment that the last one came back."""
    ends = session.execute(
        sa.select(
            col(IncidentMember.incident_id), sa.func.max(IncidentMember.ended_at), sa.func.bool_or(col(IncidentMember.ended_at).is_(None))
        )
        .where(col(IncidentMember.incident_id).in_(set(incident_ids)))
        .group_by(col(IncidentMember.incident_id))
    ).all()
    over = {incident_id: ended_at for incident_id, ended_at, is_down in ends if not is_down}
    incidents = session.exec(
        select(Incident).where(col(Incident.id).in_(over), Incident.state == IncidentState.OPEN).with_for_update()
    ).all()
    # A pause outlives its gateway's return only if the gateway was unlinked or moved meanwhile.
    left_behind = outages.holding_clocks(session, over.keys())
    for incident in incidents:
        assert incident.id is not None
        incident.state, incident.resolved_at = IncidentState.RESOLVED, over[incident.id]
        incident.told_at = None
        if incident.id in left_behind:
            outages.resume_incident(session, incident.id, at=over[incident.id], reason="network_back", give=True, now=now)
        log.info("incident.resolved", incident=incident.reference)
        publish(session, "incidents", incident.id)
        ring(session, TELL_JOB, incident.id)
    session.flush()
    incident_tickets.network_back(session, incidents, now=now)


def _stop_clocks(session: Session, access_point_ids: Iterable[int], *, now: datetime) -> None:
    """Pause everybody behind the gateways that these access points took down."""
    rule = outages.rule_at(session, now)
    gateways = set(session.exec(select(AccessPoint.gateway_id).where(col(AccessPoint.id).in_(set(access_point_ids)))).all())
    outages.pause(session, list(_gateways_down(session, gateways, any_access_point=rule.any_access_point).values()), now=now)


def _gateways_down(session: Session, gateway_ids: Iterable[int | None], *, any_access_point: bool) -> dict[int, outages.Down]:
    """Which of these gateways are cut off: all of their access points down, or any, as the rule says; since when, and by which incident."""
    wanted = [gateway_id for gateway_id in gateway_ids if gateway_id is not None]
    if not wanted:
        return {}
    is_down = col(IncidentMember.id).is_not(None)
    since = (sa.func.min if any_access_point else sa.func.max)(IncidentMember.started_at)
    rows = session.execute(
        sa.select(col(AccessPoint.gateway_id), since, sa.func.max(IncidentMember.incident_id))
        .outerjoin(IncidentMember, (col(IncidentMember.access_point_id) == AccessPoint.id) & col(IncidentMember.ended_at).is_(None))
        .where(col(AccessPoint.gateway_id).in_(wanted), col(AccessPoint.vanished_at).is_(None), col(AccessPoint.health) != Health.RETIRED)
        .group_by(col(AccessPoint.gateway_id))
        .having(sa.func.bool_or(is_down) if any_access_point else sa.func.bool_and(is_down))
    ).all()
    return {gateway_id: outages.Down(gateway_id, incident_id, since_at) for gateway_id, since_at, incident_id in rows}
