"""What is promised to customers: the SLA policies in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.parts import action_button, notice, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.components.why_deadline import CLOCK_NAMES, length
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.tickets.models import Priority
from services.tickets.sla import desk
from services.tickets.sla.desk import PolicyView
from services.tickets.sla.terms import CLOCKS

PATH = "/console/sla"
POLICY_PATH = f"{PATH}/policies"
CALENDARS_PATH = f"{PATH}/calendars"


def conditions_text(conditions: Mapping[str, Sequence[str]]) -> str:
    """`priority urgent or high; channel sms`."""
    parts = [f"{name.replace('_', ' ')} {' or '.join(value.replace('_', ' ') for value in values)}" for name, values in conditions.items()]
    return "; ".join(parts) or "every ticket"


def takes_all(views: Sequence[PolicyView]) -> bool:
    """Whether a policy fits every ticket, or policies that ask for nothing but the priority fit every priority."""
    asked = [view.draft.conditions for view in views if view.draft.is_active and view.draft.conditions.keys() <= {"priority"}]
    return any(not conditions for conditions in asked) or {one for conditions in asked for one in conditions["priority"]} >= set(Priority)


def targets_text(view: PolicyView) -> str:
    """`First response 30 min, resolution 4 h`."""
    parts = [f"{CLOCK_NAMES[one].lower()} {length(view.terms.targets[one])}" for one in CLOCKS if one in view.terms.targets]
    return ", ".join(parts).capitalize()


@console_page(PATH, title="SLA", permission=Permission.TICKETS_READ, icon="timer", group="Help", in_navigation=True)
async def sla_page(actor: Principal) -> None:
    with page_header("SLA", lead="What is promised, and by which hours it is counted. The first policy that fits a ticket holds for it."):
        action_button("Calendars", partial(ui.navigate.to, CALENDARS_PATH), icon="calendar_month").mark("to-calendars")
        if actor.may(Permission.DESK_EDIT):
            action_button("New policy", partial(ui.navigate.to, f"{POLICY_PATH}/new"), icon="add", main=True).props("data-key=n").mark(
                "new-policy"
            )
    place = ui.element("div").classes("stack")

    def draw(views: Sequence[PolicyView], by: Principal) -> None:
        place.clear()
        with place:
            if views and not takes_all(views):
                notice("wait", "A ticket that no policy fits is promised nothing. Let the last policy take every ticket.").mark(
                    "no-catch-all"
                )
            with panel(flush=True), ui.element("div").classes("rows").mark("policies"):
                if not views:
                    empty_state("No policies yet", "Nothing is promised, so nothing can be late.", icon="timer_off")
                for number, view in enumerate(views):
                    _row(view, number, views, may_edit=by.may(Permission.DESK_EDIT))

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(desk.list_policies, actor=by), by)

    async def move(ids: list[int]) -> None:
        with toast_on_refusal():
            await in_transaction(desk.put_in_order, actor=await current_staff(), ids=ids, now=utc_now())
            await refresh()

    def _row(view: PolicyView, number: int, views: Sequence[PolicyView], *, may_edit: bool) -> None:
        ids = [one.id for one in views]
        with ui.element("div").classes("item"):
            ui.label(str(number + 1)).classes("soft")
            with ui.element("div").classes("room"):
                ui.link(view.draft.name, f"{POLICY_PATH}/{view.id}").classes("strong")
                ui.label(f"For {conditions_text(view.draft.conditions)}").classes("soft small")
                ui.label(f"{targets_text(view)}; by {view.terms.calendar.name}").classes("small")
            with ui.element("div").classes("end line"):
                if not view.draft.is_active:
                    tone_chip("Not in use", "off")
                ui.label(f"{view.open_tickets:,} open").classes("soft small")
                if may_edit:
                    for step, icon, text in ((-1, "arrow_upward", "Try earlier"), (1, "arrow_downward", "Try later")):
                        if 0 <= number + step < len(ids):
                            button = ui.button(icon=icon, on_click=partial(move, _swapped(ids, number, number + step)), color=None)
                            button.props(f'flat round dense aria-label="{text}: {view.draft.name}"').tooltip(text)

    draw(await in_transaction(desk.list_policies, actor=actor), actor)
    refresh_on(("sla", "tickets"), refresh)


def _swapped(ids: Sequence[int], one: int, other: int) -> list[int]:
    swapped = list(ids)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    return swapped
