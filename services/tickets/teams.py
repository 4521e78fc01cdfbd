"""Keeping the teams: who belongs to which, what each knows, who is on duty; and giving a ticket to a team."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from app.events import publish
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import pick
from services.network.models import Site
from services.revision import require
from services.tickets import changes, duty
from services.tickets.candidates import Position
from services.tickets.desk_models import Team, TeamMember
from services.tickets.errors import TicketAlreadyClosed
from services.tickets.models import Ticket
from services.tickets.service import assign
from services.tickets.sight import ticket_to_change
from services.tickets.team_views import MemberView as MemberView
from services.tickets.team_views import TeamView as TeamView
from services.tickets.team_views import views_of, zone_of
from services.tickets.triage.language import NAMES, UNKNOWN

_MAX_NAME, _MAX_SKILLS, _MAX_SKILL = 80, 12, 40
LEAST_CAPACITY, MOST_CAPACITY = 1, 200
SPOKEN = {code: name for code, name in NAMES.items() if code != UNKNOWN}
"""The languages that a member may be said to speak, by their codes."""


class TeamNotFound(NotFound):
    code, title = "team_not_found", "No such team"
    message = "There is no team with that number."


class TeamNameTaken(Conflict):
    code, title = "name_taken", "The name is taken"
    message = "There is a team of that name already."


class NoSuchMember(InvalidInput):
    """One refusal for unknown and disabled people, so that numbers of staff cannot be tried out."""

    code, title = "not_assignable", "Nobody to take in"
    message = "Choose somebody of the staff whose account is active."


class MemberTerms(TypedDict, total=False):
    """What is left out stays as it is. `zone` is latitude and longitude of where somebody is at home, None for nowhere known."""

    languages: Iterable[str]
    zone: Position | None
    capacity: int


def list_teams(session: Session, *, actor: Principal) -> tuple[TeamView, ...]:
    """All of them, those in use first, by name. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    teams = session.exec(select(Team).order_by(col(Team.is_active).desc(), col(Team.name))).all()
    return views_of(session, teams)


def active_teams(session: Session, *, actor: Principal) -> dict[int, str]:
    """The names of the teams that tickets may be given to, by their numbers. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    rows = session.exec(select(Team.id, Team.name).where(col(Team.is_active)).order_by(col(Team.name))).all()
    return {number: name for number, name in rows if number is not None}


def zone_choices(session: Session, *, actor: Principal) -> dict[str, Position]:
    """The positions of the first thousand places that have one, by name, to choose a zone from. Raises Forbidden."""
    actor.require(Permission.DESK_EDIT)
    placed = pick(Site.name, Site.latitude, Site.longitude).where(col(Site.latitude).is_not(None))
    return {row[0]: (row[1], row[2]) for row in session.execute(placed.order_by(col(Site.name)).limit(1000)).all()}


def make_team(session: Session, *, actor: Principal, name: str, is_field: bool = False, now: datetime) -> TeamView:
    """Raises Forbidden, InvalidInput or TeamNameTaken."""
    actor.require(Permission.DESK_EDIT)
    team = Team(name=_free_name(session, name, team_id=None), is_field=is_field, created_at=now)
    session.add(team)
    session.flush()
    audit.record(session, actor, "team.add", target=("team", team.id), now=now, after={"name": team.name, "is_field": team.is_field})
    publish(session, "teams", team.id or 0)
    return views_of(session, [team])[0]


def change_team(
    session: Session,
    *,
    actor: Principal,
    team_id: int,
    name: str,
    is_active: bool,
    is_field: bool | None = None,
    expected_revision: str | None = None,
    now: datetime,
) -> TeamView:
    """Rename it, make it a field team or none, or take it out of use: it keeps its tickets and is given no new ones.

    Raises Forbidden, TeamNotFound, Stale, InvalidInput or TeamNameTaken.
    """
    actor.require(Permission.DESK_EDIT)
    team = _locked(session, team_id)
    require(expected_revision, views_of(session, [team])[0].revision)
    before = {"name": team.name, "is_active": team.is_active, "is_field": team.is_field}
    team.name, team.is_active = _free_name(session, name, team_id=team_id), is_active
    team.is_field = team.is_field if is_field is None else is_field
    session.flush()
    after = {"name": team.name, "is_active": team.is_active, "is_field": team.is_field}
    if after != before:
        audit.record(session, actor, "team.change", target=("team", team_id), now=now, before=before, after=after)
        publish(session, "teams", team_id)
    return views_of(session, [team])[0]


def set_member(
    session: Session,
    *,
    actor: Principal,
    team_id: int,
    staff_id: int,
    skills: Iterable[str],
    is_on_duty: bool,
    terms: MemberTerms | None = None,
    now: datetime,
) -> TeamView:
    """Take somebody in, or change what they know, where they are at home, what they can carry and whether they are on duty.

    Raises Forbidden, TeamNotFound, NoSuchMember or InvalidInput.
    """
    actor.require(Permission.DESK_EDIT)
    team = _locked(session, team_id)
    staff = session.get(Staff, staff_id, with_for_update={"read": True}, populate_existing=True)
    member = session.get(TeamMember, (team_id, staff_id), populate_existing=True)
    if staff is None or (member is None and not staff.is_active):
        raise NoSuchMember(field="staff_id")
    before = _told(staff, member) if member else None
    if member is None:
        member = TeamMember(team_id=team_id, staff_id=staff_id)
        session.add(member)
    member.skills, member.is_on_duty = _skills(skills), is_on_duty
    _set_terms(member, terms or {})
    session.flush()
    if before != (after := _told(staff, member)):
        audit.record(session, actor, "team.member", target=("team", team_id), now=now, before=before, after=after)
        duty.came(session, member)
    return views_of(session, [team])[0]


def remove_member(session: Session, *, actor: Principal, team_id: int, staff_id: int, now: datetime) -> TeamView:
    """Who is no member changes nothing. Raises Forbidden or TeamNotFound."""
    actor.require(Permission.DESK_EDIT)
    team = _locked(session, team_id)
    member = session.get(TeamMember, (team_id, staff_id), populate_existing=True)
    if member is not None:
        before = _told(session.get_one(Staff, staff_id), member)
        session.delete(member)
        session.flush()
        audit.record(session, actor, "team.member_gone", target=("team", team_id), now=now, before=before)
        publish(session, "teams", team_id)
    return views_of(session, [team])[0]


def set_team(
    session: Session, *, actor: Principal, reference: str, team_id: int | None, expected_revision: str | None = None, now: datetime
) -> Ticket:
    """Give a ticket to a team, or with None to none. Raises Forbidden, TicketNotFound, Stale, TeamNotFound or TicketAlreadyClosed."""
    actor.require(Permission.TICKETS_ASSIGN)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if ticket.team_id == team_id:
        return ticket
    if not ticket.is_open:
        raise TicketAlreadyClosed
    before = {"team": _name_of(session, ticket.team_id)}
    if team_id is not None and not _locked(session, team_id, only_read=True).is_active:
        raise TeamNotFound(field="team_id")
    changes.set_field(session, ticket, "team_id", team_id, who=changes.by(actor), now=now)
    after = {"team": _name_of(session, team_id)}
    audit.record(session, actor, "ticket.team", target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket


def hand_over(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    staff_id: int | None,
    team_id: int | None,
    expected_revision: str | None,
    now: datetime,
) -> Ticket:
    """Say with which team and with whom of the staff a ticket lies: both or nothing. Raises what `set_team` and `assign` raise."""
    set_team(session, actor=actor, reference=reference, team_id=team_id, expected_revision=expected_revision, now=now)
    return assign(session, actor=actor, reference=reference, staff_id=staff_id, expected_revision=None, now=now)


def _locked(session: Session, team_id: int, *, only_read: bool = False) -> Team:
    team = session.get(Team, team_id, with_for_update={"read": only_read}, populate_existing=True)
    if team is None:
        raise TeamNotFound(field="team_id")
    return team


def _name_of(session: Session, team_id: int | None) -> str | None:
    return session.get_one(Team, team_id).name if team_id is not None else None


def _free_name(session: Session, name: str, *, team_id: int | None) -> str:
    cleaned = " ".join(name.replace("\x00", "").split())
    if not cleaned or len(cleaned) > _MAX_NAME:
        raise InvalidInput(f"Give it a name of at most {_MAX_NAME} characters.", field="name")
    taken = select(Team.id).where(sa.func.lower(Team.name) == cleaned.lower(), col(Team.id).is_distinct_from(team_id))
    if session.exec(taken.limit(1)).first() is not None:
        raise TeamNameTaken(field="name")
    return cleaned


def _skills(written: Iterable[str]) -> list[str]:
    """Lower-case words, each once, in their order."""
    skills = list(dict.fromkeys(cleaned for one in written if (cleaned := " ".join(one.replace("\x00", "").lower().split()))))
    if len(skills) > _MAX_SKILLS or any(len(one) > _MAX_SKILL for one in skills):
        raise InvalidInput(f"At most {_MAX_SKILLS} skills of at most {_MAX_SKILL} characters.", field="skills")
    return skills


def _set_terms(member: TeamMember, terms: MemberTerms) -> None:
    if "languages" in terms:
        spoken = set(terms["languages"])
        if not spoken <= set(SPOKEN):
            raise InvalidInput("Choose from the languages that there are.", field="languages")
        member.languages = [code for code in SPOKEN if code in spoken]
    if "zone" in terms:
        zone = terms["zone"]
        if zone is not None and not (-90 <= zone[0] <= 90 and -180 <= zone[1] <= 180):
            raise InvalidInput("That is no place on Earth: latitude -90 to 90, longitude -180 to 180.", field="zone")
        member.zone_latitude, member.zone_longitude = zone if zone is not None else (None, None)
    if "capacity" in terms:
        if not LEAST_CAPACITY <= terms["capacity"] <= MOST_CAPACITY:
            raise InvalidInput(f"Between {LEAST_CAPACITY} and {MOST_CAPACITY} tickets at once.", field="capacity")
        member.capacity = terms["capacity"]


def _told(staff: Staff, member: TeamMember) -> dict[str, object]:
    told: dict[str, object] = {"member": staff.email, "skills": list(member.skills), "is_on_duty": member.is_on_duty}
    return told | {"languages": list(member.languages), "zone": zone_of(member), "capacity": member.capacity}
