"""Known outages: a ticket from such a place is joined to the incident at once, and whoever wrote it is told so, once."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Site
from services.notifications import tell
from services.tickets import changes, people
from services.tickets.models import Channel, Ticket

EVENT = "ticket_outage"


def join(session: Session, ticket: Ticket, incident: Incident, *, now: datetime) -> None:
    """Link the ticket, if it is linked to none yet, and tell the customer of an outage that goes on. Harmless to repeat."""
    if ticket.incident_id is None:
        why = f"A known outage at its place: {incident.reference}."
        changes.set_field(session, ticket, "incident_id", incident.id, who=changes.SYSTEM, why=why, now=now)
    if ticket.incident_id == incident.id:
        tell_once(session, ticket, incident, now=now)


def tell_once(session: Session, ticket: Ticket, incident: Incident, *, now: datetime) -> bool:
    """Whether the customer was told by this call; never twice of one outage in one ticket, and never of one that is over."""
    to = people.recipient(session, ticket)
    if to is None or ticket.channel is Channel.INCIDENT or incident.state is not IncidentState.OPEN or not ticket.is_open:
        return False
    told = tell(
        session,
        event=EVENT,
        to=to,
        values={"reference": ticket.reference, "subject": people.headline(ticket), "place": place_of(session, ticket, incident)},
        dedupe_key=f"outage:{ticket.id}:{incident.id}",
        ticket_id=ticket.id,
        now=now,
    )
    if told:
        changes.record(session, ticket, "outage_told", {"incident": incident.reference}, who=changes.SYSTEM, now=now)
    return bool(told)


def place_of(session: Session, ticket: Ticket, incident: Incident) -> str:
    """The outage's place, as a customer would name it."""
    if incident.site_id is not None:
        return session.get_one(Site, incident.site_id).name
    point = session.get(AccessPoint, ticket.access_point_id) if ticket.access_point_id is not None else None
    return point.name if point is not None else "your hotspot"
