"""The one table of the console: paged, sorted and filtered by the server, its state in the address, cards on a phone.

A page hands in how its rows are loaded. The address always names what is shown, so a reload, a bookmark and the browser's way back
show the same again, and live news change the rows in place without moving anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from nicegui import events, ui

from pages.components.columns import BODY, Column
from pages.components.list_state import PAGE_SIZES, Amount, Choice, Filter, ListState, read_dalasi, read_state
from pages.components.states import empty_state
from pages.shell import current_staff, query_address, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Principal
from services.listing import COUNT_CAP, Listing

# Longer menus can be searched.
_MANY = 12
Load = Callable[[Principal, ListState], Awaitable[Listing[dict[str, Any]]]]


class ServerTable:
    """Draws filters, table and pager; `load` answers the rows as cells by column name, each with `id` and, if it opens, `href`."""

    def __init__(
        self,
        *,
        path: str,
        marker: str,
        columns: Sequence[Column],
        load: Load,
        default: ListState,
        filters: Sequence[Filter] = (),
        search: str = "",
        empty: tuple[str, str] = ("Nothing here", ""),
        on_act: Callable[[int], Awaitable[None]] | None = None,
        in_address: bool = True,
        folded_from: int = 0,
        on_pick: Callable[[int], Awaitable[None]] | None = None,
        on_state: Callable[[ListState], None] | None = None,
    ) -> None:
        """`in_address` is False for a list that is only a part of its page.

        The filters from the number `folded_from` on stand behind a button, and as chips while they narrow the list. `on_pick` hears of the
        row whose box was ticked, `on_state` of what is shown now.
        """
        self._folded_from, self._on_state = folded_from, on_state
        self._path, self._load, self._default, self._filters, self._empty = path, load, default, filters, empty
        self._sorts = [column.name for column in columns if column.sortable]
        self._in_address = in_address
        query = ui.context.client.request.query_params if in_address else {}
        self.state = read_state(query, default, filters, self._sorts)
        self._total, self._turn = 0, 0
        self._drawn: dict[str, Any] = {}
        self._draw_filters(search)
        with ui.element("div").classes("list").mark(marker):
            self._table = ui.table(columns=[column.as_quasar() for column in columns], rows=[], row_key="id", pagination=self._pagination())
            self._table.props("flat hide-pagination hide-no-data binary-state-sort column-sort-order=da :rows-per-page-options=[0]").mark(
                f"{marker}-table"
            )
            self._table.add_slot("body", BODY)
            self._table.on("request", self._on_request, ["pagination"])
            if on_act:
                self._table.on("act", lambda event: on_act(int(event.args)))
            if on_pick:
                self._table.on("pick", lambda event: on_pick(int(event.args)))
            self._nothing = ui.element("div").classes("w-full")
            self._draw_pager(marker)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that are shown, as cells."""
        return list(self._table.rows)

    def show_again(self) -> None:
        """After cells of `rows` were changed in place."""
        self._table.update()

    async def first(self) -> None:
        """Load what the address asks for, before the page is sent. Raises what `load` raises."""
        await self._fill(await current_staff())

    async def refresh(self) -> None:
        """Bring the rows up to date where they stand (live news)."""
        with silent_on_refusal():
            await self._fill(await current_staff())

    async def reload(self) -> None:
        """After an action of this person."""
        with toast_on_refusal():
            await self._fill(await current_staff())

    async def _go(self, state: ListState) -> None:
        self.state = state
        self._table.props(add="loading")
        try:
            await self.reload()
        finally:
            self._table.props(remove="loading")
        if self._in_address:
            ui.navigate.history.replace(query_address(self._path, self.state.as_query(self._default)))
        if self._on_state:
            self._on_state(self.state)

    async def _fill(self, actor: Principal) -> None:
        self._turn += 1
        turn = self._turn
        listing = await self._load(actor, self.state)
        if turn != self._turn:
            return  # a later question was asked meanwhile, and its answer is the one to show
        last_page = max(1, -(-min(listing.total, COUNT_CAP) // self.state.per_page))
        if not listing.rows and self.state.page > last_page:
            self.state = replace(self.state, page=last_page)
            await self._fill(actor)
            return
        self._show(listing)

    def _show(self, listing: Listing[dict[str, Any]]) -> None:
        self._total = listing.total
        self._draw_chips()
        self._table.pagination = self._pagination()
        self._table.rows = list(listing.rows)
        self._nothing.clear()
        if not listing.rows:
            is_narrowed = self.state.search or self.state.filters != self._default.filters
            title, text = ("Nothing matches", "Change or clear the search and the filters.") if is_narrowed else self._empty
            with self._nothing:
                empty_state(title, text)
        first, last = (self.state.page - 1) * self.state.per_page + 1, (self.state.page - 1) * self.state.per_page + len(listing.rows)
        self._shown.text = f"{first:,}–{last:,} of {_total_words(listing)}" if listing.rows else ""
        self._before.set_enabled(self.state.page > 1)
        reachable = COUNT_CAP if listing.is_estimate else min(listing.total, COUNT_CAP)
        self._after.set_enabled(last < reachable and len(listing.rows) == self.state.per_page)
        self._beyond.set_visibility(last >= COUNT_CAP)
        # A part of a page that fits as a whole needs nothing to turn.
        self._pager.set_visibility(self._in_address or listing.total > self.state.per_page)

    def _pagination(self) -> dict[str, Any]:
        return {
            "page": self.state.page,
            "rowsPerPage": self.state.per_page,
            "sortBy": self.state.sort,
            "descending": self.state.descending,
            "rowsNumber": min(self._total, COUNT_CAP),  # switches Quasar to paging by the server
        }

    async def _on_request(self, event: events.GenericEventArguments) -> None:
        wanted = event.args["pagination"]
        sort, descending = wanted.get("sortBy"), bool(wanted.get("descending"))
        if sort not in self._sorts:
            sort, descending = self._default.sort, self._default.descending
        page, per_page = wanted.get("page"), wanted.get("rowsPerPage")
        changed = (sort, descending) != (self.state.sort, self.state.descending)
        await self._go(
            replace(
                self.state,
                sort=sort,
                descending=descending,
                page=1 if changed or not isinstance(page, int) else min(max(page, 1), COUNT_CAP),
                per_page=per_page if per_page in PAGE_SIZES else self.state.per_page,
            )
        )

    def _draw_filters(self, search: str) -> None:
        if not search and not self._filters:
            return
        with ui.element("div").classes("filters").props('role=search aria-label="Filters"'):
            if search:
                field = ui.input(search, value=self.state.search, on_change=lambda event: self._search(event.value))
                field.props("outlined dense clearable debounce=400 type=search maxlength=100 autocomplete=off data-key=/").classes(
                    "search"
                ).mark("search")
                with field.add_slot("prepend"):
                    ui.icon("search")
            plain = self._filters[: self._folded_from] if self._folded_from else self._filters
            for one in plain:
                self._draw_filter(one)
            if self._folded_from:
                self._draw_folded(self._filters[self._folded_from :])

    def _draw_folded(self, filters: Sequence[Filter]) -> None:
        def turn() -> None:
            box.set_visibility(not box.visible)

        button = ui.button("More filters", icon="tune", on_click=turn).props("outline color=link no-caps").classes("more-filters")
        button.mark("more-filters")
        self._chips = ui.element("div").classes("filter-chips").mark("filter-chips")
        with ui.element("div").classes("filters folded") as box:
            for one in filters:
                self._draw_filter(one)
        box.set_visibility(False)

    def _draw_chips(self) -> None:
        """What stands behind the button and narrows the list, each with a way to take it off."""
        if not self._folded_from:
            return
        self._chips.clear()
        with self._chips:
            for one in self._filters[self._folded_from :]:
                value = self.state.filters.get(one.name)
                if value:
                    text = one.options.get(value, value) if isinstance(one, Choice) else value
                    chip = ui.chip(f"{one.label}: {text}", removable=True, color=None).props("dense outline square")
                    chip.on_value_change(lambda _, name=one.name: self._drawn[name].set_value(None))
                    chip.mark(f"chip-{one.name}")

    def _draw_filter(self, one: Filter) -> None:
        value = self.state.filters.get(one.name)

        async def choose(event: events.ValueChangeEventArguments[str | None]) -> None:
            chosen = {name: kept for name, kept in self.state.filters.items() if name != one.name}
            if isinstance(one, Amount) and not _is_sum(event.value):
                return  # the field says what is wrong with it
            if event.value:
                chosen[one.name] = event.value
            elif one.name in self._default.filters:
                chosen[one.name] = self._default.filters[one.name]
            await self._go(replace(self.state, filters=chosen, page=1))

        if isinstance(one, Choice):
            is_fixed = one.name in self._default.filters
            drawn: ui.element = ui.select(
                dict(one.options),
                label=one.label,
                value=value,
                on_change=choose,
                clearable=not is_fixed,
                with_input=len(one.options) > _MANY,
            )
            drawn.props("outlined dense options-dense")
        elif isinstance(one, Amount):
            drawn = ui.input(one.label, value=value or "", on_change=choose, validation={"A sum in dalasi, such as 25 or 12.50": _is_sum})
            drawn.props("outlined dense clearable inputmode=decimal maxlength=10 debounce=600 hide-bottom-space")
        else:
            drawn = ui.input(one.label, value=value or "", on_change=choose).props("outlined dense type=date stack-label debounce=600")
        drawn.mark(f"filter-{one.name}")
        self._drawn[one.name] = drawn

    async def _search(self, text: str | None) -> None:
        await self._go(replace(self.state, search=(text or "").strip()[:100], page=1))

    def _draw_pager(self, marker: str) -> None:
        with ui.element("div").classes("pager") as self._pager:
            self._shown = ui.label().classes("shown").props("aria-live=polite").mark(f"{marker}-shown")
            self._beyond = ui.label(f"Only the first {COUNT_CAP:,} can be paged through; narrow the list to see others.").classes("small")
            self._beyond.set_visibility(False)
            ui.element("div").classes("grow")
            sizes = {size: f"{size} rows" for size in PAGE_SIZES}
            rows = ui.select(
                sizes, value=self.state.per_page, on_change=lambda event: self._go(replace(self.state, per_page=event.value, page=1))
            )
            rows.props('dense borderless options-dense aria-label="Rows on a page"').mark(f"{marker}-rows")
            step = "flat round dense color=link"
            self._before = ui.button(icon="chevron_left", on_click=lambda: self._turn_page(-1)).props(f'{step} aria-label="Previous page"')
            self._before.mark(f"{marker}-before")
            self._after = ui.button(icon="chevron_right", on_click=lambda: self._turn_page(1)).props(f'{step} aria-label="Next page"')
            self._after.mark(f"{marker}-after")

    async def _turn_page(self, by: int) -> None:
        await self._go(replace(self.state, page=max(1, self.state.page + by)))


def _is_sum(text: str | None) -> bool:
    return not text or read_dalasi(text) is not None


def _total_words(listing: Listing[Any]) -> str:
    if not listing.is_estimate:
        return f"{listing.total:,}"
    return f"more than {listing.total:,}" if listing.total <= COUNT_CAP else f"about {listing.total:,}"
