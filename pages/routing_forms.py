"""The form of one rule, with what it would have done to the last tickets shown before it is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, refuse_at, text_field
from pages.components.parts import action_button
from pages.routing_words import FIELD_LABELS, value_words
from pages.shell import current_staff, toast_on_refusal
from services.tickets import routing_desk, routing_trial
from services.tickets.models import Priority
from services.tickets.routing_desk import RuleDraft, RuleView
from services.tickets.routing_rules import TEAM_LESS
from services.tickets.routing_trial import Trial

Refresh = Callable[[], Awaitable[None]]
_AS_IT_IS = ""


class RuleForm:
    """Opens at once. `teams` and `sites` are what may be chosen, by their numbers."""

    def __init__(self, view: RuleView | None, teams: dict[int, str], sites: dict[int, str], refresh: Refresh) -> None:
        self._view, self._refresh = view, refresh
        rule = view.rule if view else None
        conditions = dict(rule.conditions) if rule else {}
        with dialog_card(f"Change “{rule.name}”" if rule else "New rule") as dialog:
            self._name = text_field("Name", "name", value=rule.name if rule else "", props="maxlength=120 autofocus")
            ui.label("It takes tickets of which all this is so. What is left empty is not asked.").classes("soft small")
            self._asked = {field: self._select(field, conditions, sites) for field in FIELD_LABELS}
            self._team_less = ui.switch("Only with no team yet", value=bool(conditions.get(TEAM_LESS))).mark("field-team-less")
            self._team = ui.select(teams, label="Team", value=rule.team_id if rule and rule.team_id in teams else None)
            self._team.props("outlined hide-bottom-space").classes("w-full").mark("field-team")
            skill = rule.skill or "" if rule else ""
            self._skill = text_field("Only to who has the skill", "skill", value=skill, props='maxlength=40 hint="Empty: anybody of it"')
            urgency = {_AS_IT_IS: "As it is"} | value_words("priority")
            self._priority = ui.select(
                urgency, label="Priority becomes", value=rule.set_priority.value if rule and rule.set_priority else ""
            )
            self._priority.props('outlined hint="What is high or urgent is never lowered"').classes("w-full").mark("field-set-priority")
            self._active = ui.switch("In use", value=rule.is_active if rule else True).mark("field-active")
            self._shown = ui.element("div").classes("stack tight").mark("rule-preview")
            action_button("See what it would have done", self._look, icon="visibility").mark("look")
            form_buttons(dialog, self._fields, yes="Save", act=self._save, marker="save-rule")
        dialog.open()

    def _select(self, field: str, conditions: dict[str, Any], sites: dict[int, str]) -> ui.select:
        options: dict[Any, str] = dict(sites) if field == "site" else dict(value_words(field))
        options |= {one: f"place {one}" for one in conditions.get("site", ()) if field == "site" and one not in sites}
        chosen = ui.select(options, label=FIELD_LABELS[field], value=list(conditions.get(field, [])), multiple=True)
        chosen.props("outlined use-chips hide-bottom-space").classes("w-full").mark(f"field-{field}")
        if field == "site":
            chosen.set_visibility(bool(options))
        return chosen

    @property
    def _fields(self) -> dict[str, Any]:
        return {"name": self._name, "team_id": self._team, "skill": self._skill, **self._asked}

    def _draft(self) -> RuleDraft:
        conditions: dict[str, Any] = {field: list(chosen.value or []) for field, chosen in self._asked.items() if chosen.value}
        if self._team_less.value:
            conditions[TEAM_LESS] = True
        return RuleDraft(
            name=self._name.value or "",
            team_id=self._team.value,
            conditions=conditions,
            skill=self._skill.value or "",
            set_priority=Priority(self._priority.value) if self._priority.value else None,
            is_active=bool(self._active.value),
        )

    async def _look(self) -> None:
        for field in self._fields.values():
            field.props(remove="error error-message")
        with toast_on_refusal():
            try:
                by = await current_staff()
                rule_id = self._view.id if self._view else None
                shown = await in_transaction(routing_trial.preview, actor=by, rule_id=rule_id, draft=self._draft())
            except DomainError as refusal:
                if not refuse_at(self._fields, refusal):
                    raise
                return
            self._shown.clear()
            with self._shown:
                trial_lines(shown)

    async def _save(self) -> None:
        await in_transaction(
            routing_desk.save_rule,
            actor=await current_staff(),
            rule_id=self._view.id if self._view else None,
            draft=self._draft(),
            expected_revision=self._view.revision if self._view else None,
            now=utc_now(),
        )
        ui.notify("Saved. It counts for tickets that come from now on.", type="positive")
        await self._refresh()


def trial_lines(shown: Trial) -> None:
    """What a change would have done, in words, with some of the tickets."""
    if not shown.looked_at:
        ui.label("There is no ticket yet to try it on.")
        return
    if not shown.other_rule:
        ui.label(f"Of the last {shown.looked_at} tickets, none would have gone another way.")
        return
    ui.label(f"Of the last {shown.looked_at} tickets, {shown.other_rule} would have met another rule; {shown.moved} another team.")
    with ui.element("div").classes("rows"):
        for one in shown.samples:
            with ui.element("div").classes("item"):
                ui.link(one.reference, f"/console/tickets/{one.reference}").classes("mono").props("target=_blank")
                ui.label(one.subject).classes("small ellipsis")
                way = f"{one.team_before} → {one.team_after}" if one.team_before != one.team_after else f"stays with {one.team_after}"
                ui.label(way).classes("end small soft")
