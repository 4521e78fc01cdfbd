"""Under a list: which rows of how many are shown, and the way to others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nicegui import ui

from pages.components.list_filters import Go
from pages.components.list_state import PAGE_SIZES, ListState
from services.listing import COUNT_CAP, Listing


class Pager:
    """A list that is only a part of its page (`may_hide`) has none as long as it fits as a whole."""

    def __init__(self, marker: str, state: ListState, *, go: Go, may_hide: bool) -> None:
        self._state, self._go, self._may_hide = state, go, may_hide
        with ui.element("div").classes("pager") as self._place:
            self._shown = ui.label().classes("shown").mark(f"{marker}-shown")
            self._beyond = ui.label(f"Only the first {COUNT_CAP:,} can be paged through; narrow the list to see others.").classes("small")
            self._beyond.set_visibility(False)
            ui.element("div").classes("grow")
            rows = ui.select({size: f"{size} rows" for size in PAGE_SIZES}, value=state.per_page, on_change=self._resize)
            rows.props('dense borderless options-dense aria-label="Rows on a page"').mark(f"{marker}-rows")
            step = "flat round dense color=link"
            self._before = ui.button(icon="chevron_left", on_click=lambda: self._turn(-1)).props(f'{step} aria-label="Previous page"')
            self._before.mark(f"{marker}-before")
            self._after = ui.button(icon="chevron_right", on_click=lambda: self._turn(1)).props(f'{step} aria-label="Next page"')
            self._after.mark(f"{marker}-after")

    def show(self, state: ListState, listing: Listing[Any]) -> None:
        self._state = state
        before = (state.page - 1) * state.per_page
        last = before + len(listing.rows)
        self._shown.text = f"{before + 1:,}–{last:,} of {total_words(listing)}" if listing.rows else ""
        self._before.set_enabled(state.page > 1)
        reachable = COUNT_CAP if listing.is_estimate else min(listing.total, COUNT_CAP)
        self._after.set_enabled(last < reachable and len(listing.rows) == state.per_page)
        self._beyond.set_visibility(last >= COUNT_CAP)
        self._place.set_visibility(not self._may_hide or listing.total > state.per_page)

    async def _resize(self, event: Any) -> None:
        await self._go(replace(self._state, per_page=event.value, page=1))

    async def _turn(self, by: int) -> None:
        await self._go(replace(self._state, page=max(1, self._state.page + by)))


def total_words(listing: Listing[Any]) -> str:
    if not listing.is_estimate:
        return f"{listing.total:,}"
    return f"more than {listing.total:,}" if listing.total <= COUNT_CAP else f"about {listing.total:,}"


def count_words(listing: Listing[Any], *, is_narrowed: bool) -> str:
    """`1,234 in the list`, or how many match."""
    words = total_words(listing)
    if not is_narrowed:
        return f"{words} in the list"
    return f"{words} {'match' if listing.total == 1 and not listing.is_estimate else 'matches'}"
