"""Incidents: several called false alarms, as after a poll that was wrong everywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.console.bulk.shape import Action, Answers, Doing, Done, Line
from services.network.incident_desk import IncidentNotFound, call_false_alarm
from services.network.incident_models import Incident, IncidentState


class CallFalseAlarms(Action[None]):
    name = "incident.false_alarm"
    page = "incidents"
    label = "There was no outage"
    meaning = (
        "Clocks that stood run as if they never had, up-time is whole again and the tickets are set right. Time that customers were given "
        "and told of stays theirs."
    )
    things = ("incident", "incidents")
    permission = Permission.INCIDENTS_EDIT
    is_grave = True
    stays = "Clocks run again and tickets were set right. An access point that is down opens an incident by itself."

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def look(self, session: Session, row_ids: Collection[int], wish: None, *, actor: Principal, now: datetime) -> Sequence[Line]:
        found = session.exec(select(Incident).where(col(Incident.id).in_(row_ids))).all()
        return [_line(incident) for incident in found]

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        incident = session.get(Incident, row_id, with_for_update=True, populate_existing=True)
        if incident is None:
            raise IncidentNotFound
        if incident.state is IncidentState.FALSE_ALARM:
            return None
        call_false_alarm(session, actor=doing.actor, reference=incident.reference, reason=doing.reason, now=doing.now)
        return Done("A false alarm.")


def _line(incident: Incident) -> Line:
    assert incident.id is not None
    return Line(incident.id, incident.reference, () if incident.state is IncidentState.FALSE_ALARM else ("a false alarm",))


ACTIONS = (CallFalseAlarms(),)
