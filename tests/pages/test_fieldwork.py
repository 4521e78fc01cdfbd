"""The work in the field in the console: beside a ticket and in its history, the lists of what to look at, and the label of a box."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nicegui.testing import User
from sqlmodel import Session, select

from app.clock import utc_now
from app.db import in_transaction
from services.accounts.models import Role, Staff
from services.accounts.sessions import principal_of
from services.fieldwork import findings, visits
from services.fieldwork.checklists import for_category
from services.fieldwork.models import VisitState
from services.fieldwork.steps import Place, Worker
from services.tickets.models import HoldReason, Ticket
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import toasted, until
from tests.services.network.places import make_access_point

pytestmark = pytest.mark.usefixtures("shop")


def worked_on(session: Session) -> str:
    """The technician's ticket, with a day's work at it."""
    person = session.exec(select(Staff).where(Staff.email == builders.email_of(Role.FIELD_TECHNICIAN))).one()
    ticket = session.exec(select(Ticket).where(Ticket.assignee_id == person.id)).one()
    number, now = ticket.id or 0, utc_now()
    worker = Worker(principal_of(person), now - timedelta(hours=2), now)
    visits.step(session, worker=worker, ticket_id=number, to=VisitState.ON_SITE, place=Place(13.44321, -16.67812, 12))
    item = for_category(session, ticket.category)[0].key
    findings.check(session, worker=worker, ticket_id=number, item=item, is_done=False, note="Light is red")
    findings.use_part(session, worker=worker, ticket_id=number, name="PoE injector", serial="SN-77", quantity=2)
    findings.confirm(session, worker=worker, ticket_id=number, works=True, name="Fatou", comment="Quick now")
    visits.step(session, worker=worker, ticket_id=number, to=VisitState.CANNOT, reason="The pole is rotten", hold=HoldReason.PART)
    return ticket.reference


async def test_the_office_sees_the_visit_and_what_came_of_it(user: User, sign_in: SignIn) -> None:
    reference = await in_transaction(worked_on)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}")
    for text in ("Cannot be done", "The pole is rotten", "Looked at: 0 of 1 in order", "2 × PoE injector", "It works", "“Quick now”"):
        await user.should_see(text)
    for title in ("On site", "Part used: 2 × PoE injector", "The customer says that it works"):
        await user.should_see(title)
    await user.should_see("at 13.44321, -16.67812 (within 12 m) · by the phone's clock")


async def test_a_checklist_is_changed_in_order_and_words_and_taken_back(user: User, sign_in: SignIn) -> None:
    before = await in_transaction(for_category, "connectivity")
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/checklists")
    await user.should_see(before[0].text)
    user.find(marker="edit-connectivity").click()
    await user.should_see(marker="field-item-0", retries=100)
    user.find(marker="down-0").click()
    user.find(marker=f"remove-{len(before) - 1}").click()
    user.find(marker="add-item").click()
    user.find(marker="keep-checklist").click()
    await until(toasted(user, "Every item has words, at most 200 characters."))
    user.find(marker=f"field-item-{len(before) - 1}").type("The mast stands")
    user.find(marker="keep-checklist").click()
    await until(toasted(user, "Kept. Phones have it with their next sync."))
    after = await in_transaction(for_category, "connectivity")
    assert [item.key for item in after[:2]] == [before[1].key, before[0].key]
    assert [item.text for item in after[2:]] == [*(item.text for item in before[2:-1]), "The mast stands"]
    await user.should_see(marker="reset-connectivity", retries=100)
    user.find(marker="reset-connectivity").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "Our list counts again."))
    assert await in_transaction(for_category, "connectivity") == before


async def test_the_label_of_a_box_is_shown_to_be_printed(user: User, sign_in: SignIn) -> None:
    point = await in_transaction(make_access_point, at=utc_now() - timedelta(days=1))
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/access-points/{point.id}")
    user.find(marker="label").click()
    await user.should_see(marker="label-code", retries=100)
    await user.should_see(point.mac or "")
