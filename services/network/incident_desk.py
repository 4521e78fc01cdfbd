"""What staff may do to an incident: say that there was none, and write down what was learnt."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from app.events import publish
from services.access import outages
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, HealthPeriod
from services.revision import require
from services.tickets import incidents as incident_tickets

_MAX_NOTE = 4000
_SHORTEST_REASON = 3


class IncidentNotFound(NotFound):
    code, title = "incident_not_found", "No such incident"
    message = "There is no incident with that reference."


class AlreadyFalseAlarm(Conflict):
    code, title = "already_false_alarm", "Called a false alarm already"
    message = "This incident has been called a false alarm already."


def incident_to_change(session: Session, *, actor: Principal, reference: str) -> Incident:
    """The incident, locked. Raises Forbidden or IncidentNotFound."""
    actor.require(Permission.INCIDENTS_EDIT)
    found = session.exec(select(Incident).where(Incident.reference == reference.upper()).with_for_update()).one_or_none()
    if found is None:
        raise IncidentNotFound
    return found


def note(session: Session, *, actor: Principal, reference: str, text: str, expected_revision: str | None, now: datetime) -> Incident:
    """Keep what was found and what is done about it. Raises Forbidden, IncidentNotFound, Stale or InvalidInput."""
    incident = incident_to_change(session, actor=actor, reference=reference)
    require(expected_revision, incident.revision)
    cleaned = text.replace("\x00", "").strip()
    if len(cleaned) > _MAX_NOTE:
        raise InvalidInput(f"Keep the note under {_MAX_NOTE} characters.", field="note")
    before = {"note": incident.note}
    incident.note = cleaned or None
    session.flush()
    audit.record(session, actor, "incident.note", target=("incident", reference), now=now, before=before, after={"note": incident.note})
    publish(session, "incidents", incident.id)
    return incident


def call_false_alarm(session: Session, *, actor: Principal, reference: str, reason: str, now: datetime) -> Incident:
    """There was no outage: clocks that stood run as if they never had, up-time is whole again, tickets are set right.

    Time that was given back and told of already stays with the customers: a promise is kept. Raises Forbidden, IncidentNotFound,
    AlreadyFalseAlarm, or InvalidInput without a reason.
    """
    incident = incident_to_change(session, actor=actor, reference=reference)
    if incident.state is IncidentState.FALSE_ALARM:
        raise AlreadyFalseAlarm
    said = reason.replace("\x00", "").strip()
    if len(said) < _SHORTEST_REASON:
        raise InvalidInput("Say in a few words how you know.", field="reason")
    assert incident.id is not None
    before = {"state": incident.state}
    outages.resume_incident(session, incident.id, at=now, reason="false_alarm", give=False, now=now)
    _make_whole(session, incident.id, now=now)
    incident.state, incident.resolved_at = IncidentState.FALSE_ALARM, incident.resolved_at or now
    session.flush()
    incident_tickets.was_none(session, incident, now=now)
    after = {"state": incident.state, "reason": said[:_MAX_NOTE]}
    audit.record(session, actor, "incident.false_alarm", target=("incident", reference), now=now, before=before, after=after)
    publish(session, "incidents", incident.id)
    return incident


def _make_whole(session: Session, incident_id: int, *, now: datetime) -> None:
    """Take the stretches of this incident out of the access points' health: what was before goes on through them."""
    members = session.exec(
        select(IncidentMember).where(IncidentMember.incident_id == incident_id).order_by(col(IncidentMember.started_at)).with_for_update()
    ).all()
    for member in members:
        was_down_still = member.ended_at is None
        member.ended_at = member.ended_at or max(now, member.started_at)
        _unite(session, member.access_point_id, member.started_at, was_down_still=was_down_still)
    session.flush()


def _unite(session: Session, access_point_id: int, started_at: datetime, *, was_down_still: bool) -> None:
    periods = session.exec(
        select(HealthPeriod)
        .where(
            HealthPeriod.access_point_id == access_point_id,
            sa.or_(col(HealthPeriod.ended_at) >= started_at, col(HealthPeriod.ended_at).is_(None)),
        )
        .order_by(col(HealthPeriod.started_at))
        .limit(3)
        .with_for_update()
    ).all()
    before, down, after = (*periods, None, None, None)[:3]
    if before is None or down is None or before.ended_at != started_at or down.started_at != started_at:
        return  # rolled up already, or corrected by hand: the month's sum stands
    session.delete(down)
    session.flush()
    if after is not None and after.state is before.state:
        session.delete(after)
        session.flush()
        before.ended_at = after.ended_at
    else:
        before.ended_at = down.ended_at
    session.flush()
    if was_down_still:
        point = session.get_one(AccessPoint, access_point_id, with_for_update=True)
        # What OpenWISP reports stands in `reported`; it counts again when it changes.
        point.health, point.health_since = before.state, before.started_at
        point.candidate = point.candidate_since = None
