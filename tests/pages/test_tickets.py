"""Problem reports in the console: found by whom they lie with, given to people, closed with a note; a technician sees their own."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app import redis
from app.clock import utc_now
from app.db import in_transaction
from app.events import CHANNEL
from services.accounts.models import Role, Staff
from services.accounts.sessions import principal_of
from services.tickets import changes
from services.tickets import service as tickets
from services.tickets.models import Ticket, TicketState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, toasted, until

pytestmark = pytest.mark.usefixtures("shop")


def _staff(role: Role) -> Callable[[Session], Staff]:
    return lambda session: session.exec(select(Staff).where(Staff.email == builders.email_of(role))).one()


async def a_ticket(*, assigned: bool) -> Ticket:
    """Of the shop's tickets: one is the technician's, the others are nobody's."""
    has_one = col(Ticket.assignee_id).is_not(None)
    found = await in_transaction(lambda session: session.exec(select(Ticket).where(has_one if assigned else ~has_one)).first())
    assert found is not None
    return found


async def as_it_stands(ticket: Ticket) -> Ticket:
    return await in_transaction(lambda session: session.get_one(Ticket, ticket.id))


def listed(user: User) -> set[str]:
    return {row["reference"] for row in table(user, "tickets").rows}


def choose(user: User, marker: str, value: object) -> None:
    (field,) = user.find(kind=ui.select, marker=marker).elements
    field.value = value


async def test_reports_are_listed_by_whom_they_lie_with(user: User, sign_in: SignIn) -> None:
    theirs = await a_ticket(assigned=True)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/tickets")
    assert len(listed(user)) == 3
    assert {row["assignee"] for row in table(user, "tickets").rows} == {"Field Technician", None}
    choose(user, "filter-assigned", "nobody")
    await until(lambda: len(listed(user)) == 2)
    assert theirs.reference not in listed(user)
    await user.open("/console/tickets?assigned=me")
    await user.should_see("Nothing matches")


async def test_a_technician_lists_and_opens_only_their_own(user: User, sign_in: SignIn) -> None:
    mine, foreign = await a_ticket(assigned=True), await a_ticket(assigned=False)
    await sign_in(Role.FIELD_TECHNICIAN)
    for query in ("", "?assigned=nobody", f"?q={foreign.reference}"):
        await user.open(f"/console/tickets{query}")
        assert listed(user) <= {mine.reference}
        await user.should_not_see(marker="filter-assigned", retries=1)
    await user.open(f"/console/tickets/{foreign.reference}")
    await user.should_see(marker="refused")
    await user.should_see("There is no ticket with that reference.")
    await user.open(f"/console/tickets/{mine.reference}")
    await user.should_see(marker="close-ticket")
    for marker in ("take", "assign"):
        await user.should_not_see(marker=marker, retries=1)


async def test_a_report_is_given_to_a_person_and_its_history_says_so(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    technician = await in_transaction(_staff(Role.FIELD_TECHNICIAN))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    assert label(user, "assignee") == "nobody"
    user.find(marker="assign").click()
    await user.should_see(marker="field-assignee", retries=100)
    choose(user, "field-assignee", technician.id)
    user.find(marker="submit").click()
    await until(toasted(user, "Assigned."))
    await user.should_see("Assigned to Field Technician", retries=100)
    assert label(user, "assignee") == "Field Technician"
    assert (await as_it_stands(ticket)).assignee_id == technician.id


async def test_who_takes_a_report_has_it(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    user.find(marker="take").click()
    await until(toasted(user, "It is yours now."))
    await user.should_not_see(marker="take", retries=100)
    assert (await as_it_stands(ticket)).assignee_id == (await in_transaction(_staff(Role.CUSTOMER_CARE))).id


def _give_silently(session: Session, ticket: Ticket, person: Staff) -> None:
    changes.set_field(session, session.get_one(Ticket, ticket.id), "assignee_id", person.id, who=changes.SYSTEM, now=utc_now())
    session.info.pop("after_commit", None)


async def test_who_was_slower_is_told_that_somebody_was_there_first(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    root = await in_transaction(_staff(Role.ROOT))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    # Behind the page's back: without news of it the page still shows what it showed.
    await in_transaction(lambda session: _give_silently(session, ticket, root))
    user.find(marker="take").click()
    await until(toasted(user, "changed since you read it"))
    assert (await as_it_stands(ticket)).assignee_id == root.id


async def test_a_technician_closes_theirs_with_a_note_and_opens_it_again(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=True)
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/tickets/{ticket.reference}")
    user.find(marker="close-ticket").click()
    await user.should_see(marker="field-note", retries=100)
    user.find(marker="submit").click()
    (note,) = user.find(kind=ui.textarea, marker="field-note").elements
    await until(lambda: "in a few words" in str(note.props.get("error-message")))
    note.value = "New power supply at the gate"
    user.find(marker="submit").click()
    await until(toasted(user, "Closed."))
    await user.should_see("New power supply at the gate", retries=100)
    await user.should_see(marker="reopen-ticket", retries=100)
    assert (await as_it_stands(ticket)).state is TicketState.CLOSED
    await user.open(f"/console/tickets/{ticket.reference}")
    user.find(marker="reopen-ticket").click()
    await user.should_see(marker="field-note", retries=100)
    next(iter(user.find(kind=ui.textarea, marker="field-note").elements)).value = "It is dark again"
    user.find(marker="submit").click()
    await until(toasted(user, "Open again."))
    assert (await as_it_stands(ticket)).state is TicketState.OPEN


async def test_a_report_that_is_given_away_leaves_the_technicians_open_page(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=True)
    care = principal_of(await in_transaction(_staff(Role.CUSTOMER_CARE)))
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/tickets/{ticket.reference}")
    await user.should_see(ticket.body)
    await in_transaction(tickets.assign, actor=care, reference=ticket.reference, staff_id=None, expected_revision=None, now=utc_now())

    def gone() -> bool:
        # Told again and again: the page may still be subscribing when the first news comes.
        redis.client().publish(CHANNEL, orjson.dumps({"topic": "tickets", "id": ticket.id}))
        return not any(ticket.body in one.text for one in user.find(kind=ui.label).elements)

    await until(gone)
    await user.should_see(marker="refused", retries=100)


async def test_the_reports_of_a_disabled_person_stay_and_ask_to_be_handed_over(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=True)

    def disable(session: Session) -> None:
        _staff(Role.FIELD_TECHNICIAN)(session).is_active = False

    await in_transaction(disable)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/tickets")
    assert "Field Technician (disabled)" in {row["assignee"] for row in table(user, "tickets").rows}
    await user.open(f"/console/tickets/{ticket.reference}")
    await user.should_see(marker="orphaned")
    user.find(marker="assign").click()
    await user.should_see(marker="field-assignee", retries=100)
    (field,) = user.find(kind=ui.select, marker="field-assignee").elements
    assert field.value == ticket.assignee_id
    field.value = 0
    user.find(marker="submit").click()
    await until(toasted(user, "It lies with nobody now."))
    await user.should_not_see(marker="orphaned", retries=100)
