"""Macros: prepared answers, one's own and everybody's, with what they change in a ticket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.acting import on_the_page
from pages.components.dialogs import confirm, dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons, text_field
from pages.components.parts import action_button, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.macro_words import changes_in_words
from pages.shell import console_page, current_staff, toast_on_refusal
from pages.ticket_story import HOLD_WORDS
from pages.ticket_words import CATEGORY_WORDS
from services.accounts.permissions import Permission, Principal
from services.tickets import macros
from services.tickets.macros import FIELDS, MacroTerms
from services.tickets.models import HoldReason, Priority, TicketState
from services.tickets.teams import active_teams
from services.tickets.work_models import Macro

PATH = "/console/macros"
_STATES = (TicketState.OPEN, TicketState.PENDING, TicketState.ON_HOLD, TicketState.RESOLVED)
_SAMPLE = {
    "customer_name": "Fatou Ceesay",
    "reference": "T-7K3M9QX",
    "subject": "No connection at the market",
    "place": "Serekunda Market",
    "access_point": "Serekunda 03",
    "payment": "4F7K2M",
    "incident": "I-2041",
    "team": "Care",
}


@console_page(PATH, title="Macros", permission=Permission.TICKETS_EDIT, icon="bolt", group="Help", in_navigation=True)
async def macros_page(actor: Principal) -> None:
    page = _Page(actor)
    await page.reload()


class _Page:
    def __init__(self, actor: Principal) -> None:
        self._actor = actor
        self._teams: Mapping[int, str] = {}
        lead = "Prepared answers. In a ticket they are called by typing / in the answer."
        with page_header("Macros", lead=lead):
            action_button("New macro", lambda: self._form(None), icon="add", main=True).props("data-key=n").mark("new-macro")
        self._box = ui.element("div").classes("stack")

    async def reload(self) -> None:
        self._actor = await current_staff()
        self._teams = await in_transaction(active_teams, actor=self._actor)
        found = await in_transaction(macros.list_macros, actor=self._actor)
        self._box.clear()
        with self._box:
            self._group("Everybody's", [one for one in found if one.owner_id is None], may_edit=self._actor.may(Permission.DESK_EDIT))
            self._group("Mine", [one for one in found if one.owner_id is not None], may_edit=True)

    def _group(self, title: str, found: list[Macro], *, may_edit: bool) -> None:
        with panel(title, aside=f"{len(found)}", flush=True), ui.element("div").classes("rows"):
            if not found:
                empty_state("None yet", "An answer that is given again and again is worth one.", icon="bolt")
            for one in found:
                self._row(one, may_edit=may_edit)

    def _row(self, one: Macro, *, may_edit: bool) -> None:
        with ui.element("div").classes("item"):
            with ui.element("div").classes("macro"):
                ui.label(one.name).classes("strong")
                if one.text:
                    ui.label(one.text).classes("soft small clamp-2")
            if one.is_note:
                tone_chip("Note", "wait")
            for said in changes_in_words(one.changes, self._teams):
                tone_chip(said, "busy")
            with ui.element("div").classes("end row no-wrap"):
                if may_edit:
                    edit = ui.button(icon="edit", color=None, on_click=on_the_page(partial(self._form, one)))
                    edit.props(f'flat round dense aria-label="Change {one.name}"').mark(f"edit-macro-{one.id}")
                    gone = ui.button(icon="delete_outline", color=None, on_click=on_the_page(partial(self._delete, one)))
                    gone.props(f'flat round dense aria-label="Delete {one.name}"').mark(f"delete-macro-{one.id}")

    def _form(self, one: Macro | None) -> None:
        with ui.context.client.content:
            _Form(one, self._actor, self._teams, self.reload)

    async def _delete(self, one: Macro) -> None:
        with ui.context.client.content, toast_on_refusal():
            if await confirm(f"Delete “{one.name}”?", "Answers that were given with it stay.", yes="Delete", danger=True) is None:
                return
            await in_transaction(macros.delete, actor=await current_staff(), macro_id=one.id or 0, now=utc_now())
            ui.notify("Deleted.", type="positive")
            await self.reload()


class _Form:
    """With a preview beside it that follows what is typed."""

    def __init__(self, one: Macro | None, actor: Principal, teams: Mapping[int, str], saved: Callable[[], Awaitable[None]]) -> None:
        self._one, self._agent, self._teams, self._saved = one, actor.name, teams, saved
        before = one.changes if one else {}
        with dialog_card(f"Change “{one.name}”" if one else "New macro") as dialog:
            self._name = text_field("Name", "macro-name", value=one.name if one else "", props="autofocus maxlength=80")
            self._text = ui.textarea("Words", value=one.text if one else "", on_change=self._draw_preview)
            self._text.props(f"outlined autogrow hide-bottom-space maxlength={macros.MAX_TEXT}").classes("w-full").mark("field-macro-text")
            with ui.element("div").classes("offers"):
                for name, what in FIELDS.items():
                    field = ui.button(f"{{{name}}}", on_click=partial(self._insert, name))
                    field.props("outline dense no-caps size=sm color=link").tooltip(what)
            self._preview = ui.label("").classes("quoted").mark("macro-preview")
            self._is_note = ui.switch("Internal note, not for the customer", value=bool(one and one.is_note)).mark("field-is-note")
            with ui.element("div").classes("form"):
                states = {state.value: words.words_of(state).text for state in _STATES}
                self._state = self._select("State", states, before.get("state"), "macro-state")
                holds = {reason.value: HOLD_WORDS[reason.value] for reason in HoldReason}
                self._hold = self._select("On hold for", holds, before.get("hold_reason"), "macro-hold")
                levels = {level.value: words.words_of(level).text for level in Priority}
                self._priority = self._select("Priority", levels, before.get("priority"), "macro-priority")
                about = {category.value: text for category, text in CATEGORY_WORDS.items()}
                self._category = self._select(
                    "About", {str(key): text for key, text in about.items()}, before.get("category"), "macro-category"
                )
                team = before.get("team_id")
                self._team = self._select(
                    "Team", {str(key): name for key, name in teams.items()}, str(team) if team else None, "macro-team"
                )
                self._tags = text_field("Add tags (commas between)", "macro-tags", value=", ".join(before.get("add_tags", ())))
            self._shared = ui.switch("For everybody", value=bool(one and one.owner_id is None)).mark("field-macro-shared")
            self._shared.set_visibility(actor.may(Permission.DESK_EDIT))
            fields = {"name": self._name, "text": self._text, "changes": self._state}
            draft = keep_draft(f"macro:{one.id if one else 'new'}", {"name": self._name, "text": self._text, "tags": self._tags})
            form_buttons(dialog, fields, yes="Keep it", act=self._act, marker="keep-macro", draft=draft)
        self._draw_preview()
        dialog.open()

    def _select(self, label: str, options: dict[str, str], value: str | None, marker: str) -> ui.select:
        field = ui.select(options, label=label, value=value if value in options else None, clearable=True)
        return field.props("outlined hide-bottom-space").classes("w-full").mark(f"field-{marker}")

    def _insert(self, name: str) -> None:
        self._text.value = f"{self._text.value or ''}{{{name}}}"

    def _draw_preview(self) -> None:
        sample = macros.filled(Macro(name="", text=str(self._text.value or "")), {**_SAMPLE, "agent": self._agent})
        unknown = [name for name in sample.missing if name not in FIELDS]
        said = f"\n\nThere is no field {', '.join(f'{{{name}}}' for name in unknown)}." if unknown else ""
        self._preview.text = (sample.text or "The words appear here, filled in with a sample ticket.") + said

    async def _act(self) -> None:
        changes = {
            "state": self._state.value,
            "hold_reason": self._hold.value,
            "priority": self._priority.value,
            "category": self._category.value,
            "team_id": int(self._team.value) if self._team.value else None,
            "add_tags": [part.strip() for part in (self._tags.value or "").split(",") if part.strip()],
        }
        terms = MacroTerms(self._name.value or "", self._text.value or "", bool(self._is_note.value), changes)
        await in_transaction(
            macros.save,
            actor=await current_staff(),
            terms=terms,
            macro_id=self._one.id if self._one else None,
            shared=bool(self._shared.value),
            now=utc_now(),
        )
        ui.notify("Kept.", type="positive")
        await self._saved()
