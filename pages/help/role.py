"""A working day in each role: what it comes for, what it asks, its jobs step by step, and what it may do."""

from __future__ import annotations

from nicegui import ui

from app.errors import NotFound
from pages.components.parts import panel
from pages.help.guide import listed_pages
from pages.help.journeys import journeys_of
from pages.help.parts import PATH, help_page, spoken, way_card
from pages.help.role_guides import BY_SLUG, GUIDES, RoleGuide
from pages.roles import WORDS
from pages.shell import console_page
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal

ROLES = f"{PATH}/roles"


class NoSuchGuide(NotFound):
    code, title, message = "no_such_guide", "No such guide", "There is no guide of that name."


@console_page(ROLES, title="Roles and their day", permission=Permission.SELF_EDIT)
async def roles_guide(actor: Principal) -> None:
    lead = "Everybody has one role. It decides which pages are in the menu and what can be done there."
    with help_page("Roles", lead=lead, here=ROLES), panel(), ui.element("div").classes("ways"):
        for guide in GUIDES:
            name = f"{guide.role.label} (you)" if guide.role is actor.role else guide.role.label
            way_card(f"{ROLES}/{guide.slug}", guide.icon, name, guide.summary)


@console_page(f"{ROLES}/{{role}}", title="A role's guide", permission=Permission.SELF_EDIT)
async def role_guide(role: str) -> None:
    guide = BY_SLUG.get(role)
    if guide is None:
        raise NoSuchGuide
    with help_page(guide.role.label, lead=guide.summary, here=ROLES), ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            _lines("A working day", guide.day, ordered=True)
            _lines("What people ask", guide.rules, ordered=False)
            _jobs(guide)
        with ui.element("div").classes("stack"):
            _pages(guide.role)
            _rights(guide.role)


def _lines(title: str, lines: tuple[str, ...], *, ordered: bool) -> None:
    with panel(title), ui.element("ol" if ordered else "ul").classes("said"):
        for line in lines:
            with ui.element("li"):
                spoken(line)


def _jobs(guide: RoleGuide) -> None:
    with panel("Jobs step by step"), ui.element("div").classes("ways"):
        for journey in journeys_of(guide.role):
            way_card(f"{PATH}/journeys/{journey.id}", "route", journey.title, journey.why)


def _pages(role: Role) -> None:
    names = [page.name for page in listed_pages() if page.is_in_navigation and role in page.roles]
    with panel("In the menu", aside=str(len(names))):
        ui.label(" · ".join(names)).classes("soft")


def _rights(role: Role) -> None:
    held = [WORDS[permission] for permission in Permission if permission in ROLE_PERMISSIONS[role]]
    with panel("May do", aside=str(len(held))), ui.element("ul").classes("said small"):
        for words in held:
            with ui.element("li"):
                ui.label(words)
