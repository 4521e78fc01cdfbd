"""The guide to all pages. Nothing of it but a sentence each is written down here: it is what the console itself goes by."""

from __future__ import annotations

from nicegui import ui

from pages.components.parts import panel, tone_chip
from pages.help.guide import OWN, Listed, groups, listed_pages
from pages.help.parts import PATH, help_page
from pages.shell import console_page
from services.accounts.models import Role
from services.accounts.permissions import Permission, Principal

_GROUP_LEADS = {
    "Start": "where everybody begins",
    "Shop": "what is sold and to whom",
    "Money": "where every dalasi is",
    "Network": "what stands in the field",
    "Help": "the help desk",
    "Administration": "the product itself",
    OWN: "reached by the menu with your name",
}


@console_page(f"{PATH}/navigation", title="Pages", permission=Permission.SELF_EDIT)
async def navigation_guide(actor: Principal) -> None:
    lead = "In the order of the menu. What your role may not open is grey, and says who may."
    with help_page("Pages", lead=lead, here=f"{PATH}/navigation"):
        shown = listed_pages()
        for group in groups(shown):
            with panel(group, aside=_GROUP_LEADS.get(group, ""), flush=True), ui.element("div").classes("rows q-mt-sm"):
                for page in shown:
                    if page.group == group:
                        _row(page, actor)


def _row(page: Listed, actor: Principal) -> None:
    may = actor.may(page.permission)
    is_link = may and page.href is not None
    row = ui.element("a" if is_link else "div").classes(
        "item page-row" + ("" if may else " closed") + ("" if page.is_in_navigation else " inner")
    )
    if is_link:
        row.props(f'href="{page.href}"')
    with row:
        ui.icon(page.icon if may else "lock").classes("page-icon")
        with ui.element("div").classes("words"):
            ui.label(page.name).classes("strong")
            ui.label(page.text).classes("soft small")
        with ui.element("div").classes("who-may"):
            ui.label("Who may open it: ").classes("sr-only")
            if len(page.roles) == len(Role):
                tone_chip("Everybody", "good")
            else:
                for role in page.roles:
                    tone_chip(role.label, "busy" if role is actor.role else "off")
