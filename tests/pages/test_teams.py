"""Teams in the console, and what the machine thinks of a ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app.db import in_transaction, transaction
from services.accounts.models import Role, Staff
from services.tickets import changes
from services.tickets.desk_models import Team, TeamMember
from services.tickets.models import Ticket
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, toasted, until
from tests.pages.test_tickets import choose

READ: dict[str, Any] = {
    "messages": 1,
    "category": "slow-speed",
    "confidence": 0.91,
    "abstain": False,
    "alternatives": [{"category": "connectivity", "confidence": 0.05}],
    "priority": "high",
    "priority_reason": "Many people are affected.",
    "language": {"code": "wo", "confidence": 0.8},
    "sentiment": "negative",
    "entities": [{"kind": "voucher", "value": "•••XYZ", "checked": True, "known": False}],
    "duplicates": [{"reference": "T-2345678", "score": 0.9, "reason": "The same person.", "same_outage": False}],
    "reasons": ["Words that speak for slow-speed: “slow”."],
    "source": "model",
    "fallback": None,
    "reply": {"text": "Hello,\nplease tell us the hour.", "sources": ["ticket"]},
}


@pytest.fixture
def reference(database: sa.Engine, now: datetime) -> str:
    with transaction() as session:
        for role in Role:
            builders.a_staff(session, role, now=now)
        session.add(Team(name="Field", created_at=now))
        return builders.a_ticket(session, at=now).reference


async def _one(statement: Any) -> Any:
    return await in_transaction(lambda session: session.exec(statement).one())


async def _was_read(reference: str, now: datetime, **more: Any) -> None:
    def read(session: Session) -> None:
        ticket = session.exec(select(Ticket).where(Ticket.reference == reference)).one()
        changes.record(session, ticket, "triaged", READ | more, who=changes.SYSTEM, now=now)
        session.info.pop("after_commit", None)

    await in_transaction(read)


async def test_a_team_is_made_and_somebody_taken_in(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/teams")
    await user.should_see("Nobody is in it")
    user.find(marker="new-team").click()
    user.find(marker="field-team-name").type("Care")
    user.find(marker="submit").click()
    await until(toasted(user, "Made."))
    care = await _one(select(Team).where(Team.name == "Care"))
    await user.should_see(marker=f"add-to-{care.id}", retries=100)
    user.find(marker=f"add-to-{care.id}").click()
    await user.should_see(marker="field-who", retries=100)
    (who,) = user.find(kind=ui.select, marker="field-who").elements
    staff_id = next(number for number, name in dict(who.options).items() if name == "Customer Care")
    choose(user, "field-who", staff_id)
    user.find(marker="field-skills").type("Lead, wolof")
    user.find(marker="keep-member").click()
    await until(toasted(user, "Kept."))
    await user.should_see("wolof", retries=100)
    member = await _one(select(TeamMember))
    assert (member.team_id, member.staff_id, member.skills, member.is_on_duty) == (care.id, staff_id, ["lead", "wolof"], True)


async def test_a_member_has_languages_a_zone_and_a_capacity(user: User, sign_in: SignIn, reference: str) -> None:
    def take_in(session: Session) -> tuple[int, int]:
        field = session.exec(select(Team)).one()
        field.is_field = True
        person = session.exec(select(Staff).where(Staff.role == Role.FIELD_TECHNICIAN)).one()
        session.add(TeamMember(team_id=field.id or 0, staff_id=person.id or 0))
        return field.id or 0, person.id or 0

    team_id, staff_id = await in_transaction(take_in)
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/teams")
    await user.should_see("No zone")
    user.find(marker=f"member-{team_id}-{staff_id}").click()
    await user.should_see(marker="field-zone", retries=100)
    user.find(marker="field-zone").type("13.44; -16.68")
    user.find(marker="keep-member").click()
    await until(lambda: "Two numbers" in str([one.props.get("error-message") for one in user.find(marker="field-zone").elements]))
    user.find(marker="field-zone").clear().type("13.44, -16.68")
    choose(user, "field-languages", ["wo", "en"])
    user.find(marker="field-capacity").clear().type("7")
    user.find(marker="keep-member").click()
    await until(toasted(user, "Kept."))
    member = await _one(select(TeamMember))
    assert (member.languages, member.capacity, member.zone_latitude, member.zone_longitude) == (["en", "wo"], 7, 13.44, -16.68)


async def test_who_may_not_change_the_desk_reads_the_teams(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/teams")
    await user.should_see("Field")
    await user.should_not_see(marker="new-team", retries=1)


async def test_a_ticket_is_given_to_a_team_and_listed_by_it(user: User, sign_in: SignIn, reference: str) -> None:
    field = await _one(select(Team))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}")
    user.find(marker="assign").click()
    await user.should_see(marker="field-team", retries=100)
    choose(user, "field-team", field.id)
    user.find(marker="submit").click()
    await until(toasted(user, "Assigned."))
    await user.should_see("Team: Field", retries=100)
    await user.open(f"/console/tickets?team={field.id}")
    assert [row["reference"] for row in table(user, "tickets").rows] == [reference]


async def test_what_the_machine_thinks_is_shown_with_its_reasons(user: User, sign_in: SignIn, reference: str, now: datetime) -> None:
    await _was_read(reference, now)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}")
    for words in ("Slow (91% sure)", "Wolof", "Many people are affected.", "not in our records", "T-2345678", "please tell us the hour."):
        await user.should_see(words)
    await user.should_see(marker="use-reply")
    user.find(marker="something-else").click()
    await user.should_see(marker="field-category", retries=100)


async def test_where_it_is_not_sure_it_says_so(user: User, sign_in: SignIn, reference: str, now: datetime) -> None:
    await _was_read(reference, now, abstain=True, reply=None, confidence=0.4)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}")
    await user.should_see("not sure, a person decides")
    await user.should_see("It may also be: No connection (5% sure).")
    await user.should_not_see(marker="suggested-reply", retries=1)
