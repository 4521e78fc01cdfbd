"""The jobs that are done most: all of them by role, and each step by step with its pictures."""

from __future__ import annotations

from nicegui import ui

from app.errors import NotFound
from pages.components.parts import notice, panel, tone_chip
from pages.help.journeys import BY_ID, JOURNEYS, Journey, journeys_of
from pages.help.parts import PATH, help_page, spoken, step_picture, way_card
from pages.help.role_guides import BY_ROLE, GUIDES
from pages.shell import console_page
from services.accounts.permissions import Permission

ALL = f"{PATH}/journeys"


class NoSuchJourney(NotFound):
    code, title, message = "no_such_journey", "No such job", "The help has no job of that name."


@console_page(ALL, title="Jobs step by step", permission=Permission.SELF_EDIT)
async def journeys_list() -> None:
    lead = "What each role does most. A machine walks every one of them before a release, and takes the pictures on the way."
    with help_page("Jobs step by step", lead=lead, here=ALL):
        for guide in GUIDES:
            with panel(guide.role.label), ui.element("div").classes("ways"):
                for journey in journeys_of(guide.role):
                    way_card(f"{ALL}/{journey.id}", guide.icon, journey.title, journey.why)


@console_page(f"{ALL}/{{journey}}", title="A job step by step", permission=Permission.SELF_EDIT)
async def journey_page(journey: str) -> None:
    found = BY_ID.get(journey)
    if found is None:
        raise NoSuchJourney
    with help_page(found.title, lead=found.why, here=ALL):
        guide = BY_ROLE[found.role]
        with ui.element("div").classes("line"):
            ui.link(guide.role.label, f"{PATH}/roles/{guide.slug}")
            tone_chip(f"{len(found.steps)} steps", "off")
        _steps(found)
        notice("good", found.ends, title="It is done when")
        _next(found)


def _steps(journey: Journey) -> None:
    with ui.element("ol").classes("walk"):
        for number, step in enumerate(journey.steps, 1):
            with ui.element("li").classes("panel"):
                with ui.element("div").classes("step"):
                    ui.label(str(number)).classes("number").props("aria-hidden=true")
                    spoken(step.text)
                if step.picture:
                    step_picture(journey, number)


def _next(journey: Journey) -> None:
    others = [one for one in JOURNEYS if one.role is journey.role and one is not journey]
    if others:
        with panel(f"More for {journey.role.label}"), ui.element("div").classes("ways"):
            for one in others:
                way_card(f"{ALL}/{one.id}", "route", one.title, one.why)
