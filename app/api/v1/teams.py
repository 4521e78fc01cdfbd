"""`/api/v1/teams`: who answers for tickets together, and the rules by which tickets find them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.security import requires
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.tickets import duty, routing_desk, teams
from services.tickets.models import Priority
from services.tickets.routing_desk import RuleView
from services.tickets.teams import MemberView, TeamView

router = APIRouter(prefix="/teams", tags=["teams"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]


class Zone(BaseModel):
    """Where a technician is at home."""

    latitude: float = Field(ge=-90, le=90, examples=[13.4382])
    longitude: float = Field(ge=-180, le=180, examples=[-16.6781])


class TeamPerson(BaseModel):
    """One member of a team."""

    staff_id: int = Field(description="The number of the staff member")
    name: str = Field(examples=["Modou Bah"])
    skills: list[str] = Field(examples=[["lead", "radio"]])
    languages: list[str] = Field(description="ISO 639 codes; none: English", examples=[["en", "wo"]])
    zone: Zone | None = Field(description="Null when none is set")
    capacity: int = Field(description="Undone tickets at once, over which nothing more is given by itself")
    open_tickets: int = Field(description="Undone tickets that lie with this person, of whatever team")
    is_on_duty: bool
    is_active: bool = Field(description="False when the account was disabled")


class TeamDetail(BaseModel):
    id: int
    name: str = Field(examples=["Field"])
    is_field: bool = Field(description="Its tickets go to whoever is nearest")
    is_active: bool = Field(description="False when it is out of use")
    open_tickets: int = Field(description="Undone tickets that lie with the team")
    waiting: int = Field(description="Of these, those that lie with nobody")
    members: list[TeamPerson]


class Teams(BaseModel):
    items: list[TeamDetail]


class RoutingRuleDetail(BaseModel):
    """The first active rule whose every condition fits decides; without conditions it takes everything."""

    id: int
    position: int = Field(ge=1, description="The order in which they are asked")
    name: str = Field(examples=["Money and vouchers"])
    conditions: dict[str, Any] = Field(examples=[{"category": ["payment", "voucher"]}])
    team_id: int
    team: str = Field(examples=["Billing"])
    skill: str | None = Field(description="Only people of the team who have it")
    set_priority: Priority | None = Field(description="What the priority becomes; high and urgent are never lowered")
    is_active: bool
    trouble: str | None = Field(description="Why it can never decide, or give to nobody; null when it is well")


class RoutingRules(BaseModel):
    items: list[RoutingRuleDetail]


class OwnDutyDetail(BaseModel):
    """The asking person's own."""

    teams: list[str] = Field(description="Those that the person is in, of the ones in use", examples=[["Field"]])
    is_on_duty: bool


class OwnDutyWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"is_on_duty": True}]})

    is_on_duty: bool = Field(description="In all of the person's teams")


def _person(member: MemberView) -> TeamPerson:
    return TeamPerson(
        staff_id=member.staff_id,
        name=member.name,
        skills=list(member.skills),
        languages=list(member.languages),
        zone=Zone(latitude=member.zone[0], longitude=member.zone[1]) if member.zone else None,
        capacity=member.capacity,
        open_tickets=member.load,
        is_on_duty=member.is_on_duty,
        is_active=member.is_active,
    )


def _detail(view: TeamView) -> TeamDetail:
    return TeamDetail(
        id=view.id,
        name=view.name,
        is_field=view.is_field,
        is_active=view.is_active,
        open_tickets=view.open_tickets,
        waiting=view.waiting,
        members=[_person(member) for member in view.members],
    )


def _rule(view: RuleView) -> RoutingRuleDetail:
    rule = view.rule
    return RoutingRuleDetail(
        id=view.id,
        position=view.place + 1,
        name=rule.name,
        conditions=dict(rule.conditions),
        team_id=rule.team_id,
        team=view.team_name,
        skill=rule.skill,
        set_priority=rule.set_priority,
        is_active=rule.is_active,
        trouble=view.trouble,
    )


@router.get("", summary="List the teams")
def list_all(actor: Reader) -> Teams:
    """All of them, those in use first, with their members."""
    with transaction() as session:
        return Teams(items=[_detail(view) for view in teams.list_teams(session, actor=actor)])


@router.get("/routing-rules", summary="List the routing rules")
def rules(actor: Reader) -> RoutingRules:
    """In the order in which they are asked."""
    with transaction() as session:
        return RoutingRules(items=[_rule(view) for view in routing_desk.list_rules(session, actor=actor)])


@router.get("/own-duty", summary="Whether I am on duty")
def own_duty(actor: Reader) -> OwnDutyDetail:
    """Of the person who asks; an outside service's token is in no team."""
    with transaction() as session:
        own = duty.own_duty(session, actor=actor)
    return OwnDutyDetail(teams=list(own.teams), is_on_duty=own.is_on_duty)


@router.put("/own-duty", summary="Go on or off duty")
def set_own_duty(actor: Reader, body: OwnDutyWanted) -> OwnDutyDetail:
    """Whoever goes on duty is given what waits in their teams. Repeating it changes nothing."""
    with transaction() as session:
        own = duty.set_own_duty(session, actor=actor, is_on_duty=body.is_on_duty, now=utc_now())
    return OwnDutyDetail(teams=list(own.teams), is_on_duty=own.is_on_duty)
