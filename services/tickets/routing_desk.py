"""Keeping the rules of routing: their order, what each asks for, and which of them can never decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from app.events import publish
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.models import Site
from services.revision import require, revision_of
from services.tickets.desk_models import RoutingRule, Team, TeamMember
from services.tickets.models import Priority
from services.tickets.routing import as_rule
from services.tickets.routing_rules import TEAM_LESS, VALUES, Rule, without_use

MAX_RULES, MAX_SITES = 100, 50
_MAX_NAME, _MAX_SKILL = 120, 40
_RULES_LOCK = 0x72756C65


class RuleNotFound(NotFound):
    code, title = "routing_rule_not_found", "No such rule"
    message = "There is no rule with that number; somebody may have deleted it."


class TooManyRules(Conflict):
    code, title = "too_many_rules", "Too many rules"
    message = f"There are {MAX_RULES} rules already. Nobody can oversee more: join some first."


@dataclass(frozen=True)
class RuleDraft:
    """What a person writes into the form. `conditions` as in RoutingRule."""

    name: str
    team_id: int | None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    skill: str = ""
    set_priority: Priority | None = None
    is_active: bool = True


@dataclass(frozen=True)
class RuleView:
    """`trouble` says why it can never decide, or give to nobody; None when it is well."""

    id: int
    place: int
    rule: Rule
    team_name: str
    trouble: str | None

    @property
    def revision(self) -> str:
        rule = self.rule
        return revision_of(rule.id, rule.name, dict(rule.conditions), rule.team_id, rule.skill, rule.set_priority, rule.is_active)


def list_rules(session: Session, *, actor: Principal) -> tuple[RuleView, ...]:
    """In the order in which they are asked. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    return _views(session)


def save_rule(
    session: Session, *, actor: Principal, rule_id: int | None, draft: RuleDraft, expected_revision: str | None = None, now: datetime
) -> RuleView:
    """Add a rule (before those that take everything at the end), or change one. Raises Forbidden, RuleNotFound, Stale, InvalidInput or
    TooManyRules.
    """
    actor.require(Permission.DESK_EDIT)
    rows = _locked(session)
    wanted = checked(session, draft)
    if rule_id is None:
        row = _add(session, rows, wanted, now=now)
        before: dict[str, Any] | None = None
    else:
        row = _row(rows, rule_id)
        require(expected_revision, next(view for view in _views(session) if view.id == rule_id).revision)
        before = _told(session, row)
        _fill(row, wanted)
    session.flush()
    if before != (after := _told(session, row)):
        action = "routing_rule.add" if before is None else "routing_rule.change"
        audit.record(session, actor, action, target=("routing_rule", row.id), now=now, before=before, after=after)
        publish(session, "routing", row.id)
    return next(view for view in _views(session) if view.id == row.id)


def move_rule(session: Session, *, actor: Principal, rule_id: int, to: int, now: datetime) -> tuple[RuleView, ...]:
    """Put it at another place of the order, counted from 0. Raises Forbidden or RuleNotFound."""
    actor.require(Permission.DESK_EDIT)
    rows = _locked(session)
    row = _row(rows, rule_id)
    was = rows.index(row)
    to = max(0, min(to, len(rows) - 1))
    if to != was:
        rows.insert(to, rows.pop(was))
        _number(session, rows)
        before, after = {"name": row.name, "place": was + 1}, {"name": row.name, "place": to + 1}
        audit.record(session, actor, "routing_rule.move", target=("routing_rule", rule_id), now=now, before=before, after=after)
        publish(session, "routing", rule_id)
    return _views(session)


def remove_rule(session: Session, *, actor: Principal, rule_id: int, now: datetime) -> None:
    """Raises Forbidden or RuleNotFound."""
    actor.require(Permission.DESK_EDIT)
    row = _row(_locked(session), rule_id)
    before = _told(session, row)
    session.delete(row)
    session.flush()
    audit.record(session, actor, "routing_rule.gone", target=("routing_rule", rule_id), now=now, before=before)
    publish(session, "routing", rule_id)


def _locked(session: Session) -> list[RoutingRule]:
    """All rules in their order, to be changed by one person at a time: locking the rows alone would not hold up who adds one."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_RULES_LOCK)))
    wanted = select(RoutingRule).order_by(col(RoutingRule.position)).execution_options(populate_existing=True)
    return list(session.exec(wanted).all())


def _row(rows: Sequence[RoutingRule], rule_id: int) -> RoutingRule:
    row = next((one for one in rows if one.id == rule_id), None)
    if row is None:
        raise RuleNotFound
    return row


def _add(session: Session, rows: list[RoutingRule], wanted: Rule, *, now: datetime) -> RoutingRule:
    if len(rows) >= MAX_RULES:
        raise TooManyRules
    place = len(rows)
    while place > 0 and not rows[place - 1].conditions and wanted.conditions:
        place -= 1
    row = RoutingRule(position=_next(rows), name=wanted.name, team_id=wanted.team_id, created_at=now)
    _fill(row, wanted)
    session.add(row)
    session.flush()
    rows.insert(place, row)
    _number(session, rows)
    return row


def _next(rows: Sequence[RoutingRule]) -> int:
    return max((row.position for row in rows), default=0) + 1


def _number(session: Session, rows: Sequence[RoutingRule]) -> None:
    """Places are unique, so all are taken out of the way before they are given anew."""
    for place, row in enumerate(rows, start=1):
        row.position = -place
    session.flush()
    for place, row in enumerate(rows, start=1):
        row.position = place
    session.flush()


def _fill(row: RoutingRule, wanted: Rule) -> None:
    row.name, row.conditions, row.team_id = wanted.name, dict(wanted.conditions), wanted.team_id
    row.skill, row.set_priority, row.is_active = wanted.skill, wanted.set_priority, wanted.is_active


def checked(session: Session, draft: RuleDraft) -> Rule:
    """The draft as a rule without a number. Raises InvalidInput at the field that is wrong."""
    name = " ".join(draft.name.replace("\x00", "").split())
    if not name or len(name) > _MAX_NAME:
        raise InvalidInput(f"Give it a name of at most {_MAX_NAME} characters.", field="name")
    team = session.get(Team, draft.team_id) if draft.team_id is not None else None
    if team is None or not team.is_active:
        raise InvalidInput("Choose a team that is in use.", field="team_id")
    skill = " ".join(draft.skill.replace("\x00", "").lower().split())
    if len(skill) > _MAX_SKILL:
        raise InvalidInput(f"A skill has at most {_MAX_SKILL} characters.", field="skill")
    return Rule(None, name, _conditions(session, draft.conditions), team.id or 0, skill or None, draft.set_priority, draft.is_active)


def _conditions(session: Session, written: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, wanted in written.items():
        if name == TEAM_LESS:
            kept |= {TEAM_LESS: True} if wanted else {}
        elif name == "site":
            sites = sorted({int(one) for one in wanted})
            known = set(session.exec(select(Site.id).where(col(Site.id).in_(sites))).all())
            if len(sites) > MAX_SITES or known != set(sites):
                raise InvalidInput(f"Choose at most {MAX_SITES} sites that there are.", field="site")
            kept |= {"site": sites} if sites else {}
        elif name not in VALUES or not set(wanted) <= set(VALUES[name]):
            raise InvalidInput("There is no such value.", field=name if name in VALUES else "name")
        elif wanted:
            kept[name] = [value for value in VALUES[name] if value in wanted]
    return kept


def _views(session: Session) -> tuple[RuleView, ...]:
    rows = session.exec(select(RoutingRule).order_by(col(RoutingRule.position)).execution_options(populate_existing=True)).all()
    teams = {team.id: team for team in session.exec(select(Team)).all()}
    rules = [as_rule(row, in_use=teams[row.team_id].is_active) for row in rows]
    troubles = without_use(rules)
    skills = _skills(session)
    views = []
    for place, (row, rule) in enumerate(zip(rows, rules, strict=True)):
        team = teams[row.team_id]
        trouble = troubles.get(place)
        if row.is_active and not team.is_active:
            trouble = f"The team {team.name} is out of use, so it decides nothing."
        elif trouble is None and rule.is_active and rule.skill and rule.skill not in skills.get(row.team_id, set()):
            trouble = f"Nobody in {team.name} has the skill “{rule.skill}”: what it takes waits for whoever takes it."
        views.append(RuleView(row.id or 0, place, replace(rule, is_active=row.is_active), team.name, trouble))
    return tuple(views)


def _skills(session: Session) -> dict[int, set[str]]:
    skills: dict[int, set[str]] = {}
    for team_id, known in session.exec(select(TeamMember.team_id, TeamMember.skills)).all():
        skills.setdefault(team_id, set()).update(known)
    return skills


def _told(session: Session, row: RoutingRule) -> dict[str, Any]:
    team = session.get_one(Team, row.team_id)
    return {
        "name": row.name,
        "conditions": "; ".join(f"{name}: {_listed(wanted)}" for name, wanted in row.conditions.items()) or "none",
        "team": team.name,
        "skill": row.skill,
        "set_priority": row.set_priority,
        "is_active": row.is_active,
    }


def _listed(wanted: Any) -> str:
    return ", ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)
