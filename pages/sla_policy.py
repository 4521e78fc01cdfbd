"""One SLA policy: for whom, what it promises, what stops its clocks, who hears when; and a look at open tickets before it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.disableable_element import DisableableElement

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components.forms import text_field
from pages.components.parts import action_button, notice, page_header, panel
from pages.components.why_deadline import CLOCK_NAMES
from pages.shell import console_page, current_staff
from pages.sla import PATH, POLICY_PATH
from pages.sla_preview import look_first
from pages.sla_steps import StepsEditor
from services.accounts.permissions import Permission, Principal
from services.tickets.sla import calendars, desk
from services.tickets.sla.calendars import CalendarView
from services.tickets.sla.desk import PolicyDraft, PolicyNotFound, PolicyView
from services.tickets.sla.policies import CONDITIONS
from services.tickets.sla.preview import Preview, preview_policy
from services.tickets.sla.terms import CLOCKS, STOPPING

_CONDITION_NAMES = {"priority": "Priority", "category": "Category", "channel": "Channel", "customer_kind": "Customer"}
_STOPPING_NAMES = {
    "pending": "Waiting for the customer",
    "on_hold": "On hold, whatever the reason",
    "on_hold:part": "Waiting for a part",
    "on_hold:third_party": "Waiting for somebody outside",
    "on_hold:site_access": "Waiting to be let in at the site",
    "on_hold:outage": "Waiting for an outage to end",
}
_MINUTE = 60


@console_page(f"{POLICY_PATH}/{{policy_id}}", title="SLA policy", permission=Permission.TICKETS_READ)
async def policy_page(policy_id: str, actor: Principal) -> None:
    if policy_id != "new" and not (policy_id.isascii() and policy_id.isdigit() and len(policy_id) < 18):
        raise PolicyNotFound
    view = None if policy_id == "new" else await in_transaction(desk.one_policy, actor=actor, policy_id=int(policy_id))
    known = await in_transaction(calendars.list_calendars, actor=actor, now=utc_now())
    may_edit = actor.may(Permission.DESK_EDIT)
    with page_header(view.draft.name if view else "New policy", back=(PATH, "SLA")):
        actions = ui.element("div")
    if not known:
        notice("wait", "A policy counts by a calendar. Make one first.", title="No calendar yet")
        return
    if view is not None:
        ui.label(f"Version {view.version}. Open tickets that have this policy: {view.open_tickets:,}.").classes("soft")
    form = _Form(view, known)
    if may_edit:
        with actions:
            action_button("Save …", form.look, icon="visibility", main=True).mark("look")
    else:
        form.lock()


class _Form:
    def __init__(self, view: PolicyView | None, known: Sequence[CalendarView]) -> None:
        self._view = view
        draft = view.draft if view else PolicyDraft("", known[0].id, resolution_seconds=8 * 3600)
        with ui.element("div").classes("columns wide-left"):
            with ui.element("div").classes("stack"):
                self._promises(draft, known)
                with panel("Who hears when"):
                    self._steps = StepsEditor(draft.steps)
            with ui.element("div").classes("stack"):
                self._whom(draft)
                self._what_stops(draft)

    def _promises(self, draft: PolicyDraft, known: Sequence[CalendarView]) -> None:
        with panel("The promise"), ui.element("div").classes("stack"):
            self._name = text_field("Name", "name", value=draft.name, props="maxlength=80")
            options = {one.id: one.draft.name for one in known}
            self._calendar = ui.select(options, label="Counted by", value=draft.calendar_id).props("outlined hide-bottom-space")
            self._calendar.classes("w-full").mark("field-calendar")
            self._minutes = {clock: _minutes(clock, getattr(draft, f"{clock}_seconds")) for clock in CLOCKS}
            ui.label("In minutes of open time; empty promises nothing.").classes("soft small")

    def _whom(self, draft: PolicyDraft) -> None:
        with panel("For which tickets"), ui.element("div").classes("stack"):
            self._conditions = {}
            for name, values in CONDITIONS.items():
                options = {value: value.replace("_", " ").replace("-", " ").capitalize() for value in values}
                chosen = ui.select(options, label=_CONDITION_NAMES[name], value=list(draft.conditions.get(name, [])), multiple=True)
                chosen.props("outlined use-chips hide-bottom-space clearable").classes("w-full").mark(f"field-{name}")
                self._conditions[name] = chosen
            ui.label("Empty means any. It is looked at when a ticket comes, and when its priority, category or customer changes.").classes(
                "soft small"
            )
            self._is_active = ui.switch("In use", value=draft.is_active).mark("field-active")

    def _what_stops(self, draft: PolicyDraft) -> None:
        with panel("What stops the clocks"), ui.element("div").classes("stack"):
            self._pauses = {}
            for state in STOPPING:
                options = {clock: CLOCK_NAMES[clock] for clock in CLOCKS}
                chosen = ui.select(options, label=_STOPPING_NAMES[state], value=list(draft.pauses.get(state, [])), multiple=True)
                chosen.props("outlined use-chips hide-bottom-space clearable").classes("w-full").mark(f"field-pause-{state}")
                self._pauses[state] = chosen
            ui.label("A reason of its own counts before “on hold, whatever the reason”.").classes("soft small")

    def lock(self) -> None:
        locked: tuple[DisableableElement, ...] = (
            self._name,
            self._calendar,
            self._is_active,
            *self._minutes.values(),
            *self._conditions.values(),
            *self._pauses.values(),
        )
        for field in locked:
            field.disable()
        self._steps.lock()

    def draft(self) -> PolicyDraft:
        # A reason of its own that stops nothing differs from one that is not said: only what was chosen is kept.
        return PolicyDraft(
            self._name.value or "",
            int(self._calendar.value),
            {name: list(field.value or []) for name, field in self._conditions.items() if field.value},
            pauses={state: list(field.value) for state, field in self._pauses.items() if field.value},
            steps=self._steps.read(),
            is_active=bool(self._is_active.value),
            **{f"{clock}_seconds": _seconds(clock, field) for clock, field in self._minutes.items()},
        )

    async def look(self) -> None:
        await look_first(self._fields(), self.draft, self._preview, self._save)

    @property
    def _id(self) -> int | None:
        return self._view.id if self._view else None

    async def _preview(self, draft: PolicyDraft) -> Preview:
        return await in_transaction(preview_policy, actor=await current_staff(), policy_id=self._id, draft=draft, now=utc_now())

    async def _save(self, draft: PolicyDraft, follow: bool) -> None:
        kept = await in_transaction(
            desk.save_policy,
            actor=await current_staff(),
            policy_id=self._id,
            draft=draft,
            expected_revision=self._view.revision if self._view else None,
            apply_to_open=follow,
            now=utc_now(),
        )
        ui.navigate.to(f"{POLICY_PATH}/{kept.id}")

    def _fields(self) -> Mapping[str, Any]:
        return {"name": self._name, "calendar": self._calendar, **{f"{clock}_seconds": field for clock, field in self._minutes.items()}}


def _minutes(clock: str, seconds: int | None) -> ui.number:
    field = ui.number(CLOCK_NAMES[clock], value=None if seconds is None else seconds / _MINUTE, min=1, step=15, suffix="min")
    field.props("outlined hide-bottom-space clearable").classes("w-full").mark(f"field-{clock}")
    return field


def _seconds(clock: str, field: ui.number) -> int | None:
    value: float | None = field.value
    if value is None:
        return None
    if not 1 <= value <= 400 * 1440:
        raise InvalidInput("Between one minute and 400 days.", field=f"{clock}_seconds")
    return round(value * _MINUTE)
