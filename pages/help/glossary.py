"""The words on the screen and what they mean, each once."""

from __future__ import annotations

from nicegui import ui

from pages.components.parts import panel
from pages.help.finding import anchor
from pages.help.parts import PATH, help_page
from pages.help.terms import TERMS
from pages.shell import console_page
from services.accounts.permissions import Permission


@console_page(f"{PATH}/words", title="Words", permission=Permission.SELF_EDIT)
async def words_page() -> None:
    lead = "The product uses each of these words for one thing only, on the screen, in messages and in reports."
    with help_page("Words", lead=lead, here=f"{PATH}/words"), panel(), ui.element("dl").classes("terms"):
        for term in sorted(TERMS, key=lambda one: one.name.casefold()):
            with ui.element("dt").props(f"id={anchor(term.name)}"):
                ui.label(term.name)
            with ui.element("dd"):
                ui.label(term.meaning)
