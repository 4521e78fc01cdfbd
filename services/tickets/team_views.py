"""What is shown of teams: their members, what each knows and carries, and how much waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.models import Staff
from services.listing import pick
from services.revision import revision_of
from services.tickets.candidates import Position
from services.tickets.desk_models import Team, TeamMember
from services.tickets.models import IS_UNDONE, Ticket

DEFAULT_CAPACITY = 20


@dataclass(frozen=True)
class MemberView:
    """`is_active` is the account's: a disabled member stays until somebody takes them out."""

    staff_id: int
    name: str
    skills: tuple[str, ...]
    is_on_duty: bool
    is_active: bool
    languages: tuple[str, ...] = ()
    zone: Position | None = None
    capacity: int = DEFAULT_CAPACITY
    # Undone tickets that lie with them, of whatever team.
    load: int = 0


@dataclass(frozen=True)
class TeamView:
    """A team with its members by name. `open_tickets` counts the undone ones that lie with it."""

    id: int
    name: str
    is_active: bool
    members: tuple[MemberView, ...]
    open_tickets: int
    # Its tickets go to whoever is nearest.
    is_field: bool = False
    # Of the open ones, those that lie with nobody.
    waiting: int = 0

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.name, self.is_active, self.is_field)


def zone_of(member: TeamMember) -> Position | None:
    at = member.zone_latitude, member.zone_longitude
    return (at[0], at[1]) if at[0] is not None and at[1] is not None else None


def views_of(session: Session, teams: Sequence[Team]) -> tuple[TeamView, ...]:
    """These teams with their members by name."""
    ids = [team.id for team in teams]
    rows = session.exec(
        select(TeamMember, Staff)
        .join(Staff, col(Staff.id) == col(TeamMember.staff_id))
        .where(col(TeamMember.team_id).in_(ids))
        .order_by(col(Staff.name), col(Staff.id))
    ).all()
    loads = _open_by(session, Ticket.assignee_id, [member.staff_id for member, _ in rows])
    members: dict[int, list[MemberView]] = defaultdict(list)
    for member, staff in rows:
        members[member.team_id].append(_member(member, staff, loads.get(member.staff_id, 0)))
    open_in = _open_by(session, Ticket.team_id, ids)
    waiting = _open_by(session, Ticket.team_id, ids, col(Ticket.assignee_id).is_(None))
    return tuple(
        TeamView(
            id=team.id or 0,
            name=team.name,
            is_active=team.is_active,
            members=tuple(members[team.id or 0]),
            open_tickets=open_in.get(team.id or 0, 0),
            is_field=team.is_field,
            waiting=waiting.get(team.id or 0, 0),
        )
        for team in teams
    )


def _member(member: TeamMember, staff: Staff, load: int) -> MemberView:
    return MemberView(
        staff_id=member.staff_id,
        name=staff.name,
        skills=tuple(member.skills),
        is_on_duty=member.is_on_duty,
        is_active=staff.is_active,
        languages=tuple(member.languages),
        zone=zone_of(member),
        capacity=member.capacity,
        load=load,
    )


def _open_by(session: Session, column: Any, numbers: Iterable[int | None], *more: sa.ColumnElement[bool]) -> dict[int, int]:
    counted = pick(column, sa.func.count()).where(IS_UNDONE, col(column).in_(numbers), *more).group_by(col(column))
    return {row[0]: row[1] for row in session.execute(counted).all()}
