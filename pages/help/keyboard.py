"""The keys of the console, read from where they are declared."""

from __future__ import annotations

from html import escape

from nicegui import ui

from pages.components.keys import EVERYWHERE, GO, LISTS, Keys
from pages.components.parts import panel
from pages.help.parts import PATH, help_page
from pages.shell import PAGES, console_page
from pages.ticket_keys import ON_BOARD, ON_LIST, ON_TICKET
from services.accounts.permissions import Permission, Principal

_SETS: tuple[tuple[str, Keys], ...] = (
    ("Everywhere", EVERYWHERE),
    ("In a list", LISTS),
    ("In the list of tickets", ON_LIST),
    ("In a ticket", ON_TICKET),
    ("On the board of tickets", ON_BOARD),
)


@console_page(f"{PATH}/keyboard", title="Keyboard", permission=Permission.SELF_EDIT)
async def keyboard_page(actor: Principal) -> None:
    lead = "They work while you are not writing. On any page, ? shows the keys of that page."
    with help_page("Keyboard", lead=lead, here=f"{PATH}/keyboard"), ui.element("div").classes("key-sets"):
        for title, keys in _SETS:
            _set(title, keys)
        _set("Go to a page: g, then a letter", _ways(actor))


def _ways(actor: Principal) -> Keys:
    """Of the pages that this person may open."""
    known = [(PAGES[path], letter) for path, letter in GO.items() if path in PAGES]
    return [(f"g {letter}", page.title) for page, letter in known if page.permission is not None and actor.may(page.permission)]


def _set(title: str, keys: Keys) -> None:
    with panel(title), ui.element("dl").classes("facts keys"):
        for key, what in keys:
            with ui.element("dt"):
                for part in key.split(" "):
                    ui.html(escape(part), tag="kbd", sanitize=False)
            with ui.element("dd"):
                ui.label(what)
