"""What a person does to a ticket from its page: each asks once, acts, and says what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_story import HOLD_WORDS
from pages.ticket_words import CATEGORY_WORDS, name_of
from services.accounts.permissions import Principal
from services.tickets import board
from services.tickets import service as tickets
from services.tickets.drafts import place_of
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketState
from services.tickets.queries import Assignee, TicketRow, assignable_staff
from services.tickets.seen import whatever_was_noted
from services.tickets.teams import active_teams, hand_over

Refresh = Callable[[], Awaitable[None]]
_NOBODY = 0
_CUSTOMER = "customer"


async def take(ticket: Ticket, refresh: Refresh) -> None:
    """Make it one's own."""
    # On the page itself: news of the change may redraw the button before this is done.
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        await _give(ticket, by.id, by)
        ui.notify("It is yours now.", type="positive")
        await refresh()


async def _give(ticket: Ticket, staff_id: int | None, by: Principal) -> None:
    """What was drawn is what is changed: who was slower is told that somebody else was there first."""
    await in_transaction(
        whatever_was_noted(tickets.assign),
        actor=by,
        reference=ticket.reference,
        staff_id=staff_id,
        expected_revision=ticket.revision,
        now=utc_now(),
    )


async def assign_form(row: TicketRow, refresh: Refresh) -> None:
    """Give it to somebody, or to nobody."""
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        people = await in_transaction(assignable_staff, actor=by)
        _draw_assign_form(row, people, await in_transaction(active_teams, actor=by), refresh)


def _draw_assign_form(row: TicketRow, people: tuple[Assignee, ...], teams: dict[int, str], refresh: Refresh) -> None:
    # Who has it now may be disabled and still is the present choice.
    names = {_NOBODY: "Nobody", **({row.assignee.id: name_of(row.assignee)} if row.assignee else {})}
    names |= {person.id: person.name for person in people}
    # So may its team be out of use.
    named = {_NOBODY: "None", **({row.ticket.team_id: row.team_name or ""} if row.ticket.team_id else {}), **teams}
    with dialog_card(f"Who looks after {row.ticket.reference}?") as dialog:
        team = ui.select(named, label="Team", value=row.ticket.team_id or _NOBODY)
        team.props("outlined hide-bottom-space").classes("w-full").mark("field-team")
        choice = ui.select(names, label="Assigned to", value=row.ticket.assignee_id or _NOBODY, with_input=True)
        choice.props("outlined hide-bottom-space").classes("w-full").mark("field-assignee")

        async def act() -> None:
            await in_transaction(
                whatever_was_noted(hand_over),
                actor=await current_staff(),
                reference=row.ticket.reference,
                staff_id=choice.value or None,
                team_id=team.value or None,
                expected_revision=row.ticket.revision,
                now=utc_now(),
            )
            ui.notify("Assigned." if choice.value or team.value else "It lies with nobody now.", type="positive")
            await refresh()

        form_buttons(dialog, {"assignee_id": choice, "team_id": team}, yes="Assign", act=act)
    dialog.open()


def triage_form(ticket: Ticket, refresh: Refresh) -> None:
    """How urgent it is and what it is about."""
    with dialog_card(f"Priority and subject of {ticket.reference}") as dialog:
        urgency = ui.select({level.value: words.words_of(level).text for level in Priority}, label="Priority", value=ticket.priority.value)
        urgency.props("outlined hide-bottom-space").classes("w-full").mark("field-priority")
        about = ui.select(
            {one.value: text for one, text in CATEGORY_WORDS.items()},
            label="What it is about",
            value=ticket.category.value if ticket.category else None,
        )
        about.props("outlined hide-bottom-space").classes("w-full").mark("field-category")

        async def act() -> None:
            await in_transaction(
                whatever_was_noted(tickets.triage),
                actor=await current_staff(),
                reference=ticket.reference,
                priority=Priority(urgency.value),
                category=Category(about.value) if about.value else None,
                expected_revision=ticket.revision,
                now=utc_now(),
            )
            ui.notify("Changed.", type="positive")
            await refresh()

        form_buttons(dialog, {"priority": urgency, "category": about}, yes="Change", act=act)
    dialog.open()


def wait_form(ticket: Ticket, refresh: Refresh) -> None:
    """For what it waits."""
    choices = {_CUSTOMER: "the customer's answer"} | {reason.value: HOLD_WORDS[reason.value] for reason in HoldReason}
    with dialog_card(f"What does {ticket.reference} wait for?") as dialog:
        choice = ui.select(choices, label="It waits for", value=_CUSTOMER)
        choice.props("outlined hide-bottom-space").classes("w-full").mark("field-hold")

        async def act() -> None:
            await in_transaction(
                whatever_was_noted(tickets.wait),
                actor=await current_staff(),
                reference=ticket.reference,
                hold=None if choice.value == _CUSTOMER else HoldReason(choice.value),
                expected_revision=ticket.revision,
                now=utc_now(),
            )
            ui.notify("It waits.", type="positive")
            await refresh()

        form_buttons(dialog, {"hold": choice}, yes="Let it wait", act=act)
    dialog.open()


async def go_on(ticket: Ticket, refresh: Refresh) -> None:
    """Work on it (again)."""
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        await in_transaction(
            whatever_was_noted(tickets.go_on),
            actor=by,
            reference=ticket.reference,
            expected_revision=ticket.revision,
            now=utc_now(),
        )
        ui.notify("It is being worked on.", type="positive")
        await refresh()


def resolve_form(ticket: Ticket, refresh: Refresh) -> None:
    """It is solved; whoever wrote it is told so."""
    with dialog_card(f"Resolve {ticket.reference}?") as dialog:
        ui.label("The customer is told that it is solved and asked how it was. If they answer within 7 days, it is open again.").classes(
            "soft"
        )
        note = ui.textarea("What was done (staff read it; may be left empty)").props(
            "outlined autofocus autogrow hide-bottom-space maxlength=500"
        )
        note.classes("w-full").mark("field-note")

        async def act() -> None:
            await in_transaction(
                whatever_was_noted(board.move),
                actor=await current_staff(),
                reference=ticket.reference,
                to=TicketState.RESOLVED,
                note=(note.value or "").strip(),
                expected_revision=ticket.revision,
                now=utc_now(),
            )
            ui.notify("Resolved.", type="positive")
            await refresh()

        draft = keep_draft(place_of(ticket.reference, "resolve"), {"note": note})
        form_buttons(dialog, {"note": note}, yes="Resolve it", act=act, draft=draft)
    dialog.open()


def move_form(ticket: Ticket, refresh: Refresh) -> None:
    """Close it, or open it again, and say why."""
    change, title, label, yes = (
        (tickets.close, f"Close {ticket.reference}?", "What was done", "Close it")
        if ticket.is_open
        else (tickets.reopen, f"Open {ticket.reference} again?", "Why", "Open it again")
    )
    with dialog_card(title) as dialog:
        ui.label("Staff read this in the ticket's history. It cannot be changed later.").classes("soft")
        note = ui.textarea(label).props(f"outlined autofocus autogrow hide-bottom-space maxlength={tickets.NOTE_LENGTH[1]}")
        note.classes("w-full").mark("field-note")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(change, actor=by, reference=ticket.reference, note=note.value or "", now=utc_now())
            ui.notify("Closed." if ticket.is_open else "Open again.", type="positive")
            await refresh()

        draft = keep_draft(place_of(ticket.reference, "close" if ticket.is_open else "reopen"), {"note": note})
        form_buttons(dialog, {"note": note}, yes=yes, act=act, draft=draft)
    dialog.open()
