"""Where the help begins: a search, what the own role does most, and the ways to everything else."""

from __future__ import annotations

from nicegui import ui

from pages.components.parts import panel, tone_chip
from pages.components.states import empty_state
from pages.help.finding import Entry, find
from pages.help.journeys import journeys_of
from pages.help.parts import PATH, help_page, way_card
from pages.help.role_guides import BY_ROLE
from pages.shell import console_page, query_address
from services.accounts.permissions import Permission, Principal


@console_page(PATH, title="Help", permission=Permission.SELF_EDIT)
async def help_index(actor: Principal, q: str = "") -> None:
    with help_page("Help", lead="What the console can do, in plain words and with pictures.", here=PATH):
        field = ui.input("What are you looking for?", value=q[:80]).props('outlined type=search debounce=200 maxlength=80 data-key="/"')
        field.classes("help-search").mark("help-search")
        with field.add_slot("prepend"):
            ui.icon("search")
        results = ui.element("div").props("aria-live=polite").classes("w-full").mark("help-results")
        with ui.element("div").classes("stack") as rest:
            _own_role(actor)
            _ways()

    def show(asked: str) -> None:
        results.clear()
        rest.set_visibility(not asked.strip())
        with results:
            if asked.strip():
                _results(asked, find(asked))

    def typed() -> None:
        asked = field.value or ""
        show(asked)
        ui.navigate.history.replace(query_address(PATH, {"q": asked} if asked else {}))

    show(field.value or "")
    field.on_value_change(typed)


def _results(asked: str, found: list[Entry]) -> None:
    with panel(f"Found for “{asked.strip()}”", aside=str(len(found)), flush=True):
        if not found:
            empty_state("Nothing", "Try another word, or ask a System Admin.", icon="search_off")
        with ui.element("div").classes("rows q-mt-sm"):
            for entry in found:
                with ui.element("a").classes("item").props(f'href="{entry.href}"'):
                    ui.label(entry.title).classes("strong")
                    with ui.element("div").classes("end"):
                        tone_chip(entry.kind, "off")
                    ui.label(entry.text).classes("soft small full-width")


def _own_role(actor: Principal) -> None:
    if actor.role is None:
        return
    guide = BY_ROLE[actor.role]
    with panel(f"For you as {guide.role.label}"), ui.element("div").classes("ways"):
        way_card(f"{PATH}/roles/{guide.slug}", guide.icon, "Your working day", guide.summary)
        for journey in journeys_of(actor.role):
            way_card(f"{PATH}/journeys/{journey.id}", "route", journey.title, journey.why)


def _ways() -> None:
    with panel("Everything else"), ui.element("div").classes("ways"):
        way_card(f"{PATH}/navigation", "explore", "Pages", "Each page, what it is for, and who may open it.")
        way_card(f"{PATH}/roles", "groups", "Roles", "What each role does all day, and what it may do.")
        way_card(f"{PATH}/journeys", "route", "Jobs step by step", "What is done most, with pictures of each step.")
        way_card(f"{PATH}/words", "menu_book", "Words", "What the words on the screen mean.")
        way_card(f"{PATH}/keyboard", "keyboard", "Keyboard", "The keys that save the mouse.")
        way_card(f"{PATH}/architecture", "schema", "How it is built", "The parts of the product and how they work together, drawn.")
