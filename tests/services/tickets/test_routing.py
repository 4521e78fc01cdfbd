"""A ticket is given to a team and a person by the rules, once, with the reason written down, and never over a person's choice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.sessions import principal_of
from services.audit.models import AuditEntry
from services.network.models import Site
from services.notifications.models import Notification
from services.tickets import changes, duty, routing
from services.tickets.desk_models import TeamMember
from services.tickets.errors import TicketAlreadyClosed
from services.tickets.models import Category, Priority, Ticket, TicketEvent, TicketState
from services.tickets.rerouting import NobodyToEscalateTo, escalate, reroute
from services.tickets.service import assign
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.desk import a_member, a_rule, a_team
from tests.services.tickets.people import a_person

ROOT = staff()


def routed(session: Session, ticket: Ticket) -> list[dict[str, Any]]:
    wanted = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "routed").order_by(col(TicketEvent.id))
    return [event.data for event in session.exec(wanted).all()]


def about(session: Session, category: Category, **more: Any) -> Ticket:
    ticket = builders.a_ticket(session, at=NOON, **more)
    changes.set_field(session, ticket, "category", category, who=changes.SYSTEM, now=NOON)
    return ticket


def test_the_first_rule_that_fits_gives_team_person_and_priority_and_says_why(session: Session) -> None:
    care, billing = a_team(session, "Care"), a_team(session, "Billing")
    awa, isatou = a_member(session, care, "awa"), a_member(session, billing, "isatou")
    a_rule(session, 1, "Money", billing, category=["payment", "voucher"], priority=Priority.HIGH)
    a_rule(session, 2, "Rest", care)
    money, slow = about(session, Category.PAYMENT), about(session, Category.SLOW_SPEED)
    for ticket in (money, slow):
        routing.route(session, ticket, now=NOON)
    assert (money.team_id, money.assignee_id, money.priority) == (billing.id, isatou.id, Priority.HIGH)
    assert (slow.team_id, slow.assignee_id, slow.priority) == (care.id, awa.id, Priority.NORMAL)
    (said,) = routed(session, money)
    assert (said["rule"], said["team"], said["person"]) == ("Money", "Billing", "Isatou")
    assert said["why"] == "“Money” is the first rule that fits: team Billing, to Isatou (0 of 20 tickets, 0 today)."
    assert said["candidates"] == [
        {"person": "Isatou", "staff_id": isatou.id, "fits": True, "km": None, "load": 0, "reason": "0 of 20 tickets, 0 today"}
    ]
    told = [one for one in session.exec(select(Notification.staff_id).where(Notification.event == "ticket_assigned")).all() if one]
    assert set(told) == {awa.id, isatou.id}


def test_tickets_go_round_by_what_lies_with_each(session: Session) -> None:
    care = a_team(session, "Care")
    people = [a_member(session, care, name, capacity=2) for name in ("awa", "binta", "cherno")]
    tickets = [builders.a_ticket(session, at=NOON) for _ in range(7)]
    for number, ticket in enumerate(tickets):
        routing.route(session, ticket, now=NOON + timedelta(minutes=number))
    counted = [sum(ticket.assignee_id == one.id for ticket in tickets) for one in people]
    assert counted == [2, 2, 2]
    assert (tickets[-1].team_id, tickets[-1].assignee_id) == (care.id, None)
    assert "nobody of it can take it now" in routed(session, tickets[-1])[0]["why"]
    assert {one["reason"] for one in routed(session, tickets[-1])[0]["candidates"]} == {"has 2 of 2 already"}


def test_what_matches_nothing_goes_to_the_first_team_and_without_teams_to_nobody(session: Session) -> None:
    ticket = builders.a_ticket(session, at=NOON)
    decision = routing.route(session, ticket, now=NOON)
    assert decision is not None
    assert decision.why == "No rule fits, and there is no team in use: it lies with nobody."
    a_team(session, "Gone", is_active=False)
    care = a_team(session, "Care")
    other = builders.a_ticket(session, at=NOON)
    a_rule(session, 1, "Only mail", care, channel=["email"])
    routing.route(session, other, now=NOON)
    assert (other.team_id, other.assignee_id) == (care.id, None)
    assert "nobody is in it" in routed(session, other)[0]["why"]


def test_a_field_ticket_goes_to_the_nearest_zone(session: Session) -> None:
    field = a_team(session, "Field", is_field=True)
    a_member(session, field, "modou", zone_latitude=13.44, zone_longitude=-16.68)
    lamin = a_member(session, field, "lamin", zone_latitude=13.31, zone_longitude=-14.21)
    site = Site(name="Basse Ferry", latitude=13.31, longitude=-14.22)
    session.add(site)
    session.flush()
    ticket = builders.a_ticket(session, at=NOON)
    changes.set_field(session, ticket, "site_id", site.id, who=changes.SYSTEM, now=NOON)
    routing.route(session, ticket, now=NOON)
    assert ticket.assignee_id == lamin.id
    assert [one["km"] for one in routed(session, ticket)[0]["candidates"]] == [1.1, 266.5]


def test_a_skill_that_the_rule_wants_nobody_goes_without(session: Session) -> None:
    care = a_team(session, "Care")
    a_member(session, care, "awa")
    binta = a_member(session, care, "binta", skills=["wolof"])
    a_rule(session, 1, "Wolof", care, skill="wolof")
    first, second = builders.a_ticket(session, at=NOON), builders.a_ticket(session, at=NOON)
    routing.route(session, first, now=NOON)
    assert first.assignee_id == binta.id
    member = session.get_one(TeamMember, (care.id, binta.id))
    member.is_on_duty = False
    routing.route(session, second, now=NOON)
    assert second.assignee_id is None
    assert duty.waiting_in(session, care.id or 0) == [second.id]
    assert duty.give_one(session, second.id or 0, care.id or 0, now=NOON) is False
    member.is_on_duty = True
    assert duty.give_one(session, second.id or 0, care.id or 0, now=NOON) is True
    assert second.assignee_id == binta.id
    assert routed(session, second)[-1]["why"].startswith("It waited in the team. It stays with its team: team Care, to Binta")


def test_a_persons_choice_stands(session: Session) -> None:
    care = a_team(session, "Care")
    awa = a_member(session, care, "awa")
    taken_away, urgent = builders.a_ticket(session, at=NOON), builders.a_ticket(session, at=NOON)
    actor = principal_of(awa)
    for staff_id in (awa.id, None):
        assign(session, actor=actor, reference=taken_away.reference, staff_id=staff_id, expected_revision=None, now=NOON)
    assert routing.route(session, taken_away, now=NOON) is None
    assert (taken_away.team_id, taken_away.assignee_id, routed(session, taken_away)) == (None, None, [])
    a_rule(session, 1, "Low", care, priority=Priority.LOW)
    changes.set_field(session, urgent, "priority", Priority.NORMAL, who=changes.by(actor), now=NOON)
    changes.record(session, urgent, "priority", {}, who=changes.by(actor), now=NOON)
    routing.route(session, urgent, now=NOON)
    assert (urgent.assignee_id, urgent.priority) == (awa.id, Priority.NORMAL)


def test_it_is_routed_once_and_anew_only_when_another_rule_fits(session: Session) -> None:
    care, billing = a_team(session, "Care"), a_team(session, "Billing")
    a_rule(session, 1, "Money", billing, category=["payment"])
    a_rule(session, 2, "Rest", care)
    ticket = builders.a_ticket(session, at=NOON)
    for _ in range(3):
        routing.route(session, ticket, now=NOON)
    assert [one["rule"] for one in routed(session, ticket)] == ["Rest"]
    changes.set_field(session, ticket, "category", Category.PAYMENT, who=changes.SYSTEM, now=NOON)
    for _ in range(3):
        routing.route(session, ticket, now=NOON)
    assert [one["rule"] for one in routed(session, ticket)] == ["Rest", "Money"]
    assert ticket.team_id == billing.id


def test_a_rule_that_sets_what_another_asks_for_does_not_call_that_one(session: Session) -> None:
    """Two rules that feed each other: each ticket meets one of them, once."""
    care, billing = a_team(session, "Care"), a_team(session, "Billing")
    a_rule(session, 1, "Normal becomes high", care, priority=Priority.HIGH, team_less=True, channel=["portal"])
    a_rule(session, 2, "High", billing)
    ticket = builders.a_ticket(session, at=NOON)
    routing.route(session, ticket, now=NOON)
    assert (ticket.team_id, ticket.priority, len(routed(session, ticket))) == (care.id, Priority.HIGH, 1)


def test_a_person_has_it_decided_anew_and_that_is_audited(session: Session) -> None:
    care = a_team(session, "Care")
    awa, binta = a_member(session, care, "awa"), a_member(session, care, "binta")
    ticket = builders.a_ticket(session, at=NOON, assignee=awa)
    changes.set_field(session, ticket, "team_id", care.id, who=changes.SYSTEM, now=NOON)
    session.get_one(TeamMember, (care.id, awa.id)).is_on_duty = False
    (left,) = duty.left_behind(session, actor=ROOT)
    assert (left.reference, left.name) == (ticket.reference, "Awa")
    actor = principal_of(binta)
    reroute(session, actor=actor, reference=ticket.reference, reason="Awa is not on duty.", within_team=True, now=NOON)
    assert ticket.assignee_id == binta.id
    assert duty.left_behind(session, actor=ROOT) == ()
    assert session.exec(select(AuditEntry.action)).all() == ["ticket.reroute"]
    with pytest.raises(Forbidden):
        reroute(session, actor=staff(Role.FIELD_TECHNICIAN), reference=ticket.reference, now=NOON)
    changes.set_state(session, ticket, TicketState.CLOSED, who=changes.SYSTEM, now=NOON)
    with pytest.raises(TicketAlreadyClosed):
        reroute(session, actor=actor, reference=ticket.reference, now=NOON)
    assert routing.route(session, ticket, now=NOON) is None


def test_escalating_tells_the_lead_with_the_reason(session: Session) -> None:
    care = a_team(session, "Care")
    awa, binta = a_member(session, care, "awa", skills=["lead"]), a_member(session, care, "binta")
    ticket = builders.a_ticket(session, at=NOON, assignee=binta)
    changes.set_field(session, ticket, "team_id", care.id, who=changes.SYSTEM, now=NOON)
    names = escalate(session, actor=principal_of(binta), reference=ticket.reference, reason="The customer calls every hour", now=NOON)
    assert names == ("Awa",)
    assert session.exec(select(Notification.staff_id).where(Notification.event == "ticket_watched")).all() == [awa.id]
    with pytest.raises(InvalidInput):
        escalate(session, actor=principal_of(binta), reference=ticket.reference, reason=" ", now=NOON)
    with pytest.raises(NobodyToEscalateTo):
        escalate(session, actor=principal_of(awa), reference=ticket.reference, reason="Nobody above me", now=NOON)
    admin = a_person(session, "admin@inet.test", role=Role.SYSTEM_ADMIN)
    assert escalate(session, actor=principal_of(awa), reference=ticket.reference, reason="Nobody above me", now=NOON) == (admin.name,)


def test_of_many_routers_of_one_ticket_one_gives_it_and_nobody_gets_more_than_they_can_carry(database: sa.Engine) -> None:
    with transaction() as session:
        care = a_team(session, "Care")
        people = [a_member(session, care, name, capacity=2) for name in ("awa", "binta")]
        tickets = [builders.a_ticket(session, at=NOON).id for _ in range(6)]

    def give(ticket_id: int | None) -> bool:
        with transaction() as session:
            return routing.route(session, session.get_one(Ticket, ticket_id), now=NOON) is not None

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(give, [ticket_id for ticket_id in tickets for _ in range(3)]))
    assert sum(done) == len(tickets)
    with transaction() as session:
        kept = session.exec(select(TicketEvent.ticket_id).where(TicketEvent.kind == "routed")).all()
        assert sorted(kept) == sorted(number for number in tickets if number is not None)
        found = session.exec(select(Ticket)).all()
        assert [sum(ticket.assignee_id == one.id for ticket in found) for one in people] == [2, 2]
