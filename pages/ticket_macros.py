"""Using a macro in a ticket: its words first, what it changes, and what it does not know; nothing is sent unseen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.parts import notice
from pages.macro_words import changes_in_words
from pages.shell import current_staff, toast_on_refusal
from services.tickets import macros
from services.tickets.teams import active_teams


@dataclass(frozen=True)
class Chosen:
    id: int
    name: str


async def macro_choices(begun: str, *, is_note: bool) -> list[Chosen]:
    """Those whose name has these letters, the ones for this kind of words first."""
    found = await in_transaction(macros.list_macros, actor=await current_staff())
    fitting = [one for one in found if begun in one.name.casefold() and (one.is_note == is_note or not one.text)]
    return [Chosen(one.id or 0, one.name) for one in fitting]


async def use_macro(
    macro: Chosen, reference: str, *, expected_revision: str, put: Callable[[str], None], applied: Callable[[], Awaitable[None]]
) -> None:
    """Put plain words into the composer at once; ask first about a macro that changes more than what is said."""
    by = await current_staff()
    filled = await in_transaction(macros.fill, actor=by, macro_id=macro.id, reference=reference)
    if filled.missing:
        names = ", ".join(f"{{{name}}}" for name in filled.missing)
        ui.notify(f"Nothing is known here for {names}: write it yourself.", type="warning", multi_line=True, timeout=6000)
    if not filled.changes:
        put(filled.text)
        return
    teams = await in_transaction(active_teams, actor=by)
    with dialog_card(macro.name) as dialog:
        if filled.text:
            ui.label(filled.text).classes("quoted").mark("macro-text")
        notice("busy", "; ".join(changes_in_words(filled.changes, teams)), title="It also changes")

        def only_words() -> None:
            dialog.close()
            put(filled.text)

        async def all_of_it() -> None:
            with toast_on_refusal():
                await in_transaction(
                    macros.apply,
                    actor=await current_staff(),
                    macro_id=macro.id,
                    reference=reference,
                    expected_revision=expected_revision,
                    now=utc_now(),
                )
                dialog.close()
                ui.notify("Done.", type="positive")
                await applied()

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            if filled.text:
                ui.button("Only the words", on_click=only_words).props("outline color=link").mark("macro-words")
            yes = "Keep and change" if filled.is_note else "Send and change" if filled.text else "Change"
            button = ui.button(yes, on_click=all_of_it).props("unelevated color=primary").mark("macro-apply")
            button.set_enabled(not filled.missing)
    dialog.open()
