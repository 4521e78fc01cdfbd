"""The bar above a list while rows of it are chosen: what can be done to all of them, and the way back from what was done last."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from weakref import ReferenceType, ref

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.bulk_asked import draw_asked
from pages.components.bulk_dialog import BulkDialog, Spoken, show_result
from pages.components.parts import moment, notice
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Principal
from services.console.bulk import agreeing, undoing
from services.console.bulk.four_eyes import TOPIC
from services.console.bulk.models import RowState
from services.console.bulk.outcome import Outcome
from services.console.bulk.registry import action_named, actions_of
from services.console.bulk.service import MOST
from services.console.bulk.shape import Action


def bulk_of(page: str, actor: Principal, *, spoken: Spoken | None = None) -> Bulk | None:
    """What this person may do to many rows of this list; None for whom there is nothing, and no boxes stand before the rows."""
    found = actions_of(page, actor)
    return Bulk(page, found, spoken or {}) if found else None


class Bulk:
    """Keeps which rows are chosen: by their ids, here on the server, so that neither paging nor live news lose them.

    `spoken` are the page's own words for what can be chosen in a form, by the enum.
    """

    def __init__(self, page: str, actions: Collection[Action[Any]], spoken: Mapping[type, Mapping[Any, str]]) -> None:
        self._page, self._actions, self._spoken = page, actions, spoken
        self._picked: dict[int, None] = {}
        self._held: ReferenceType[ServerTable] | None = None

    @property
    def picked(self) -> Collection[int]:
        return self._picked.keys()

    @property
    def _table(self) -> ServerTable | None:
        return self._held() if self._held else None

    def draw(self, table: ServerTable) -> None:
        self._held = ref(table)  # which holds this bar
        with ui.element("div").classes("bulk-bar").props(f'role=region aria-label="Chosen {self._page}"').mark("bulk-bar") as self._bar:
            self._count = ui.label().classes("strong").props("role=status").mark("picked")
            for action in self._actions:
                button = ui.button(f"{action.label} …", on_click=partial(self._ask, action))
                button.props(f"outline dense no-caps color={'danger' if action.is_grave else 'link'}").mark(f"bulk-{action.name}")
            ui.element("div").classes("grow")
            for text, act, marker in (
                ("Choose the page", self._pick_page, "pick-page"),
                ("Choose all that match", self._pick_all, "pick-all"),
                ("Clear", self._clear, "pick-none"),
            ):
                ui.button(text, on_click=act).props("flat dense no-caps color=link").mark(marker)
        self._waiting = ui.element("div").classes("stack near")
        self._last = ui.element("div").classes("w-full")
        refresh_on((TOPIC,), self._find_last)
        self._show()
        # What was done before a reload can still be taken back. Not by a timer: one that waits for the browser has the page sent at once,
        # before its rows are there.
        ui.context.client.on_connect(self._find_last)

    def toggle(self, row_id: Any) -> None:
        number = int(row_id)
        if number in self._picked:
            del self._picked[number]
        elif len(self._picked) < MOST:
            self._picked[number] = None
        else:
            ui.notify(f"At most {MOST:,} are changed at once.", type="warning")
        self._show()

    def _show(self) -> None:
        self._count.text = f"{len(self._picked):,} picked"
        self._bar.set_visibility(bool(self._picked))

    def _pick(self, numbers: Collection[int]) -> None:
        self._picked = dict.fromkeys([*self._picked, *numbers][:MOST])
        self._show()
        if table := self._table:
            table.show_again()

    def _pick_page(self) -> None:
        if table := self._table:
            self._pick([int(row["id"]) for row in table.rows if row.get("pick") is not None])

    async def _pick_all(self) -> None:
        if (table := self._table) is None:
            return
        with toast_on_refusal():
            numbers, is_more = await table.numbers(MOST)
            self._picked = {}
            self._pick(numbers)
            if is_more:
                ui.notify(f"Of the first {MOST:,} rows: no more are changed at once. Narrow the list.", type="warning")

    def _clear(self) -> None:
        self._picked = {}
        self._pick(())

    async def _ask(self, action: Action[Any]) -> None:
        with toast_on_refusal():
            await BulkDialog(action, list(self._picked), self._spoken, self._done).open()

    async def _done(self, outcome: Outcome) -> None:
        """Something was done, taken back or asked for: the list shows it, and what can be taken back, or waits, stands above it."""
        self._clear()
        await self._find_last()
        self._show_last(outcome)
        if table := self._table:
            await table.reload()

    async def _find_last(self) -> None:
        with silent_on_refusal():
            by = await current_staff()
            self._show_last(await in_transaction(undoing.latest, actor=by, page=self._page, now=utc_now()))
            waiting = await in_transaction(agreeing.asked, actor=by, page=self._page)
            self._waiting.clear()
            with self._waiting:
                draw_asked(waiting, self._done)

    def _show_last(self, outcome: Outcome | None) -> None:
        self._last.clear()
        if outcome is None or outcome.undo_until is None:
            return
        action = action_named(outcome.action)
        number = len(outcome.those(RowState.DONE))
        one, many = action.things
        said = f"{action.label}: {number:,} {one if number == 1 else many} changed."
        with self._last, notice("busy", said).props("role=status").mark("bulk-last"):
            ui.element("div").classes("grow")
            with ui.element("span").classes("soft small"):
                ui.label("can be taken back for").classes("inline")
                moment(outcome.undo_until, mode="left")
            button = ui.button("Undo …", icon="undo", on_click=lambda: show_result(outcome, self._done))
            button.props("outline dense no-caps color=link").mark("bulk-last-undo")
