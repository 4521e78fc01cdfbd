"""Who of the staff hears of a deadline, as a step names them, and the telling itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.models import Role, Staff
from services.listing import pick
from services.notifications.service import Recipient, tell
from services.tickets.desk_models import TeamMember
from services.tickets.models import Ticket
from services.tickets.sla.clocks import Pending
from services.tickets.sla.terms import Deed

# A member of a team with this skill leads it.
LEAD = "lead"
MAX_TOLD = 25
_EVENTS: Mapping[Deed, str] = {"warn": "sla_warning", "breach": "sla_breach", "escalate": "sla_escalation"}


def people(session: Session, ticket: Ticket, to: Mapping[str, Any]) -> list[Staff]:
    """The active people that a step names: `assignee`, `lead` and `team` (of the ticket's team), `roles`, `staff` (ids).

    A team in which nobody leads is told as a whole, and a ticket that lies with nobody is its team's matter: a warning that nobody hears
    warns of nothing.
    """
    wanted: list[sa.ColumnElement[bool]] = []
    if to.get("assignee") and ticket.assignee_id is not None:
        wanted.append(col(Staff.id) == ticket.assignee_id)
    asks_team = to.get("team") or to.get("lead") or (to.get("assignee") and ticket.assignee_id is None)
    if asks_team and ticket.team_id is not None:
        wanted.append(col(Staff.id).in_(_members(session, ticket.team_id, only_lead=bool(to.get("lead")) and not to.get("team"))))
    if roles := [role for role in to.get("roles", []) if role in tuple(Role)]:
        wanted.append(col(Staff.role).in_(roles))
    if staff := to.get("staff"):
        wanted.append(col(Staff.id).in_(staff))
    if not wanted:
        return []
    found = session.execute(pick(Staff).where(sa.or_(*wanted), col(Staff.is_active)).order_by(col(Staff.id)).limit(MAX_TOLD))
    return list(found.scalars())


def _members(session: Session, team_id: int, *, only_lead: bool) -> list[int]:
    rows = session.execute(
        pick(TeamMember.staff_id, TeamMember.skills, TeamMember.is_on_duty).where(col(TeamMember.team_id) == team_id)
    ).all()
    leads = [row.staff_id for row in rows if LEAD in row.skills]
    if only_lead and leads:
        return leads
    return [row.staff_id for row in rows if row.is_on_duty] or [row.staff_id for row in rows]


def tell_of(session: Session, ticket: Ticket, one: Pending, *, now: datetime) -> list[str]:
    """Tell them, and answer their names. Written in the caller's transaction: it is told exactly when the step stands."""
    told = people(session, ticket, one.step.to)
    values = {"reference": ticket.reference, "subject": ticket.subject or ticket.body[:80], "clock": one.run.clock.replace("_", " ")}
    for person in told:
        tell(
            session,
            event=_EVENTS[one.step.do],
            to=Recipient(staff_id=person.id, email=person.email),
            values=values,
            dedupe_key=f"sla:{ticket.id}:{one.run.clock}:{one.run.round}:{one.step.key}:{person.id}",
            ticket_id=ticket.id,
            link=f"/console/tickets/{ticket.reference}",
            now=now,
        )
    return [person.name for person in told]
