"""The bar above the list of vouchers while some are chosen, and what can be done to them together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from pages.batch_bulk import ask_for_bulk
from services.vouchers.batches.bulk import MOST_IDS, BulkAction

_ACTIONS = {BulkAction.BLOCK: "Block", BulkAction.UNBLOCK: "Lift the block", BulkAction.EXPIRE: "Expire"}


class PickBar:
    """Stands above the list while something is chosen."""

    def __init__(self, changed: Callable[[], Awaitable[None]]) -> None:
        self.picked: list[int] = []
        self._changed = changed
        self._page: Callable[[], list[int]] = list
        with ui.element("div").classes("bulk-bar").mark("bulk-bar") as self._bar:
            self._count = ui.label("").classes("strong").mark("picked")
            ui.button("Choose the whole page", on_click=self._pick_page).props("flat dense no-caps color=link").mark("pick-page")
            ui.button("Choose none", on_click=self._clear).props("flat dense no-caps color=link").mark("pick-none")
            ui.element("div").classes("grow")
            for action, text in _ACTIONS.items():
                button = ui.button(text, on_click=lambda action=action: self._ask(action)).props("outline dense no-caps color=link")
                button.mark(f"bulk-{action}")
        self._show()

    def offer_page(self, page: Callable[[], list[int]]) -> None:
        """Where the ids of the rows that are shown are asked for."""
        self._page = page

    def toggle(self, voucher_id: int) -> None:
        if voucher_id in self.picked:
            self.picked.remove(voucher_id)
        elif len(self.picked) < MOST_IDS:
            self.picked.append(voucher_id)
        self._show()

    def _show(self) -> None:
        self._count.text = f"{len(self.picked):,} chosen"
        self._bar.set_visibility(bool(self.picked))

    async def _pick_page(self) -> None:
        self.picked = list(dict.fromkeys((*self.picked, *self._page())))[:MOST_IDS]
        self._show()
        await self._changed()

    async def _clear(self) -> None:
        self.picked = []
        self._show()
        await self._changed()

    async def _ask(self, action: BulkAction) -> None:
        await ask_for_bulk(action, ids=tuple(self.picked), done=self._clear)
