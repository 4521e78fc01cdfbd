"""Teams, members and rules for tests."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from services.accounts.models import Role, Staff
from services.tickets.desk_models import RoutingRule, Team, TeamMember
from services.tickets.models import Priority
from tests.conftest import NOON
from tests.services.tickets.people import a_person


def a_team(session: Session, name: str, *, is_field: bool = False, is_active: bool = True) -> Team:
    team = Team(name=name, is_field=is_field, is_active=is_active, created_at=NOON)
    session.add(team)
    session.flush()
    return team


def a_member(session: Session, team: Team, name: str, *, role: Role = Role.CUSTOMER_CARE, **terms: Any) -> Staff:
    person = a_person(session, f"{name}@inet.test", role=role)
    session.add(TeamMember(team_id=team.id or 0, staff_id=person.id or 0, **terms))
    session.flush()
    return person


def a_rule(
    session: Session,
    position: int,
    name: str,
    team: Team,
    *,
    skill: str | None = None,
    priority: Priority | None = None,
    **conditions: object,
) -> RoutingRule:
    """A rule that sets `priority`; with `asks_priority` among the conditions it asks for one."""
    if "asks_priority" in conditions:
        conditions["priority"] = conditions.pop("asks_priority")
    rule = RoutingRule(
        position=position,
        name=name,
        conditions=conditions,
        team_id=team.id or 0,
        skill=skill,
        set_priority=priority,
        created_at=NOON,
    )
    session.add(rule)
    session.flush()
    return rule
