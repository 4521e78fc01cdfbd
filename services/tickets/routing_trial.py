"""Trying the rules out: who would take a ticket like this, and what a change would have done to the last ones. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.models import Site
from services.tickets.candidates import Asked, weigh
from services.tickets.desk_models import Team
from services.tickets.models import Channel, Priority, Ticket
from services.tickets.people import headline
from services.tickets.routing import Decision, candidates_of, situation_of, standing_rules
from services.tickets.routing_desk import RuleDraft, checked
from services.tickets.routing_rules import NOT_KNOWN, Rule, Situation, first_fitting, priority_after
from services.tickets.sight import in_sight

LOOKED_AT = 100
_SAMPLES = 8


@dataclass(frozen=True)
class Moved:
    """A ticket that another rule would have taken. Names of rules; None: no rule fits."""

    reference: str
    subject: str
    before: str | None
    after: str | None
    team_before: str
    team_after: str


@dataclass(frozen=True)
class Trial:
    """`moved` counts those that another team would have got; `samples` are some of those that another rule would have taken."""

    looked_at: int
    moved: int
    other_rule: int
    samples: tuple[Moved, ...]


def try_out(session: Session, *, actor: Principal, situation: Situation, now: datetime) -> Decision:
    """Which rule would take a ticket like this now, and whom it would go to. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    rule = first_fitting(standing_rules(session), situation)
    team = session.get(Team, rule.team_id) if rule else _first_team(session)
    site = session.get(Site, situation.site) if situation.site is not None else None
    place = (site.latitude, site.longitude) if site and site.latitude is not None and site.longitude is not None else None
    language = None if situation.language == NOT_KNOWN else situation.language
    asked = Asked(rule.skill if rule else None, language, place, team.is_field if team else False)
    weighed = weigh(asked, candidates_of(session, team.id or 0, now=now)) if team else ()
    priority = Priority(situation.priority)
    return Decision(rule, team, asked, weighed, priority_after(rule, priority) if rule else priority)


def sites_to_choose(session: Session, *, actor: Principal) -> dict[int, str]:
    """The names of the first thousand sites, by their numbers. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    return {row[0]: row[1] for row in session.execute(pick(Site.id, Site.name).order_by(col(Site.name)).limit(1000)).all()}


def preview(session: Session, *, actor: Principal, rule_id: int | None, draft: RuleDraft | None) -> Trial:
    """What the rules with this one added or changed (or, without a draft, taken away) would have done to the last hundred tickets.

    Raises Forbidden or InvalidInput.
    """
    actor.require(Permission.DESK_EDIT)
    now_standing = standing_rules(session)
    return _compare(session, actor, now_standing, _with(session, now_standing, rule_id, draft))


def preview_order(session: Session, *, actor: Principal, rule_ids: Sequence[int]) -> Trial:
    """The same of another order. Raises Forbidden."""
    actor.require(Permission.DESK_EDIT)
    rules = standing_rules(session)
    places = {rule_id: place for place, rule_id in enumerate(rule_ids)}
    return _compare(session, actor, rules, sorted(rules, key=lambda rule: places.get(rule.id or 0, len(places))))


def _with(session: Session, rules: Sequence[Rule], rule_id: int | None, draft: RuleDraft | None) -> list[Rule]:
    if draft is None:
        return [rule for rule in rules if rule.id != rule_id]
    wanted = checked(session, draft)
    if rule_id is not None:
        return [replace(wanted, id=rule_id) if rule.id == rule_id else rule for rule in rules]
    # Where saving would put it: before those that take everything.
    place = len(rules)
    while place > 0 and not rules[place - 1].conditions and wanted.conditions:
        place -= 1
    return [*rules[:place], wanted, *rules[place:]]


def _compare(session: Session, actor: Principal, before: Sequence[Rule], after: Sequence[Rule]) -> Trial:
    tickets = session.exec(
        select(Ticket)
        .where(*in_sight(actor), Ticket.channel != Channel.INCIDENT)
        .order_by(col(Ticket.created_at).desc(), col(Ticket.id).desc())
        .limit(LOOKED_AT)
    ).all()
    names = {team.id or 0: team.name for team in session.exec(select(Team)).all()}
    default = _first_team(session)
    other, moved, samples = 0, 0, []
    for ticket in tickets:
        # As it came: nobody had it.
        situation = replace(situation_of(session, ticket), team_less=True)
        one, two = first_fitting(before, situation), first_fitting(after, situation)
        if _same(one, two):
            continue
        other += 1
        teams = [names.get(rule.team_id, "") if rule else (default.name if default else "none") for rule in (one, two)]
        moved += teams[0] != teams[1]
        samples.append(Moved(ticket.reference, headline(ticket), one.name if one else None, two.name if two else None, teams[0], teams[1]))
    samples.sort(key=lambda one: one.team_before == one.team_after)
    return Trial(len(tickets), moved, other, tuple(samples[:_SAMPLES]))


def _same(one: Rule | None, two: Rule | None) -> bool:
    if one is None or two is None:
        return one is two
    return (one.id, one.team_id, one.skill, one.set_priority) == (two.id, two.team_id, two.skill, two.set_priority)


def _first_team(session: Session) -> Team | None:
    return session.exec(select(Team).where(col(Team.is_active)).order_by(col(Team.id)).limit(1)).first()
