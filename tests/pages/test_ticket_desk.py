"""Working on tickets in the console: answering, noting, drafts, views, many at once, the board and macros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction
from services.accounts.models import Role
from services.accounts.sessions import principal_of
from services.console.models import Draft, SavedView
from services.tickets import changes, macros
from services.tickets.changes import By
from services.tickets.macros import MacroTerms
from services.tickets.models import Channel, MessageKind, Priority, Ticket, TicketMessage, TicketState
from services.tickets.work_models import TicketTag
from tests.pages.conftest import SignIn
from tests.pages.test_drafts import draft_state
from tests.pages.test_pages import label, table, toasted, until
from tests.pages.test_tickets import _staff, a_ticket, as_it_stands, choose, listed

pytestmark = pytest.mark.usefixtures("shop")


def field(user: User, marker: str) -> Any:
    (found,) = user.find(marker=marker).elements
    return found


def _last_said(ticket: Ticket, kind: MessageKind) -> Callable[[Session], TicketMessage | None]:
    wanted = select(TicketMessage).where(TicketMessage.ticket_id == ticket.id, TicketMessage.kind == kind)
    return lambda session: session.exec(wanted.order_by(col(TicketMessage.id).desc())).first()


def _drafts(session: Session) -> dict[str, str]:
    return {draft.place.rpartition(":")[2]: draft.text for draft in session.exec(select(Draft)).all()}


async def test_a_reply_says_its_way_and_price_and_is_sent(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    assert label(user, "reach").startswith("By SMS to +220 •••")
    field(user, "field-reply").value = "Please try again now."
    await until(lambda: label(user, "text-cost") == "21 characters, 1 text")
    user.find(marker="send").click()
    await until(toasted(user, "Sent. It waits for the customer."))
    said = await in_transaction(_last_said(ticket, MessageKind.REPLY))
    assert said is not None
    assert said.body == "Please try again now."
    assert field(user, "field-reply").value == ""
    assert (await as_it_stands(ticket)).state is TicketState.PENDING
    await user.should_see(marker=f"delivery-{said.id}", retries=100)


async def test_who_answers_past_a_customers_new_words_is_shown_them_and_loses_nothing(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    field(user, "field-reply").value = "Have you tried again?"

    def wrote(session: Session) -> None:
        row = changes.locked(session, ticket.id or 0)
        said = "It works now, thank you"
        changes.say(session, row, kind=MessageKind.CUSTOMER, body=said, channel=Channel.SMS, who=By("customer"), now=utc_now())

    await in_transaction(wrote)
    user.find(marker="send").click()
    await user.should_see("Something was said meanwhile", retries=100)
    await user.should_see("It works now, thank you")
    assert field(user, "field-reply").value == "Have you tried again?"
    assert await in_transaction(_last_said(ticket, MessageKind.REPLY)) is None
    user.find(marker="send-anyway").click()
    await until(toasted(user, "Sent. It waits for the customer."))
    assert await in_transaction(_last_said(ticket, MessageKind.REPLY)) is not None


async def test_what_was_typed_is_there_again_after_a_reload(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    field(user, "field-reply").value = "Half a sen"
    await until(lambda: draft_state(user) == "Draft kept")
    assert await in_transaction(_drafts) == {"reply": "Half a sen"}
    await user.open(f"/console/tickets/{ticket.reference}")
    assert field(user, "field-reply").value == "Half a sen"
    assert draft_state(user) == "Your draft is back."


async def test_a_colleague_is_named_in_a_note_by_a_few_letters(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=True)
    technician = await in_transaction(_staff(Role.FIELD_TECHNICIAN))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    user.find(marker="tab-note").click()
    field(user, "field-note").value = "Please look @fie"
    await user.should_see(marker=f"mention-{technician.id}", retries=100)
    user.find(marker=f"mention-{technician.id}").click()
    await until(lambda: field(user, "field-note").value == "Please look @field.technician ")
    user.find(marker="keep-note").click()
    await until(toasted(user, "Field Technician is told"))
    await until(lambda: "Field Technician" in label(user, "watchers"))


async def test_a_macro_is_called_by_a_slash_and_filled_in(user: User, sign_in: SignIn) -> None:
    ticket = await a_ticket(assigned=False)
    admin = principal_of(await in_transaction(_staff(Role.SYSTEM_ADMIN)))
    terms = MacroTerms("Restart", "About {reference}: please restart your phone.")
    kept = await in_transaction(macros.save, actor=admin, terms=terms, shared=True, now=utc_now())
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{ticket.reference}")
    field(user, "field-reply").value = "/res"
    await user.should_see(marker=f"macro-{kept.id}", retries=100)
    user.find(marker=f"macro-{kept.id}").click()
    await until(lambda: field(user, "field-reply").value == f"About {ticket.reference}: please restart your phone.")


async def test_a_view_is_saved_with_its_filters_and_stands_above_the_list(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/tickets?assigned=nobody&due=late")
    user.find(marker="save-view").click()
    field(user, "field-view-name").value = "Late and nobody's"
    user.find(marker="submit").click()
    await until(toasted(user, "Saved."))
    await user.should_see("Late and nobody's", retries=100)
    (view,) = await in_transaction(lambda session: session.exec(select(SavedView)).all())
    assert view.state == {"assigned": "nobody", "due": "late"}


async def test_several_tickets_are_changed_at_once_after_a_look_and_changed_back(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/tickets")
    await until(lambda: bool(listed(user)))
    many = len(listed(user))
    user.find(marker="tickets-table").trigger("pick", table(user, "tickets").rows[0]["id"])
    await user.should_see("1 picked", retries=100)
    user.find(marker="pick-page").click()
    await until(lambda: label(user, "picked") == f"{many} picked")
    user.find(marker="bulk-ticket.change").click()
    await user.should_see(marker="bulk-priority", retries=100)
    choose(user, "bulk-priority", "high")
    field(user, "field-add-tags").value = "market, press"
    user.find(marker="bulk-look").click()
    await user.should_see("priority high; tag market; tag press", retries=100)
    user.find(marker="bulk-apply").click()
    await user.should_see(marker="bulk-undo", retries=100)

    def standing(session: Session) -> tuple[set[Priority], set[str]]:
        tagged = {row.tag for row in session.exec(select(TicketTag)).all()}
        return {row.priority for row in session.exec(select(Ticket)).all()}, tagged

    assert await in_transaction(standing) == ({Priority.HIGH}, {"market", "press"})
    user.find(marker="bulk-undo").click()
    await user.should_see(f"{many} taken back", retries=100)
    assert await in_transaction(standing) == ({Priority.NORMAL}, set())


async def test_a_card_is_moved_by_its_menu_and_a_technician_sees_their_own(user: User, sign_in: SignIn) -> None:
    mine, foreign = await a_ticket(assigned=True), await a_ticket(assigned=False)
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/tickets/board")
    await user.should_see(mine.reference)
    await user.should_not_see(foreign.reference, retries=1)
    user.find(marker=f"move-{mine.reference}-open").click()
    await until(toasted(user, f"{mine.reference}: Open."))
    assert (await as_it_stands(mine)).state is TicketState.OPEN


async def test_a_macro_that_names_a_missing_field_is_refused_with_its_name(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/macros")
    user.find(marker="new-macro").click()
    field(user, "field-macro-name").value = "Greeting"
    field(user, "field-macro-text").value = "Dear {customer_nam}, {agent} writes."
    await until(lambda: "There is no field {customer_nam}" in label(user, "macro-preview"))
    user.find(marker="keep-macro").click()
    await until(lambda: "customer_nam" in str(field(user, "field-macro-text").props.get("error-message")))
    field(user, "field-macro-text").value = "Dear {customer_name}, {agent} writes."
    assert "Dear Fatou Ceesay" in label(user, "macro-preview")
    user.find(marker="keep-macro").click()
    await until(toasted(user, "Kept."))
    await user.should_see("Greeting", retries=100)


async def test_a_ticket_is_merged_into_another_and_that_is_undone(user: User, sign_in: SignIn) -> None:
    source, into = await a_ticket(assigned=False), await a_ticket(assigned=True)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{source.reference}")
    user.find(marker="merge").click()
    await user.should_see(marker="field-other", retries=100)
    other = field(user, "field-other")
    other.set_options([into.reference], value=into.reference)
    await user.should_see(f"would move to {into.reference}", retries=100)
    field(user, "merge-sure").value = True
    user.find(marker="merge-now").click()

    async def state() -> int | None:
        return (await as_it_stands(source)).merged_into_id

    for _ in range(100):
        if await state():
            break
        await user.should_see("INET", retries=1)
    assert await state() == into.id
    await user.open(f"/console/tickets/{into.reference}")
    user.find(marker="undo").click()
    await until(toasted(user, "Undone."))
    assert await state() is None
