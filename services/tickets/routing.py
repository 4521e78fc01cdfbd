"""Giving a ticket to a team and to a person of it: by the rules, once, with the reason written down. Never over a person's choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.accounts.models import Staff
from services.network.models import AccessPoint, Site
from services.notifications import Recipient, tell
from services.tickets import changes, people
from services.tickets.candidates import Asked, Candidate, Position, Weighed, chosen, weigh
from services.tickets.changes import By
from services.tickets.desk_models import RoutingRule, Team, TeamMember
from services.tickets.enrichment import changes_by_person
from services.tickets.lookalikes import latest_readings
from services.tickets.models import IS_UNDONE, Ticket, TicketEvent
from services.tickets.routing_rules import NOT_KNOWN, VALUES, Rule, Situation, first_fitting, priority_after
from services.tickets.sla.policies import customer_kind
from services.tickets.triage.labels import Priority

ROUTED = "routed"
NO_RULE = "no rule fits"
_KEPT_CANDIDATES = 20
# Two routers may give to the same team, but not at the same moment: each counts what the other gave.
_TEAM_LOCK = 0x726F7574


@dataclass(frozen=True)
class Decision:
    """What the rules say of a ticket. `team` is None while there is no team at all; `person` while nobody of it can take it."""

    rule: Rule | None
    team: Team | None
    asked: Asked
    weighed: tuple[Weighed, ...]
    priority: Priority
    # The team was given, and only the person was looked for.
    is_within_team: bool = False

    @property
    def person(self) -> Weighed | None:
        return chosen(self.weighed)

    @property
    def why(self) -> str:
        rule = f"“{self.rule.name}” is the first rule that fits" if self.rule else NO_RULE.capitalize()
        if self.is_within_team:
            rule = "It stays with its team"
        if self.team is None:
            return f"{rule}, and there is no team in use: it lies with nobody."
        if self.person is None:
            nobody = "nobody is in it" if not self.weighed else "nobody of it can take it now"
            return f"{rule}: team {self.team.name}, but {nobody}. It waits there for whoever takes it."
        return f"{rule}: team {self.team.name}, to {self.person.name} ({self.person.reason})."


def route(session: Session, ticket: Ticket, *, now: datetime, why: str = "") -> Decision | None:
    """Give it to whom the rules say, unless a person decided, somebody has it, or they said the same before. None when nothing was done.

    One ticket in a transaction: the team that it goes to is locked until it ends.
    """
    ticket = changes.locked(session, ticket.id or 0)
    if not ticket.is_open or ticket.assignee_id is not None or changes_by_person(session, ticket, "team", "assignee"):
        return None
    decision = decide(session, ticket, now=now)
    before = last_routing(session, ticket)
    if before is not None and before.get("rule_id") == (decision.rule.id if decision.rule else None):
        return None
    return apply(session, ticket, decision, who=changes.SYSTEM, why=why, now=now)


def decide(session: Session, ticket: Ticket, *, now: datetime, rules: Sequence[Rule] | None = None, team_id: int | None = None) -> Decision:
    """What the rules (those that stand, or `rules`) would do with this ticket as it is now; with `team_id`, that team and no other.

    Changes nothing, but waits for whoever gives to the same team at this moment.
    """
    situation = situation_of(session, ticket)
    if team_id is not None:
        situation = replace(situation, team_less=True)
    rule = first_fitting(standing_rules(session) if rules is None else rules, situation)
    if team_id is not None and rule is not None and rule.team_id != team_id:
        rule = None
    team = _team(session, team_id if team_id is not None else rule.team_id if rule else None)
    place, language = place_of(session, ticket), None if situation.language == NOT_KNOWN else situation.language
    asked = Asked(rule.skill if rule else None, language, place, team.is_field if team else False)
    weighed: tuple[Weighed, ...] = ()
    if team is not None:
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_TEAM_LOCK, team.id)))
        weighed = weigh(asked, candidates_of(session, team.id or 0, now=now))
    priority = priority_after(rule, ticket.priority) if rule else ticket.priority
    return Decision(rule, team, asked, weighed, priority, is_within_team=team_id is not None)


def apply(session: Session, ticket: Ticket, decision: Decision, *, who: By, now: datetime, why: str = "") -> Decision:
    """Do what was decided, and write down why. The ticket is locked by the caller."""
    said = f"{why} {decision.why}".strip()
    rule, person = decision.rule, decision.person
    data: dict[str, Any] = {
        "rule": rule.name if rule else None,
        "rule_id": rule.id if rule else None,
        "team": decision.team.name if decision.team else None,
        "team_id": decision.team.id if decision.team else None,
        "person": person.name if person else None,
        "person_id": person.staff_id if person else None,
        "why": said,
        "candidates": [one.as_json() for one in decision.weighed[:_KEPT_CANDIDATES]],
    }
    changes.record(session, ticket, ROUTED, data, who=who, now=now)
    # Whoever asked for it chose that the rules decide, and not whom they chose.
    by, because = changes.SYSTEM, f"The rule “{rule.name}” says so." if rule else None
    if not changes_by_person(session, ticket, "priority"):
        changes.set_field(session, ticket, "priority", decision.priority, who=by, why=because, now=now)
    if decision.team is not None:
        changes.set_field(session, ticket, "team_id", decision.team.id, who=by, why=said, now=now)
    changes.set_field(session, ticket, "assignee_id", person.staff_id if person else None, who=by, why=said, now=now)
    if person is not None and decision.team is not None:
        member = session.get(TeamMember, (decision.team.id, person.staff_id), populate_existing=True)
        if member is not None:
            member.last_given_at = now
        _tell(session, ticket, person.staff_id, who=who, now=now)
    session.flush()
    return decision


def last_routing(session: Session, ticket: Ticket) -> dict[str, Any] | None:
    newest = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == ROUTED).order_by(col(TicketEvent.id).desc())
    found = session.exec(newest.limit(1)).first()
    return found.data if found else None


def standing_rules(session: Session) -> tuple[Rule, ...]:
    """In their order; those whose team is out of use decide nothing."""
    rows = session.exec(
        select(RoutingRule, Team.is_active).join(Team, col(Team.id) == col(RoutingRule.team_id)).order_by(col(RoutingRule.position))
    )
    return tuple(as_rule(row, in_use=in_use) for row, in_use in rows.all())


def as_rule(row: RoutingRule, *, in_use: bool = True) -> Rule:
    return Rule(row.id, row.name, row.conditions, row.team_id, row.skill, row.set_priority, row.is_active and in_use)


def situation_of(session: Session, ticket: Ticket) -> Situation:
    """The ticket as the rules see it: its language is the person's own setting, or what it reads like."""
    language: str | None = ticket.language
    if language is None:
        reading = latest_readings(session, [ticket.id or 0]).get(ticket.id or 0)
        language = (reading or {}).get("language", {}).get("code")
    return Situation(
        category=ticket.category.value if ticket.category else NOT_KNOWN,
        priority=ticket.priority.value,
        site=ticket.site_id,
        language=language if language in VALUES["language"] else NOT_KNOWN,
        customer_kind=customer_kind(session, ticket.customer_id),
        channel=ticket.channel.value,
        team_less=ticket.team_id is None,
    )


def place_of(session: Session, ticket: Ticket) -> Position | None:
    """Where somebody would have to go: its site's position."""
    site_id = ticket.site_id
    if site_id is None and ticket.access_point_id is not None:
        site_id = session.get_one(AccessPoint, ticket.access_point_id).site_id
    if site_id is None and ticket.gateway_id is not None:
        site_id = session.get_one(Gateway, ticket.gateway_id).site_id
    site = session.get(Site, site_id) if site_id is not None else None
    return (site.latitude, site.longitude) if site is not None and site.latitude is not None and site.longitude is not None else None


def candidates_of(session: Session, team_id: int, *, now: datetime) -> tuple[Candidate, ...]:
    """The team's members with what lies with each now, and what each was given today."""
    rows = session.exec(
        select(TeamMember, Staff)
        .join(Staff, col(Staff.id) == col(TeamMember.staff_id))
        .where(TeamMember.team_id == team_id)
        .order_by(col(Staff.id))
        .execution_options(populate_existing=True)
    ).all()
    loads, today = _loads(session, [member.staff_id for member, _ in rows]), _given_today(session, now=now)
    return tuple(
        Candidate(
            staff_id=member.staff_id,
            name=staff.name,
            is_active=staff.is_active,
            is_on_duty=member.is_on_duty,
            skills=frozenset(member.skills),
            languages=frozenset(member.languages),
            zone=None if member.zone_latitude is None or member.zone_longitude is None else (member.zone_latitude, member.zone_longitude),
            capacity=member.capacity,
            load=loads.get(member.staff_id, 0),
            today=today.get(member.staff_id, 0),
            last_given_at=member.last_given_at,
        )
        for member, staff in rows
    )


def _loads(session: Session, staff_ids: Sequence[int]) -> dict[int, int]:
    of_each = sa.select(col(Ticket.assignee_id), sa.func.count()).where(IS_UNDONE, col(Ticket.assignee_id).in_(staff_ids))
    return {row[0]: row[1] for row in session.execute(of_each.group_by(col(Ticket.assignee_id))).all()}


def _given_today(session: Session, *, now: datetime) -> dict[int, int]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    to = sa.cast(col(TicketEvent.data)["to"].as_string(), sa.BigInteger)
    given = sa.select(to, sa.func.count(sa.distinct(col(TicketEvent.ticket_id)))).where(
        col(TicketEvent.kind) == "assignee", col(TicketEvent.at) >= midnight, to.is_not(None)
    )
    return {row[0]: row[1] for row in session.execute(given.group_by(to)).all()}


def _team(session: Session, team_id: int | None) -> Team | None:
    """The rule's, if it is in use; else the first that is: no ticket is left without a team while there is one."""
    team = session.get(Team, team_id) if team_id is not None else None
    if team is not None and team.is_active:
        return team
    return session.exec(select(Team).where(col(Team.is_active)).order_by(col(Team.id)).limit(1)).first()


def _tell(session: Session, ticket: Ticket, staff_id: int, *, who: By, now: datetime) -> None:
    by = "The routing" if who == changes.SYSTEM else who.label.partition(":")[2]
    tell(
        session,
        event="ticket_assigned",
        to=Recipient(staff_id=staff_id),
        values={"reference": ticket.reference, "subject": people.headline(ticket), "by": by},
        dedupe_key=f"given:{ticket.id}:{ticket.change_number}:{staff_id}",
        ticket_id=ticket.id,
        link=f"/console/tickets/{ticket.reference}",
        now=now,
    )
