"""The steps of doing something to many rows: what is asked, what would happen to each, what happened to each, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import uuid4

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction, transaction
from app.errors import DomainError, InvalidInput
from pages.components import words
from pages.components.dialogs import dialog_card, enable_again
from pages.components.forms import refuse_at, text_field
from pages.components.parts import moment, notice
from pages.components.prove import proven_staff
from pages.components.words import Tone
from pages.shell import current_staff, toast_on_refusal
from services.console.bulk import service, undoing
from services.console.bulk.models import RowState
from services.console.bulk.outcome import Outcome, RowOutcome
from services.console.bulk.registry import action_named
from services.console.bulk.service import LONGEST_REASON, MOST_ALONE, Preview
from services.console.bulk.shape import Action, Ask, Line, Question

Spoken = Mapping[type, Mapping[Any, str]]
Told = Callable[[Outcome], Awaitable[None]]
# Of more, the counts say enough.
_SHOWN = 100
_TONES: Mapping[RowState, Tone] = {
    RowState.DONE: "good",
    RowState.SAME: "off",
    RowState.REFUSED: "bad",
    RowState.UNDONE: "good",
    RowState.KEPT: "wait",
    RowState.WAITING: "busy",
}
_STATES = {
    RowState.DONE: "changed",
    RowState.SAME: "so already",
    RowState.REFUSED: "not changed",
    RowState.UNDONE: "taken back",
    RowState.KEPT: "stays",
    RowState.WAITING: "waits",
}


class BulkDialog:
    """One wish for these rows, from its questions to its result. `told` hears what became of it."""

    def __init__(self, action: Action[Any], row_ids: Sequence[int], spoken: Spoken, told: Told) -> None:
        self._action, self._ids, self._spoken, self._told = action, list(row_ids), spoken, told
        self._answers: dict[str, str] = {}
        self._fields: dict[str, Any] = {}
        self._key, self._turned = "", 0

    async def open(self) -> None:
        """Raises what the action refuses."""
        asked = await in_transaction(service.questions, actor=await current_staff(), action=self._action.name)
        shown = None if asked else await self._look()
        with dialog_card(f"{self._action.label}: {many(self._action, len(self._ids))}", is_wide=True) as self._dialog:
            ui.label(self._action.meaning).classes("soft")
            self._body = ui.element("div").classes("stack w-full")
        self._asked = asked
        if shown is None:
            self._draw_questions()
        else:
            self._draw_preview(shown)
        self._dialog.open()

    def _draw_questions(self) -> None:
        self._body.clear()
        with self._body:
            with ui.element("div").classes("form"):
                self._fields = {question.name: self._field(question) for question in self._asked if question.ask is not Ask.YES}
            self._fields |= {question.name: self._field(question) for question in self._asked if question.ask is Ask.YES}
            self._buttons("See what would happen", self._go_on, marker="bulk-look")

    def _field(self, question: Question) -> Any:
        known, marker = self._answers.get(question.name, ""), f"bulk-{question.name.replace('_', '-')}"
        if question.ask is Ask.YES:
            return ui.checkbox(question.label, value=known == "yes").mark(marker)
        if question.ask is Ask.CHOICE:
            options = dict(question.choices) | {member.value: self._spell(member) for member in question.of}
            field = ui.select(options, label=question.label, value=known or None, clearable=True, with_input=len(options) > 12)
            return field.props("outlined hide-bottom-space").classes("w-full").mark(marker)
        hint = f'hint="{question.hint}"' if question.hint else ""
        return text_field(question.label, question.name.replace("_", "-"), value=known, props=f"maxlength={question.longest} {hint}")

    def _spell(self, member: StrEnum) -> str:
        own = self._spoken.get(type(member), {})
        return own.get(member) or own.get(member.value) or words.words_of(member).text

    async def _go_on(self) -> None:
        values = {name: field.value for name, field in self._fields.items()}
        self._answers = {name: "yes" if value is True else str(value).strip() for name, value in values.items() if value}
        self._draw_preview(await self._look())

    async def _look(self) -> Preview:
        by = await current_staff()
        return await in_transaction(
            service.preview, actor=by, action=self._action.name, row_ids=self._ids, answers=self._answers, clock=utc_now
        )

    def _draw_preview(self, shown: Preview) -> None:
        # One wish, one key: what is sent twice is done once. Other answers are another wish.
        self._key = uuid4().hex
        changing = len(shown.changing)
        self._body.clear()
        with self._body:
            self._say(f"{changing:,} of {many(self._action, len(shown.lines))} will change", marker="bulk-preview")
            if shown.tells:
                who = "One customer is" if shown.tells == 1 else f"{shown.tells:,} customers are"
                notice("wait", f"{who} told.")
            if self._action.stays and changing:
                notice("wait", self._action.stays, title="This cannot be taken back")
            if shown.needs_second:
                notice("wait", f"One person alone may do this to {MOST_ALONE} at most: you ask for it, and somebody else agrees.")
            list_rows([*shown.changing, *shown.staying], _draw_line)
            self._fields = {}
            if not changing:
                notice("off", "Nothing would change.")
            else:
                hint = "it stands in the history of each" if shown.needs_reason or shown.needs_second else "may stay empty"
                self._fields = {"reason": text_field("Reason", "reason", props=f'maxlength={LONGEST_REASON} hint="{hint}"')}
            yes = "Ask for it" if shown.needs_second else self._action.label
            self._buttons(yes if changing else "", self._apply, marker="bulk-apply", is_grave=self._action.is_grave)

    def _buttons(self, yes: str, act: Callable[[], Awaitable[None]], *, marker: str, is_grave: bool = False) -> None:
        """Away, back to the questions, and on; what is refused is said at its field."""
        fields = dict(self._fields)

        async def press() -> None:
            for field in fields.values():
                field.props(remove="error error-message")
            button.disable()
            # The page outlives the dialog, which is gone before the list is loaded anew.
            with ui.context.client.content, toast_on_refusal():
                try:
                    await act()
                except DomainError as refusal:
                    if not refuse_at(fields, refusal):
                        raise
            enable_again(button)

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=self._dialog.close).props("flat color=link")
            if self._asked and marker != "bulk-look":
                ui.button("Back", on_click=self._draw_questions).props("flat color=link").mark("bulk-back")
            if yes:
                button = ui.button(yes, on_click=press).props(f"unelevated color={'negative' if is_grave else 'primary'}").mark(marker)
                self._progress = ui.label().classes("soft small").props("role=status")

    async def _apply(self) -> None:
        by = await (proven_staff() if self._action.needs_proof else current_staff())
        if by is None:
            raise InvalidInput("You did not prove who you are, so nothing was changed.", field="reason")
        work = partial(
            service.run,
            transaction,
            actor=by,
            action=self._action.name,
            row_ids=self._ids,
            answers=self._answers,
            reason=self._fields["reason"].value or "",
            key=self._key,
            clock=utc_now,
            heard=self._hear,
        )
        self._dialog.props("persistent")
        with self._body:
            # Rows are changed on a thread, which may not touch the page: it is looked at from here.
            watch = ui.timer(0.5, self._show_turned)
        try:
            outcome = await anyio.to_thread.run_sync(work)
        finally:
            if not self._dialog.is_deleted:
                self._dialog.props(remove="persistent")
                watch.cancel()
        if self._dialog.is_deleted:
            return  # the page was left meanwhile; the next one shows the way back
        self._dialog.close()
        show_result(outcome, self._told)
        await self._told(outcome)

    def _hear(self, done: int, _: int) -> None:
        self._turned = done

    def _show_turned(self) -> None:
        self._progress.text = f"{self._turned:,} of {len(self._ids):,}"

    def _say(self, text: str, *, marker: str) -> None:
        with ui.element("h3").props("tabindex=-1") as heading:
            ui.label(text).mark(marker)
        # The button that was pressed is gone: whoever uses the keyboard, or cannot see, goes on from here.
        ui.run_javascript(f"setTimeout(() => document.getElementById('{heading.html_id}')?.focus(), 100)")


def show_result(outcome: Outcome, told: Told) -> None:
    """What became of each row, and the way back as long as there is one. `told` hears of the way back."""
    action = action_named(outcome.action)
    title = "It waits for a second person" if outcome.is_asked else _counted(outcome)
    with ui.context.client.content, dialog_card(title, is_wide=True) as dialog:
        dialog.mark("bulk-result")
        order = (RowState.REFUSED, RowState.KEPT, RowState.WAITING, RowState.DONE, RowState.UNDONE, RowState.SAME)
        list_rows([row for state in order for row in outcome.those(state)], _draw_row)
        if outcome.undo_until is not None:
            with ui.element("span").classes("soft small"):
                ui.label("It can be taken back for").classes("inline")
                moment(outcome.undo_until, mode="left")
        elif action.stays and outcome.those(RowState.DONE):
            ui.label(action.stays).classes("soft small")

        async def back() -> None:
            undo.disable()
            with ui.context.client.content, toast_on_refusal():
                by = await current_staff()
                work = partial(undoing.undo, transaction, actor=by, operation_id=outcome.operation_id, clock=utc_now)
                after = await anyio.to_thread.run_sync(work)
                dialog.close()
                show_result(after, told)
                await told(after)
            enable_again(undo)

        with ui.element("div").classes("buttons"):
            if outcome.undo_until is not None:
                undo = ui.button("Undo", icon="undo", on_click=back).props("outline color=link").mark("bulk-undo")
            ui.button("Done", on_click=dialog.close).props("unelevated color=primary autofocus").mark("done")
    dialog.open()


def _counted(outcome: Outcome) -> str:
    counts = outcome.counts
    said = [f"{counts[state]:,} {text}" for state, text in _STATES.items() if counts.get(state)]
    return ", ".join(said) or "Nothing was changed"


def many(action: Action[Any], number: int) -> str:
    """`one session` and `1,000 sessions`."""
    one, several = action.things
    return f"one {one}" if number == 1 else f"{number:,} {several}"


def list_rows(rows: Sequence[Any], draw: Callable[[Any], None]) -> None:
    """One below the other; of very many the first."""
    with ui.element("div").classes("choices tall").props('tabindex=0 role=group aria-label="Row by row"'):
        for row in rows[:_SHOWN]:
            draw(row)
    if len(rows) > _SHOWN:
        ui.label(f"and {len(rows) - _SHOWN:,} more").classes("soft small")


def _draw_line(line: Line) -> None:
    said = line.why_not or "; ".join(line.will) or "is so already"
    _draw(line.name, "will change" if line.changes else "stays", "good" if line.changes else "off", said)


def _draw_row(row: RowOutcome) -> None:
    _draw(row.name, _STATES[row.state], _TONES[row.state], row.said)


def _draw(name: str, state: str, tone: Tone, said: str) -> None:
    with ui.element("div").classes("q-pa-sm"):
        with ui.element("div").classes("line"):
            ui.label(name).classes("strong small ellipsis")
            ui.label(state).classes(f"chip tone-{tone}")
        if said:
            ui.label(said).classes("small soft")
