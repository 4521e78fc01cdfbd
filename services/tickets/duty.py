"""Who is on duty: a member's own switch, what lies with people who went off, and giving out what waits in a team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.events import publish
from app.queue import ring
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.tickets import changes
from services.tickets.desk_models import Team, TeamMember
from services.tickets.models import IS_UNDONE, Ticket, TicketEvent, TicketState
from services.tickets.routing import apply, decide
from services.tickets.sight import in_sight

GIVE_OUT_JOB = "jobs.tickets.give_out"
_WORKABLE = (TicketState.NEW, TicketState.OPEN)
MOST_AT_ONCE = 50


@dataclass(frozen=True)
class OwnDuty:
    """The teams of one person that are in use, and whether they are on duty in any of them. Without teams there is nothing to switch."""

    teams: tuple[str, ...]
    is_on_duty: bool


@dataclass(frozen=True)
class LeftBehind:
    """A ticket in work whose person is off duty or disabled, while its team is there."""

    reference: str
    subject: str
    team_id: int
    staff_id: int
    name: str


def own_duty(session: Session, *, actor: Principal) -> OwnDuty:
    """For the person's own switch; a token is on duty nowhere."""
    found = _own(session, actor)
    return OwnDuty(tuple(name for _, name in found), any(member.is_on_duty for member, _ in found))


def set_own_duty(session: Session, *, actor: Principal, is_on_duty: bool, now: datetime) -> OwnDuty:
    """Go on or off duty in all of one's teams at once. Whoever comes is given what waits there. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    for member, name in _own(session, actor, lock=True):
        if member.is_on_duty is not is_on_duty:
            member.is_on_duty = is_on_duty
            told = {"member": actor.email, "team": name}
            audit.record(
                session,
                actor,
                "team.duty",
                target=("team", member.team_id),
                now=now,
                before={**told, "is_on_duty": not is_on_duty},
                after={**told, "is_on_duty": is_on_duty},
            )
            came(session, member)
    session.flush()
    return own_duty(session, actor=actor)


def came(session: Session, member: TeamMember) -> None:
    """After a change of somebody's duty: pages are told, and what waits in the team is given out when there is one more for it."""
    publish(session, "teams", member.team_id)
    if member.is_on_duty:
        ring(session, GIVE_OUT_JOB, member.team_id)


def left_behind(session: Session, *, actor: Principal) -> tuple[LeftBehind, ...]:
    """What somebody ought to give out anew, the longest due first. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    away, gone = _away(session)
    if not away and not gone:
        return ()
    # Both by the index of what lies undone with a person: it costs what they have, and not what is open.
    theirs = sa.or_(
        sa.tuple_(col(Ticket.assignee_id), col(Ticket.team_id)).in_(away),
        sa.and_(col(Ticket.assignee_id).in_(gone), col(Ticket.team_id).is_not(None)),
    )
    rows = session.execute(
        sa.select(col(Ticket.reference), col(Ticket.subject), col(Ticket.body), col(Ticket.team_id), col(Staff.id), col(Staff.name))
        .join(Staff, col(Staff.id) == col(Ticket.assignee_id))
        .where(IS_UNDONE, col(Ticket.assignee_id).in_({*gone, *(staff_id for staff_id, _ in away)}), theirs)
        .where(col(Ticket.state).in_(_WORKABLE), *in_sight(actor))
        .order_by(col(Ticket.due_at).asc().nulls_last(), col(Ticket.id))
        .limit(MOST_AT_ONCE)
    ).all()
    return tuple(LeftBehind(row[0], row[1] or row[2][:80], row[3], row[4], row[5]) for row in rows)


def _away(session: Session) -> tuple[list[tuple[int, int]], list[int]]:
    """Who is off duty in which team (staff, team), and whose account is disabled."""
    away = session.exec(select(TeamMember.staff_id, TeamMember.team_id).where(col(TeamMember.is_on_duty).is_(False))).all()
    gone = session.exec(select(Staff.id).where(col(Staff.is_active).is_(False))).all()
    return list(away), [number for number in gone if number is not None]


def waiting_in(session: Session, team_id: int) -> list[int]:
    """Undone tickets of a team that lie with nobody, the first due first; not those that a person took from everybody on purpose."""
    last = (
        sa.select(col(TicketEvent.actor))
        .where(col(TicketEvent.ticket_id) == col(Ticket.id), col(TicketEvent.kind) == "assignee")
        .order_by(col(TicketEvent.id).desc())
        .limit(1)
        .scalar_subquery()
    )
    by_person = sa.func.coalesce(last, changes.SYSTEM.label) != changes.SYSTEM.label
    found = session.exec(
        select(Ticket.id)
        .where(IS_UNDONE, col(Ticket.state).in_(_WORKABLE), Ticket.team_id == team_id, col(Ticket.assignee_id).is_(None), ~by_person)
        .order_by(col(Ticket.due_at).asc().nulls_last(), col(Ticket.id))
        .limit(MOST_AT_ONCE)
    ).all()
    return [number for number in found if number is not None]


def give_one(session: Session, ticket_id: int, team_id: int, *, now: datetime) -> bool:
    """Give one of them to somebody of its team who can take it; False when nobody can, or it is no longer there to be given."""
    ticket = changes.locked(session, ticket_id)
    if ticket.team_id != team_id or ticket.assignee_id is not None or not ticket.is_open:
        return False
    decision = decide(session, ticket, team_id=team_id, now=now)
    if decision.person is None:
        return False
    apply(session, ticket, decision, who=changes.SYSTEM, why="It waited in the team.", now=now)
    return True


def _own(session: Session, actor: Principal, *, lock: bool = False) -> list[tuple[TeamMember, str]]:
    if actor.kind != "staff":
        return []
    wanted = (
        select(TeamMember, Team.name)
        .join(Team, col(Team.id) == col(TeamMember.team_id))
        .where(TeamMember.staff_id == actor.id, col(Team.is_active))
        .order_by(col(Team.name))
        .execution_options(populate_existing=True)
    )
    return [(member, name) for member, name in session.exec(wanted.with_for_update(of=TeamMember) if lock else wanted).all()]
