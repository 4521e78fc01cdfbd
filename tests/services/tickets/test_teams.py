"""Teams are kept by who may change the desk; tickets are given to them; each step is in the audit."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Permission
from services.accounts.sessions import principal_of
from services.audit.models import AuditEntry
from services.tickets import teams
from services.tickets.errors import TicketAlreadyClosed, TicketNotFound
from services.tickets.models import TicketEvent
from services.tickets.service import close
from services.tickets.teams import NoSuchMember, TeamNameTaken, TeamNotFound, TeamView
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.people import a_person

ROOT = staff()


@pytest.fixture
def care(session: Session) -> TeamView:
    return teams.make_team(session, actor=ROOT, name="  Care  ", now=NOON)


@pytest.fixture
def awa(session: Session) -> Staff:
    return a_person(session, "awa@inet.test", role=Role.CUSTOMER_CARE)


def audited(session: Session) -> list[str]:
    return list(session.exec(select(AuditEntry.action).order_by(col(AuditEntry.id))).all())


def test_a_team_has_members_with_skills_and_duty(session: Session, care: TeamView, awa: Staff) -> None:
    assert awa.id is not None
    teams.set_member(
        session, actor=ROOT, team_id=care.id, staff_id=awa.id, skills=["Lead", " lead ", "", "Wolof"], is_on_duty=True, now=NOON
    )
    shown = teams.set_member(session, actor=ROOT, team_id=care.id, staff_id=awa.id, skills=["lead", "wolof"], is_on_duty=False, now=NOON)
    assert (shown.name, [(one.name, one.skills, one.is_on_duty) for one in shown.members]) == ("Care", [("Awa", ("lead", "wolof"), False)])
    assert teams.list_teams(session, actor=ROOT) == (shown,)
    gone = teams.remove_member(session, actor=ROOT, team_id=care.id, staff_id=awa.id, now=NOON)
    assert gone == teams.remove_member(session, actor=ROOT, team_id=care.id, staff_id=awa.id, now=NOON)
    assert gone.members == ()
    assert audited(session) == ["team.add", "team.member", "team.member", "team.member_gone"]


def test_saving_what_stands_is_not_audited(session: Session, care: TeamView, awa: Staff) -> None:
    for _ in range(2):
        teams.set_member(session, actor=ROOT, team_id=care.id, staff_id=awa.id or 0, skills=[], is_on_duty=True, now=NOON)
        teams.change_team(session, actor=ROOT, team_id=care.id, name="Care", is_active=True, now=NOON)
    assert audited(session) == ["team.add", "team.member"]


def test_a_name_is_needed_and_is_unique_whatever_its_case(session: Session, care: TeamView) -> None:
    with pytest.raises(TeamNameTaken):
        teams.make_team(session, actor=ROOT, name="CARE", now=NOON)
    for name in ("", " \x00", "x" * 81):
        with pytest.raises(InvalidInput):
            teams.make_team(session, actor=ROOT, name=name, now=NOON)
    assert teams.change_team(session, actor=ROOT, team_id=care.id, name="care", is_active=True, now=NOON).name == "care"
    with pytest.raises(Stale):
        teams.change_team(session, actor=ROOT, team_id=care.id, name="x", is_active=True, expected_revision=care.revision, now=NOON)


def test_only_active_staff_come_in_and_skills_are_bounded(session: Session, care: TeamView, awa: Staff) -> None:
    gone = a_person(session, "gone@inet.test", is_active=False)
    for staff_id in (gone.id or 0, 999_999):
        with pytest.raises(NoSuchMember):
            teams.set_member(session, actor=ROOT, team_id=care.id, staff_id=staff_id, skills=[], is_on_duty=True, now=NOON)
    for skills in (["x" * 41], [str(number) for number in range(13)]):
        with pytest.raises(InvalidInput):
            teams.set_member(session, actor=ROOT, team_id=care.id, staff_id=awa.id or 0, skills=skills, is_on_duty=True, now=NOON)
    with pytest.raises(TeamNotFound):
        teams.remove_member(session, actor=ROOT, team_id=999_999, staff_id=awa.id or 0, now=NOON)


def test_the_desk_is_changed_by_root_and_system_admins_alone(session: Session, care: TeamView) -> None:
    assert {role for role in Role if Permission.DESK_EDIT in ROLE_PERMISSIONS[role]} == {Role.ROOT, Role.SYSTEM_ADMIN}
    actor = staff(Role.CUSTOMER_CARE)
    assert len(teams.list_teams(session, actor=actor)) == 1
    with pytest.raises(Forbidden):
        teams.make_team(session, actor=actor, name="Mine", now=NOON)
    with pytest.raises(Forbidden):
        teams.change_team(session, actor=actor, team_id=care.id, name="Mine", is_active=True, now=NOON)
    with pytest.raises(Forbidden):
        teams.set_member(session, actor=actor, team_id=care.id, staff_id=1, skills=[], is_on_duty=True, now=NOON)
    with pytest.raises(Forbidden):
        teams.remove_member(session, actor=actor, team_id=care.id, staff_id=1, now=NOON)


def test_a_ticket_goes_to_a_team_and_back_to_none(session: Session, care: TeamView) -> None:
    ticket, actor = builders.a_ticket(session, at=NOON), staff(Role.CUSTOMER_CARE)
    seen = ticket.revision
    for team_id in (care.id, care.id, None, care.id):
        teams.set_team(session, actor=actor, reference=ticket.reference, team_id=team_id, now=NOON)
    with pytest.raises(Stale):
        teams.set_team(session, actor=actor, reference=ticket.reference, team_id=None, expected_revision=seen, now=NOON)
    moves = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "team")).all()
    assert [event.data["to"] for event in moves] == [care.id, None, care.id]
    assert audited(session)[1:] == ["ticket.team"] * 3
    assert teams.list_teams(session, actor=actor)[0].open_tickets == 1


def test_a_team_out_of_use_and_a_closed_ticket_are_refused(session: Session, care: TeamView, awa: Staff) -> None:
    ticket = builders.a_ticket(session, at=NOON)
    teams.change_team(session, actor=ROOT, team_id=care.id, name="Care", is_active=False, now=NOON)
    assert teams.active_teams(session, actor=ROOT) == {}
    for team_id in (care.id, 999_999):
        with pytest.raises(TeamNotFound):
            teams.set_team(session, actor=ROOT, reference=ticket.reference, team_id=team_id, now=NOON)
    teams.change_team(session, actor=ROOT, team_id=care.id, name="Care", is_active=True, now=NOON)
    close(session, actor=principal_of(awa), reference=ticket.reference, note="mended", now=NOON)
    with pytest.raises(TicketAlreadyClosed):
        teams.set_team(session, actor=ROOT, reference=ticket.reference, team_id=care.id, now=NOON)


def test_a_technician_gives_no_ticket_to_a_team(session: Session, care: TeamView) -> None:
    ticket = builders.a_ticket(session, at=NOON)
    with pytest.raises(Forbidden):
        teams.set_team(session, actor=staff(Role.FIELD_TECHNICIAN), reference=ticket.reference, team_id=care.id, now=NOON)
    with pytest.raises(TicketNotFound):
        teams.set_team(session, actor=ROOT, reference="T-NONE", team_id=care.id, now=NOON)
