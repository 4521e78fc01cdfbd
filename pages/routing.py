"""The rules by which tickets find their team, in their order, and a box to try them out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.acting import on_the_page
from pages.components.dialogs import confirm
from pages.components.parts import action_button, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.routing_forms import RuleForm
from pages.routing_words import FIELD_LABELS, conditions_in_words, value_words
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.tickets import routing_desk, routing_trial
from services.tickets.routing import Decision
from services.tickets.routing_desk import RuleDraft, RuleView
from services.tickets.routing_rules import Situation
from services.tickets.teams import active_teams

PATH = "/console/routing"
Refresh = Callable[[], Awaitable[None]]
_ANYWHERE = 0


@dataclass(frozen=True)
class _Shown:
    views: tuple[RuleView, ...]
    teams: dict[int, str]
    sites: dict[int, str]


def _load(session: Session, *, actor: Principal) -> _Shown:
    return _Shown(
        routing_desk.list_rules(session, actor=actor),
        active_teams(session, actor=actor),
        routing_trial.sites_to_choose(session, actor=actor),
    )


@console_page(PATH, title="Routing", permission=Permission.TICKETS_READ, icon="alt_route", group="Help", in_navigation=True)
async def routing_page(actor: Principal) -> None:
    header = ui.element("div").classes("full-width")
    with ui.element("div").classes("columns wide-left"):
        place = ui.element("div").classes("stack")
        trial = ui.element("div").classes("stack")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(_load, actor=by), by)

    def draw(shown: _Shown, by: Principal) -> None:
        for part in (header, place):
            part.clear()
        with header:
            _header(shown, by, refresh)
        with place:
            _rules(shown, may_edit=by.may(Permission.DESK_EDIT), refresh=refresh)

    shown = await in_transaction(_load, actor=actor)
    draw(shown, actor)
    with trial:
        await _TryOut(shown.sites).begin()
    refresh_on(("routing", "teams"), refresh)


def _header(shown: _Shown, by: Principal, refresh: Refresh) -> None:
    lead = "The first rule that fits decides, once; a rule that sets the priority does not have the others asked again."
    with page_header("Routing", lead=lead):
        action_button("Teams", partial(ui.navigate.to, "/console/teams"), icon="groups")
        if by.may(Permission.DESK_EDIT) and shown.teams:
            new = partial(RuleForm, None, shown.teams, shown.sites, refresh)
            action_button("New rule", new, icon="add", main=True).props("data-key=n").mark("new-rule")


def _rules(shown: _Shown, *, may_edit: bool, refresh: Refresh) -> None:
    with panel("Rules", aside=str(len(shown.views)) if shown.views else "", flush=True), ui.element("div").classes("rows").mark("rules"):
        if not shown.teams:
            empty_state("No team to route to", "Make a team first; until then every ticket lies with nobody.", icon="groups")
        elif not shown.views:
            empty_state("No rules yet", "Every ticket goes to the first team, to whoever has the least to do.", icon="alt_route")
        for view in shown.views:
            _rule(view, shown, may_edit=may_edit, refresh=refresh)


def _rule(view: RuleView, shown: _Shown, *, may_edit: bool, refresh: Refresh) -> None:
    rule = view.rule
    with ui.element("div").classes("item").mark(f"rule-{view.id}"):
        ui.label(f"{view.place + 1}").classes("faint position")
        with ui.element("div").classes("room"):
            ui.label(rule.name).classes("strong")
            ui.label(conditions_in_words(rule.conditions, shown.sites)).classes("small")
            then = [f"→ {view.team_name}", f"skill “{rule.skill}”" if rule.skill else ""]
            then += [f"priority {words.words_of(rule.set_priority).text.lower()}"] if rule.set_priority else []
            ui.label(", ".join(part for part in then if part)).classes("soft small")
            if view.trouble:
                ui.label(view.trouble).classes("small in-wait").mark(f"trouble-{view.id}")
        with ui.element("div").classes("end line"):
            if not rule.is_active:
                tone_chip("Not in use", "off")
            if may_edit:
                _buttons(view, shown, refresh)


def _buttons(view: RuleView, shown: _Shown, refresh: Refresh) -> None:
    name, last = view.rule.name, len(shown.views) - 1
    up = _icon("arrow_upward", f"Move {name} up", partial(_move, view, view.place - 1, shown, refresh), f"up-{view.id}")
    down = _icon("arrow_downward", f"Move {name} down", partial(_move, view, view.place + 1, shown, refresh), f"down-{view.id}")
    up.set_enabled(view.place > 0)
    down.set_enabled(view.place < last)
    edit = partial(RuleForm, view, shown.teams, shown.sites, refresh)
    _icon("edit", f"Change {name}", edit, f"edit-{view.id}")
    switch = ("pause", f"Take {name} out of use") if view.rule.is_active else ("play_arrow", f"Put {name} in use")
    _icon(*switch, partial(_switch, view, refresh), f"switch-{view.id}")
    _icon("delete", f"Delete {name}", partial(_remove, view, refresh), f"delete-{view.id}")


def _icon(icon: str, label: str, act: Callable[[], Any], marker: str) -> ui.button:
    return ui.button(icon=icon, color=None, on_click=on_the_page(act)).props(f'flat round dense aria-label="{label}"').mark(marker)


async def _move(view: RuleView, to: int, shown: _Shown, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        order = [one.id for one in shown.views]
        order.insert(to, order.pop(view.place))
        would = await in_transaction(routing_trial.preview_order, actor=by, rule_ids=order)
        await in_transaction(routing_desk.move_rule, actor=by, rule_id=view.id, to=to, now=utc_now())
        ui.notify(f"Moved. Of the last {would.looked_at} tickets, {would.other_rule} would have met another rule.", type="positive")
        await refresh()


async def _switch(view: RuleView, refresh: Refresh) -> None:
    rule = view.rule
    with ui.context.client.content, toast_on_refusal():
        draft = RuleDraft(rule.name, rule.team_id, rule.conditions, rule.skill or "", rule.set_priority, not rule.is_active)
        by = await current_staff()
        await in_transaction(routing_desk.save_rule, actor=by, rule_id=view.id, draft=draft, expected_revision=view.revision, now=utc_now())
        ui.notify("Out of use." if rule.is_active else "In use.", type="positive")
        await refresh()


async def _remove(view: RuleView, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        would = await in_transaction(routing_trial.preview, actor=by, rule_id=view.id, draft=None)
        text = f"Of the last {would.looked_at} tickets, {would.other_rule} would have met another rule. Tickets that it gave stay."
        if await confirm(f"Delete “{view.rule.name}”?", text, yes="Delete it", danger=True) is None:
            return
        await in_transaction(routing_desk.remove_rule, actor=by, rule_id=view.id, now=utc_now())
        ui.notify("Deleted.", type="positive")
        await refresh()


class _TryOut:
    """A ticket like this: which rule takes it, and whom it would go to at this moment."""

    def __init__(self, sites: dict[int, str]) -> None:
        with panel("Try it"), ui.element("div").classes("stack near"):
            ui.label("A ticket like this goes to").classes("soft small")
            self._fields: dict[str, ui.select] = {}
            standing = Situation()
            for field, label in FIELD_LABELS.items():
                options: dict[Any, str] = {_ANYWHERE: "Not known"} | sites if field == "site" else dict(value_words(field))
                value = _ANYWHERE if field == "site" else getattr(standing, field)
                chosen = ui.select(options, label=label, value=value, with_input=field == "site", on_change=self.show)
                chosen.props("outlined dense hide-bottom-space").classes("w-full").mark(f"try-{field}")
                self._fields[field] = chosen
            self._found = ui.element("div").classes("stack near").mark("tried")

    async def begin(self) -> None:
        await self.show()

    async def show(self) -> None:
        with toast_on_refusal():
            values = {field: chosen.value for field, chosen in self._fields.items()}
            situation = Situation(**{**values, "site": values["site"] or None})
            by = await current_staff()
            decision = await in_transaction(routing_trial.try_out, actor=by, situation=situation, now=utc_now())
            self._found.clear()
            with self._found:
                _decision(decision)


def _decision(decision: Decision) -> None:
    ui.label(decision.why).classes("strong").mark("tried-why")
    ui.label(f"Priority: {words.words_of(decision.priority).text.lower()}").classes("soft small")
    with ui.element("div").classes("rows"):
        for one in decision.weighed:
            with ui.element("div").classes("item"):
                ui.icon("check" if one.fits else "close").classes("soft")
                ui.label(one.name).classes("strong small" if one.fits else "faint small")
                ui.label(one.reason).classes("soft small end")
