"""Routing in the console: rules are made, moved and tried, duty is switched, and the facts beside a ticket lead to what helps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import col, select

from app.db import in_transaction, transaction
from services.accounts.models import Role, Staff
from services.payments.models import PaymentStatus
from services.tickets import routing
from services.tickets.desk_models import RoutingRule, Team, TeamMember
from services.tickets.models import Ticket, TicketEvent
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import toasted, until
from tests.pages.test_tickets import choose
from tests.services.tickets.desk import a_rule, a_team


@pytest.fixture
def reference(database: sa.Engine, now: datetime) -> str:
    """A ticket of a customer who paid and was not served, routed to Care."""
    with transaction() as session:
        people = {role: builders.a_staff(session, role, now=now) for role in Role}
        care, field = a_team(session, "Care"), a_team(session, "Field", is_field=True)
        for team, role in ((care, Role.CUSTOMER_CARE), (field, Role.FIELD_TECHNICIAN)):
            session.add(TeamMember(team_id=team.id or 0, staff_id=people[role].id or 0, skills=["lead"]))
        a_rule(session, 1, "Masts", field, category=["coverage-installation"])
        a_rule(session, 2, "Everything else", care)
        customer, offer = builders.a_customer(session, 1, now=now), builders.an_offer(session, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.PAID, at=now - timedelta(hours=1))
        ticket = builders.a_ticket(session, customer=customer, at=now)
        routing.route(session, ticket, now=now)
        return ticket.reference


async def _all(statement: Any) -> Any:
    return await in_transaction(lambda session: session.exec(statement).all())


async def test_a_rule_is_made_where_it_can_decide_and_moved_where_it_cannot(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/routing")
    await user.should_see("Everything else")
    user.find(marker="new-rule").click()
    await user.should_see(marker="field-name", retries=100)
    user.find(marker="field-name").type("Money")
    choose(user, "field-category", ["payment", "voucher"])
    (care,) = await _all(select(Team.id).where(Team.name == "Care"))
    choose(user, "field-team", care)
    user.find(marker="look").click()
    await user.should_see("Of the last 1 tickets, none would have gone another way.", retries=100)
    user.find(marker="save-rule").click()
    await until(toasted(user, "Saved. It counts for tickets that come from now on."))
    assert await _all(select(RoutingRule.name).order_by(col(RoutingRule.position))) == ["Masts", "Money", "Everything else"]
    (money,) = await _all(select(RoutingRule.id).where(RoutingRule.name == "Money"))
    await user.should_see(marker=f"down-{money}", retries=100)
    user.find(marker=f"down-{money}").click()
    await user.should_see("No ticket comes this far: “Everything else” takes all that it could.", retries=100)
    user.find(marker=f"switch-{money}").click()
    await user.should_see("Not in use", retries=100)


async def test_who_may_not_change_the_desk_reads_and_tries_the_rules(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/routing")
    await user.should_see("Masts")
    await user.should_not_see(marker="new-rule", retries=1)
    await user.should_see("“Everything else” is the first rule that fits: team Care, to Customer Care", retries=100)
    choose(user, "try-category", "coverage-installation")
    await user.should_see("“Masts” is the first rule that fits: team Field, to Field Technician", retries=100)


async def test_a_member_goes_off_duty_from_the_header(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/teams")
    user.find(marker="own-duty").click()
    await until(toasted(user, "You are off duty: nothing new comes to you."))
    await user.should_see("Off duty", retries=100)
    assert await _all(select(TeamMember.is_on_duty).join(Staff).where(Staff.role == Role.CUSTOMER_CARE)) == [False]


async def test_what_somebody_off_duty_has_is_given_out_anew(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/teams")
    ((team_id, staff_id),) = await _all(select(TeamMember.team_id, TeamMember.staff_id).join(Team).where(Team.name == "Care"))
    user.find(marker=f"duty-{team_id}-{staff_id}").click()
    await user.should_see("Nobody looks after these", retries=100)
    user.find(marker="give-out-anew").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "0 of 1 have somebody new; the others wait in their team."))
    assert await _all(select(Ticket.assignee_id)) == [None]


async def test_the_facts_beside_a_ticket_lead_to_what_helps(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}")
    await user.should_see("Paid, and not served yet", retries=100)
    await user.should_see("“Everything else” is the first rule that fits", retries=100)
    (payment,) = await _all(sa.text("SELECT reference FROM payment"))
    user.find(marker=f"retry-{payment[0]}").click()
    await until(toasted(user, "It is being tried now."))
    (event,) = await _all(select(TicketEvent).where(TicketEvent.kind == "action"))
    assert event.data == {"what": "The payment is tried again", "target": payment[0]}


async def test_a_ticket_is_escalated_with_a_reason(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/tickets/{reference}")
    await user.should_see(marker="escalate", retries=100)
    user.find(marker="escalate").click()
    await user.should_see(marker="field-escalate-reason", retries=100)
    user.find(marker="field-escalate-reason").type("They call every hour")
    user.find(marker="escalate-it").click()
    await until(toasted(user, "Customer Care will hear of it."))
