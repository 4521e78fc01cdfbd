"""What the list of tickets can be narrowed by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.network.models import Site
from services.tickets import tags
from services.tickets.desk_models import Team, TeamMember

_MOST = 500


@dataclass(frozen=True)
class FilterChoices:
    teams: Mapping[int, str]
    people: Mapping[int, str]
    sites: Mapping[int, str]
    tags: tuple[str, ...]
    own_teams: tuple[int, ...]


def read(session: Session, *, actor: Principal) -> FilterChoices:
    """Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    teams = session.exec(select(Team.id, Team.name).where(col(Team.is_active)).order_by(col(Team.name)).limit(_MOST)).all()
    people = session.exec(select(Staff.id, Staff.name).order_by(col(Staff.name), col(Staff.id)).limit(_MOST)).all()
    sites = session.exec(select(Site.id, Site.name).order_by(col(Site.name)).limit(_MOST)).all()
    return FilterChoices(
        teams={number: name for number, name in teams if number is not None},
        people={number: name for number, name in people if number is not None},
        sites={number: name for number, name in sites if number is not None},
        tags=tags.known(session),
        own_teams=own_teams(session, actor=actor),
    )


def own_teams(session: Session, *, actor: Principal) -> tuple[int, ...]:
    """The teams that this person is in. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    return tuple(session.exec(select(TeamMember.team_id).where(TeamMember.staff_id == actor.id)).all()) if actor.kind == "staff" else ()
