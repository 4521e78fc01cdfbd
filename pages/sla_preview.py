"""What a change would do to open tickets, shown before it is made, and the choice whether they follow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from nicegui import ui

from app.errors import DomainError
from pages.components import words
from pages.components.dialogs import dialog_card, enable_again
from pages.components.forms import Fields, refuse_at
from pages.components.parts import moment, notice, tone_chip
from pages.components.why_deadline import CLOCK_NAMES
from pages.shell import toast_on_refusal
from services.tickets.sla.preview import Moved, Preview

Draft = TypeVar("Draft")


def preview_lines(shown: Preview) -> list[str]:
    """The counts in words."""
    if not shown.open_tickets:
        return ["No open ticket has it: nothing changes for anybody who waits now."]
    of = (
        f"{shown.examined:,} of {shown.open_tickets:,} open tickets"
        if shown.examined < shown.open_tickets
        else f"{shown.open_tickets:,} open"
    )
    lines = [f"{of}: {shown.earlier:,} become due earlier, {shown.later:,} later, {shown.same:,} stay as they are."]
    if shown.break_now:
        lines.append(f"{shown.break_now:,} would be past their deadline at once.")
    return lines


async def look_first(
    fields: Fields,
    draft: Callable[[], Draft],
    preview: Callable[[Draft], Awaitable[Preview]],
    save: Callable[[Draft, bool], Awaitable[None]],
) -> None:
    """Show what the draft would do, with both ways to save it; what is wrong with it is said at its field."""
    for field in fields.values():
        field.props(remove="error error-message")
    with ui.context.client.content, toast_on_refusal():
        try:
            wanted = draft()
            shown = await preview(wanted)
        except DomainError as refusal:
            if not refuse_at(fields, refusal):
                raise
            return
        ask_and_save("What it would do", shown, partial(save, wanted))


def ask_and_save(title: str, shown: Preview, save: Callable[[bool], Awaitable[None]]) -> None:
    """Show the preview in a dialog with both ways to save: `save(True)` lets open tickets follow."""
    with dialog_card(title) as dialog:
        with ui.element("div").classes("stack").mark("sla-preview"):
            for line in preview_lines(shown):
                ui.label(line)
            if shown.break_now:
                notice("bad", "Their breach is told and escalated within seconds.", title="Some would be broken at once")
            if shown.samples:
                with ui.element("div").classes("rows"):
                    for one in shown.samples:
                        _sample(one)

        async def act(follow: bool) -> None:
            for button in buttons:
                button.disable()
            with toast_on_refusal():
                await save(follow)
                dialog.close()
            for button in buttons:
                enable_again(button)

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            new_only = ui.button("For new tickets", on_click=lambda: act(False)).props("outline color=link").mark("save-new-only")
            buttons = [new_only]
            if shown.open_tickets:
                buttons.append(
                    ui.button("Open ones too", on_click=lambda: act(True)).props("unelevated color=primary").mark("save-open-too")
                )
            else:
                new_only.props("unelevated color=primary", remove="outline color")
    dialog.open()


def _sample(one: Moved) -> None:
    with ui.element("div").classes("item"):
        ui.link(one.reference, f"/console/tickets/{one.reference}").classes("mono")
        ui.label(f"{CLOCK_NAMES[one.clock]} · {one.subject[:60]}" if one.clock else one.subject[:60]).classes("soft small")
        with ui.element("div").classes("end small"):
            if one.breaks_now:
                tone_chip("broken at once", "bad")
            with ui.element("div"):
                moment(one.due_before, otherwise="not due")
                ui.label(" → ").classes("flow")
                moment(one.due_after, otherwise="not due")
            seconds = int(one.shift.total_seconds())
            if seconds:
                ui.label(f"{words.span(abs(seconds))} {'later' if seconds > 0 else 'earlier'}").classes("soft")
