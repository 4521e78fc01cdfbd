"""People switch their own duty; who comes is given what waits."""

from __future__ import annotations

from sqlmodel import Session, col, select

from services.accounts.models import Role
from services.accounts.sessions import principal_of
from services.audit.models import AuditEntry
from services.tickets import changes, duty, routing, teams
from services.tickets.duty import OwnDuty
from services.tickets.models import TicketState
from services.tickets.rerouting import reroute
from services.tickets.service import assign
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.desk import a_member, a_team
from tests.services.tickets.people import a_person, a_service


def test_a_member_goes_off_and_on_duty_in_all_their_teams(session: Session) -> None:
    care, billing = a_team(session, "Care"), a_team(session, "Billing")
    awa = a_member(session, care, "awa")
    teams.set_member(session, actor=staff(), team_id=billing.id or 0, staff_id=awa.id or 0, skills=[], is_on_duty=True, now=NOON)
    actor = principal_of(awa)
    assert duty.own_duty(session, actor=actor) == OwnDuty(("Billing", "Care"), True)
    for _ in range(2):
        assert duty.set_own_duty(session, actor=actor, is_on_duty=False, now=NOON) == OwnDuty(("Billing", "Care"), False)
    audited = session.exec(select(AuditEntry.action).order_by(col(AuditEntry.id))).all()
    assert audited == ["team.member", "team.duty", "team.duty"]
    ticket = builders.a_ticket(session, at=NOON)
    routing.route(session, ticket, now=NOON)
    assert ticket.assignee_id is None
    assert "off duty" in str([one.reason for one in routing.decide(session, ticket, now=NOON).weighed])


def test_who_is_in_no_team_and_an_outside_service_have_no_duty(session: Session) -> None:
    person = a_person(session, "lamin@inet.test", role=Role.SYSTEM_ADMIN)
    assert duty.own_duty(session, actor=principal_of(person)) == OwnDuty((), False)
    awa = a_member(session, a_team(session, "Care"), "awa")
    token = a_service("tickets:read", number=awa.id or 0)
    assert duty.set_own_duty(session, actor=token, is_on_duty=False, now=NOON) == OwnDuty((), False)
    assert duty.own_duty(session, actor=principal_of(awa)).is_on_duty


def test_what_waits_is_what_nobody_took_from_everybody_and_is_workable(session: Session) -> None:
    care = a_team(session, "Care")
    awa = a_member(session, care, "awa", is_on_duty=False)
    waits, taken_away, held = (builders.a_ticket(session, at=NOON) for _ in range(3))
    for ticket in (waits, taken_away, held):
        routing.route(session, ticket, now=NOON)
    for staff_id in (awa.id, None):
        assign(session, actor=principal_of(awa), reference=taken_away.reference, staff_id=staff_id, expected_revision=None, now=NOON)
    changes.set_state(session, held, TicketState.PENDING, who=changes.SYSTEM, now=NOON)
    assert duty.waiting_in(session, care.id or 0) == [waits.id]
    assert duty.give_one(session, waits.id or 0, 999_999, now=NOON) is False


def test_what_was_left_behind_and_found_nobody_waits_for_who_comes(session: Session) -> None:
    care = a_team(session, "Care")
    awa, binta = a_member(session, care, "awa", is_on_duty=False), a_member(session, care, "binta", is_on_duty=False)
    ticket = builders.a_ticket(session, at=NOON)
    routing.route(session, ticket, now=NOON)
    assign(session, actor=principal_of(awa), reference=ticket.reference, staff_id=awa.id, expected_revision=None, now=NOON)
    reroute(session, actor=staff(), reference=ticket.reference, within_team=True, now=NOON)
    assert (ticket.assignee_id, duty.waiting_in(session, care.id or 0)) == (None, [ticket.id])
    duty.set_own_duty(session, actor=principal_of(binta), is_on_duty=True, now=NOON)
    assert duty.give_one(session, ticket.id or 0, care.id or 0, now=NOON)
    assert ticket.assignee_id == binta.id
