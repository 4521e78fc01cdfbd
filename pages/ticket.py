"""One problem report: what the customer wrote, what it is about, who looks after it, and what was done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.components.parts import Facts, action_button, notice, page_header, panel
from pages.components.states import refused_state
from pages.components.timeline import Happening, timeline
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from pages.tickets import PATH as LIST_PATH
from pages.tickets import name_of
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.tickets import service as tickets
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from services.tickets.queries import Assignee, TicketRow, TicketStory, assignable_staff, ticket_story

Refresh = Callable[[], Awaitable[None]]
_NOBODY = 0


@console_page(f"{LIST_PATH}/{{reference}}", title="Problem report", permission=Permission.TICKETS_READ)
async def ticket_page_(reference: str, actor: Principal) -> None:
    story = await in_transaction(ticket_story, actor=actor, reference=reference)
    place = ui.element("div").classes("stack")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            try:
                draw(await in_transaction(ticket_story, actor=by, reference=reference), by)
            except TicketNotFound as refusal:
                # Given to somebody else while it was open here.
                place.clear()
                with place:
                    refused_state(refusal)

    def draw(shown: TicketStory, by: Principal) -> None:
        place.clear()
        with place:
            _story(shown, by, refresh)

    draw(story, actor)
    refresh_on(("tickets",), refresh)


def _story(story: TicketStory, actor: Principal, refresh: Refresh) -> None:
    row = story.row
    with page_header(f"Report {row.ticket.reference}", back=(LIST_PATH, "Problem reports"), state=row.ticket.state):
        _actions(row, actor, refresh)
    if row.assignee and not row.assignee.is_active and row.ticket.is_open:
        words = f"The account of {row.assignee.name} is disabled. Give the report to somebody else."
        notice("wait", words, title="Nobody looks after it").mark("orphaned")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            with panel("The report"):
                ui.label(row.ticket.body).style("white-space: pre-wrap; overflow-wrap: anywhere")
            with panel("What was done"):
                timeline([_beginning(row.ticket), *(_happening(entry) for entry in story.history)])
        with panel("Facts"):
            _facts(row, actor)


def _facts(row: TicketRow, actor: Principal) -> None:
    ticket, facts = row.ticket, Facts()
    with facts.row("Assigned to"):
        ui.label(name_of(row.assignee) if row.assignee else "nobody").classes("" if row.assignee else "faint").mark("assignee")
    facts.add_time("Sent", ticket.created_at)
    facts.add("From", ticket.channel)
    phone = row.customer.masked_phone if row.customer else None
    _link(facts, actor, Permission.CUSTOMERS_READ, "Customer", phone, f"/console/customers/{ticket.customer_id}")
    _link(facts, actor, Permission.PAYMENTS_READ, "Payment", row.payment_reference, f"/console/payments/{row.payment_reference}")
    _link(facts, actor, Permission.GATEWAYS_READ, "Place", row.gateway_name, f"/console/gateways/{row.gateway_slug}")
    facts.add("Device", ticket.client_mac, mono=True)


def _link(facts: Facts, actor: Principal, permission: Permission, label: str, text: str | None, target: str) -> None:
    if actor.may(permission):
        facts.add_link(label, text, target)
    else:
        facts.add(label, text)


def _beginning(ticket: Ticket) -> Happening:
    return Happening(ticket.created_at, f"Reported ({ticket.channel})", "busy")


def _happening(entry: AuditEntry) -> Happening:
    before, after = entry.before or {}, entry.after or {}
    by = f"by {entry.actor.partition(':')[2]}"
    note = str(after.get("note", ""))
    match entry.action:
        case "ticket.assign" if after.get("assignee"):
            return Happening(entry.at, f"Assigned to {after['assignee']}", "busy", aside=by)
        case "ticket.assign":
            return Happening(entry.at, f"Taken from {before.get('assignee')}", "wait", aside=by)
        case "ticket.close":
            return Happening(entry.at, "Closed", "good", aside=by, more=note)
        case "ticket.reopen":
            return Happening(entry.at, "Opened again", "wait", aside=by, more=note)
    return Happening(entry.at, entry.action, aside=by, more=note)


def _actions(row: TicketRow, actor: Principal, refresh: Refresh) -> None:
    is_open = row.ticket.is_open
    if is_open and actor.may(Permission.TICKETS_ASSIGN):
        if row.ticket.assignee_id != actor.id:
            action_button("Take it", partial(_take, row.ticket, refresh), icon="front_hand").mark("take")
        action_button("Assign", partial(_assign_form, row, refresh), icon="person_add").mark("assign")
    if actor.may(Permission.TICKETS_EDIT):
        if is_open:
            action_button("Close", partial(_note_form, row.ticket, refresh), icon="task_alt", main=True).mark("close-ticket")
        else:
            action_button("Open again", partial(_note_form, row.ticket, refresh), icon="undo").mark("reopen-ticket")


async def _take(ticket: Ticket, refresh: Refresh) -> None:
    # On the page itself: news of the change may redraw the button before this is done.
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        await _give(ticket, by.id, by)
        ui.notify("It is yours now.", type="positive")
        await refresh()


async def _give(ticket: Ticket, staff_id: int | None, by: Principal) -> None:
    """What was drawn is what is changed: who was slower is told that somebody else was there first."""
    await in_transaction(
        tickets.assign,
        actor=by,
        reference=ticket.reference,
        staff_id=staff_id,
        expected_revision=ticket.revision,
        now=utc_now(),
    )


async def _assign_form(row: TicketRow, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        people = await in_transaction(assignable_staff, actor=await current_staff())
        _draw_assign_form(row, people, refresh)


def _draw_assign_form(row: TicketRow, people: tuple[Assignee, ...], refresh: Refresh) -> None:
    # Who has it now may be disabled and still is the present choice.
    names = {_NOBODY: "Nobody", **({row.assignee.id: name_of(row.assignee)} if row.assignee else {})}
    names |= {person.id: person.name for person in people}
    with dialog_card(f"Who looks after {row.ticket.reference}?") as dialog:
        choice = ui.select(names, label="Assigned to", value=row.ticket.assignee_id or _NOBODY, with_input=True)
        choice.props("outlined hide-bottom-space").classes("w-full").mark("field-assignee")

        async def act() -> None:
            await _give(row.ticket, choice.value or None, await current_staff())
            ui.notify("Assigned." if choice.value else "It lies with nobody now.", type="positive")
            await refresh()

        form_buttons(dialog, {"assignee_id": choice}, yes="Assign", act=act)
    dialog.open()


def _note_form(ticket: Ticket, refresh: Refresh) -> None:
    change, title, label, yes = (
        (tickets.close, f"Close {ticket.reference}?", "What was done", "Close it")
        if ticket.is_open
        else (tickets.reopen, f"Open {ticket.reference} again?", "Why", "Open it again")
    )
    with dialog_card(title) as dialog:
        ui.label("Staff read this in the report's history. It cannot be changed later.").classes("soft")
        note = ui.textarea(label).props(f"outlined autofocus autogrow hide-bottom-space maxlength={tickets.NOTE_LENGTH[1]}")
        note.classes("w-full").mark("field-note")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(change, actor=by, reference=ticket.reference, note=note.value or "", now=utc_now())
            ui.notify("Closed." if ticket.is_open else "Open again.", type="positive")
            await refresh()

        form_buttons(dialog, {"note": note}, yes=yes, act=act)
    dialog.open()
