"""Changing many tickets at once from the list: choose, see what would happen to each, do it, and take it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, refuse_at, text_field
from pages.components.parts import notice
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_joining import undo
from pages.ticket_story import HOLD_WORDS
from pages.ticket_words import CATEGORY_WORDS
from services.accounts.permissions import Permission
from services.tickets import bulk, macros
from services.tickets.bulk import BulkChange, BulkPreview, BulkResult
from services.tickets.models import Category, HoldReason, Priority, TicketState
from services.tickets.queries import assignable_staff
from services.tickets.teams import active_teams

_SHOWN = 50
_STATES = (TicketState.OPEN, TicketState.PENDING, TicketState.ON_HOLD, TicketState.RESOLVED, TicketState.CLOSED)
_SAME = ""


class BulkBar:
    """Stands above the list while something is chosen."""

    def __init__(self, changed: Callable[[], Awaitable[None]]) -> None:
        self.picked: list[str] = []
        self._changed = changed
        self._page: Callable[[], list[str]] = list
        with ui.element("div").classes("bulk-bar").mark("bulk-bar") as self._bar:
            self._count = ui.label("").classes("strong").mark("picked")
            ui.button("Choose the whole page", on_click=self._pick_page).props("flat dense no-caps color=link").mark("pick-page")
            ui.button("Choose none", on_click=self._clear).props("flat dense no-caps color=link").mark("pick-none")
            ui.element("div").classes("grow")
            ui.button("Change them", icon="edit", on_click=self._open).props("unelevated color=primary").mark("change-many")
        self._show()

    def offer_page(self, page: Callable[[], list[str]]) -> None:
        """Where the references of the rows that are shown are asked for."""
        self._page = page

    def toggle(self, reference: str) -> None:
        if reference in self.picked:
            self.picked.remove(reference)
        elif len(self.picked) < bulk.MOST:
            self.picked.append(reference)
        self._show()

    def _show(self) -> None:
        self._count.text = f"{len(self.picked)} chosen"
        self._bar.set_visibility(bool(self.picked))

    async def _pick_page(self) -> None:
        self.picked = list(dict.fromkeys((*self.picked, *self._page())))[: bulk.MOST]
        self._show()
        await self._changed()

    async def _clear(self) -> None:
        self.picked = []
        self._show()
        await self._changed()

    async def _open(self) -> None:
        with ui.context.client.content, toast_on_refusal():
            by = await current_staff()
            may_assign = by.may(Permission.TICKETS_ASSIGN)
            people = {one.id: one.name for one in await in_transaction(assignable_staff, actor=by)} if may_assign else {}
            teams = await in_transaction(active_teams, actor=by) if may_assign else {}
            known = {one.id or 0: one.name for one in await in_transaction(macros.list_macros, actor=by)}
            _Form(list(self.picked), people, teams, known, self._done)

    async def _done(self) -> None:
        await self._clear()


class _Form:
    def __init__(
        self,
        references: list[str],
        people: dict[int, str],
        teams: dict[int, str],
        known: dict[int, str],
        done: Callable[[], Awaitable[None]],
    ) -> None:
        self._references, self._done = references, done
        many = f"{len(references)} tickets" if len(references) != 1 else "one ticket"
        with dialog_card(f"Change {many}") as self._dialog:
            ui.label("What you leave empty stays as it is.").classes("soft")
            self._fields: dict[str, Any] = {}
            with ui.element("div").classes("form"):
                if people or teams:
                    self._select("assignee_id", "Assigned to", {bulk.NOBODY: "Nobody", **people}, with_input=True)
                    self._select("team_id", "Team", {bulk.NOBODY: "None", **teams})
                self._select("state", "State", {state.value: words.words_of(state).text for state in _STATES})
                self._select("hold", "On hold for", {reason.value: HOLD_WORDS[reason.value] for reason in HoldReason})
                self._select("priority", "Priority", {level.value: words.words_of(level).text for level in Priority})
                self._select("category", "About", {one.value: text for one, text in CATEGORY_WORDS.items()})
                self._fields["add_tags"] = text_field("Add tags (commas between)", "add-tags", props="maxlength=200")
                self._fields["remove_tags"] = text_field("Take tags off", "remove-tags", props="maxlength=200")
                if known:
                    self._select("macro_id", "Use a macro", known)
                self._fields["merge_into"] = text_field("Merge all of them into", "merge-into", props='maxlength=16 placeholder="T-…"')
            self._confirm = ui.checkbox("Also those of different customers").mark("bulk-confirm")
            self._reason = text_field("Reason (asked for where customers are told)", "reason", props="maxlength=500")
            self._seen = ui.element("div").classes("stack").mark("bulk-preview")
            ui.button("See what would happen", icon="preview", on_click=self._look).props("outline color=link").mark("bulk-look")
            form_buttons(self._dialog, {"reason": self._reason, **self._fields}, yes="Change them", act=self._apply, marker="bulk-apply")
        self._dialog.open()

    def _select(self, name: str, label: str, options: dict[Any, str], *, with_input: bool = False) -> None:
        field = ui.select(options, label=label, value=None, clearable=True, with_input=with_input)
        self._fields[name] = field.props("outlined hide-bottom-space").classes("w-full").mark(f"bulk-{name.replace('_', '-')}")

    def _change(self) -> BulkChange:
        value = {name: field.value for name, field in self._fields.items()}
        return BulkChange(
            assignee_id=value.get("assignee_id"),
            team_id=value.get("team_id"),
            state=TicketState(value["state"]) if value["state"] else None,
            hold=HoldReason(value["hold"]) if value["hold"] else None,
            priority=Priority(value["priority"]) if value["priority"] else None,
            category=Category(value["category"]) if value["category"] else None,
            add_tags=_listed(value["add_tags"]),
            remove_tags=_listed(value["remove_tags"]),
            macro_id=value.get("macro_id"),
            merge_into=(value["merge_into"] or "").strip() or None,
            confirm=bool(self._confirm.value),
        )

    async def _look(self) -> None:
        with toast_on_refusal():
            try:
                found = await in_transaction(
                    bulk.preview, actor=await current_staff(), references=self._references, change=self._change(), now=utc_now()
                )
            except DomainError as refusal:
                if not refuse_at(self._fields, refusal):
                    raise
                return
            self._seen.clear()
            with self._seen:
                _preview(found)

    async def _apply(self) -> None:
        result = await in_transaction(
            bulk.apply,
            actor=await current_staff(),
            references=self._references,
            change=self._change(),
            reason=self._reason.value or "",
            now=utc_now(),
        )
        _told(result, self._done)
        await self._done()


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _preview(found: BulkPreview) -> None:
    if found.tells:
        who = "One customer is" if found.tells == 1 else f"{found.tells} customers are"
        notice("wait", f"{who} told. Say why below “Reason”.")
    with ui.element("div").classes("choices tall"):
        for line in found.lines[:_SHOWN]:
            with ui.element("div").classes("q-pa-sm"):
                ui.label(f"{line.reference} {line.headline}").classes("strong small ellipsis")
                said = line.refusal or "; ".join(line.will) or "is so already"
                ui.label(said).classes("small " + ("late" if line.refusal else "soft"))
    if len(found.lines) > _SHOWN:
        ui.label(f"and {len(found.lines) - _SHOWN} more").classes("soft small")


def _told(result: BulkResult, done: Callable[[], Awaitable[None]]) -> None:
    """What came of it, with the way back beside it for a while."""
    with ui.context.client.content, ui.element("div").classes("undo-toast").props("role=status").mark("bulk-result") as toast:
        ui.label(f"{len(result.done)} changed" + (f", {len(result.refused)} not" if result.refused else ""))
        for one in result.refused[:3]:
            ui.label(f"{one.reference}: {one.why}").classes("small")

        async def back() -> None:
            if result.operation_id is not None:
                await undo(result.operation_id, done)
            toast.delete()

        if result.operation_id is not None:
            ui.button("Undo", on_click=back).props("flat dense no-caps").mark("bulk-undo")
        ui.button(icon="close", on_click=partial(toast.delete)).props('flat dense round aria-label="Close"')
