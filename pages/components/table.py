"""The one table of the console: paged, sorted and filtered by the server, its state in the address, cards on a phone.

A page hands in how its rows are loaded. The address always names what is shown, so a reload, a bookmark and the browser's way back
show the same again, and live news change the rows in place without moving anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog
from nicegui import events, ui

from app import correlation
from app.db import in_transaction
from app.errors import DomainError, Unauthenticated
from pages.components.columns import BODY, HEAD, Column, shown_columns
from pages.components.list_chips import Chips
from pages.components.list_columns import ColumnMenu, keep
from pages.components.list_file import CsvOf, Load
from pages.components.list_filters import Filters
from pages.components.list_pager import Pager, count_words
from pages.components.list_state import PAGE_SIZES, Filter, ListState, read_columns, read_state
from pages.components.list_views import ALL, BuiltIn, ViewTabs
from pages.components.parts import notice
from pages.components.states import empty_state
from pages.components.weakly import weakly
from pages.shell import current_staff, note_refusal, query_address, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Principal
from services.console.columns import kept
from services.console.lists import LISTS
from services.listing import COUNT_CAP, Listing

_PICK = Column("pick", "", "pick")
log = structlog.get_logger(__name__)


class Bulk(Protocol):
    """What is done to rows that were chosen (pages/components/bulk_bar.py)."""

    @property
    def picked(self) -> Collection[Any]: ...

    def draw(self, table: ServerTable) -> None:
        """Draw the bar above the list."""

    def toggle(self, row_id: Any) -> None:
        """A row's box was pressed."""


class ServerTable:
    """Draws views, filters, table and pager; `load` answers the rows as cells by column name, each with `id` and, if it opens, `href`."""

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
        columns_fixed: int = 1,
        views: Sequence[BuiltIn] = ALL,
        file: CsvOf | None = None,
        bulk: Bulk | None = None,
    ) -> None:
        """`in_address` is False for a list that is only a part of its page.

        The filters from the number `folded_from` on stand behind a button, and what narrows the list stands as chips above it. `on_pick`
        hears of the row whose box was ticked, `on_state` of what is shown now. The first `columns_fixed` columns are always shown. A list
        that services/console/lists.py knows by its `marker` has `views` and a choice of columns, `file` makes it a file, and what `bulk`
        does is done to the rows that were chosen.
        """
        self._on_state, self._bulk, self._fixed, self._file = on_state, bulk, columns_fixed, file
        self._path, self._load, self._default, self._filters, self._empty = path, load, default, filters, empty
        self._columns = (_PICK, *columns) if bulk and not any(column.kind == "pick" for column in columns) else tuple(columns)
        self._sorts = [column.name for column in columns if column.sortable]
        self._names = [column.name for column in columns if not column.is_tool]
        self._in_address, self._page = in_address, marker if marker in LISTS else ""
        query = ui.context.client.request.query_params if in_address else {}
        self.state = read_state(query, default, filters, self._sorts, self._names)
        self._own_columns: tuple[str, ...] = ()
        self._total, self._turn = 0, 0
        self._tabs = ViewTabs(marker, path, views, go=weakly(self._show_view)) if self._page and in_address else None
        self._fields = Filters(
            filters,
            of=marker.replace("-", " "),
            search=search,
            folded_from=folded_from,
            default=default,
            state=self.state,
            go=weakly(self._go),
        )
        self._draw_bar(marker, has_search=bool(search))
        if bulk:
            bulk.draw(self)
        self._failure = ui.element("div").classes("w-full list-failure").props("role=status")
        self._draw_table(marker, on_act, self._toggle if bulk else on_pick)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that are shown, as cells."""
        return list(self._table.rows)

    async def numbers(self, most: int) -> tuple[list[int], bool]:
        """Which of the first `most` rows of what is shown, on whatever page, can be chosen; and whether there are more rows."""
        actor, found = await current_staff(), dict[int, None]()
        for page in range(1, most // PAGE_SIZES[-1] + 1):
            listing = await self._load(actor, replace(self.state, page=page, per_page=PAGE_SIZES[-1]))
            found |= {int(row["id"]): None for row in listing.rows if row.get("pick", "") is not None}
            if len(listing.rows) < PAGE_SIZES[-1]:
                return list(found), False
        return list(found), listing.total > most

    def show_again(self) -> None:
        """After cells of `rows` were changed in place, or rows were chosen otherwise than by their boxes."""
        self._table.rows = [self._with_pick(row) for row in self._table.rows]
        self._table.update()

    async def first(self) -> None:
        """Load what the address asks for, before the page is sent. Raises what `load` refuses."""
        actor = await current_staff()
        if self._page:
            found = await in_transaction(kept, actor=actor, page=self._page)
            self._own_columns = read_columns(found.columns, self._names)
            if self._tabs:
                self._tabs.found(found.views, actor)
            if not self.state.columns and self._own_columns:
                self.state = replace(self.state, columns=self._own_columns)
                self._draw_columns()
        try:
            await self._fill(actor)
        except DomainError:
            raise
        except Exception as error:
            self._say_failed(error)
        self._fields.show(self.state)
        self._tell()

    async def refresh(self) -> None:
        """Bring the rows up to date where they stand (live news)."""
        with silent_on_refusal():
            await self._try()

    async def reload(self) -> None:
        """After an action of this person."""
        with toast_on_refusal():
            await self._try()

    async def _try(self) -> None:
        """What cannot be loaded leaves what is shown, and says so."""
        try:
            await self._fill(await current_staff())
        except Unauthenticated:
            raise
        except DomainError as refusal:
            note_refusal(refusal)
            self._say_failed(refusal)
        except Exception as error:
            self._say_failed(error)

    def _say_failed(self, error: Exception) -> None:
        number = correlation.current()
        if isinstance(error, DomainError):
            text = error.text
        else:
            log.warning("console.list_failed", path=self._path, exc_info=error)
            text = f"If it stays, tell the administrator this number: {number}"
        self._failure.clear()
        with self._failure, notice("bad", text, title="The list could not be loaded. What is shown may be old.").mark("list-failed"):
            ui.element("div").classes("grow")
            ui.button("Try again", icon="refresh", on_click=self._again).props("outline dense no-caps color=link").mark("try-again")

    async def _again(self) -> None:
        await self._go(self.state)

    async def _go(self, state: ListState) -> None:
        self.state = state
        self._fields.show(state)
        if self._sorted_by is not None:
            self._sorted_by.set_value(self._order)
        self._table.props(add="loading aria-busy=true")
        try:
            await self.reload()
        finally:
            self._table.props(remove="loading aria-busy")
        if self._in_address:
            ui.navigate.history.replace(query_address(self._path, self.state.as_query(self._default)))
        self._tell()

    def _tell(self) -> None:
        if self._tabs:
            self._tabs.mark_here(self.state.as_query(self._default))
        if self._on_state:
            self._on_state(self.state)

    async def _show_view(self, query: Mapping[str, str]) -> None:
        state = read_state(query, self._default, self._filters, self._sorts, self._names)
        self.state = replace(state, per_page=self.state.per_page, columns=state.columns or self._own_columns)
        self._draw_columns()
        await self._go(self.state)

    async def _choose_columns(self, columns: tuple[str, ...]) -> None:
        with toast_on_refusal():
            await keep(self._page, columns)
            self._own_columns = columns
        self.state = replace(self.state, columns=columns)
        self._draw_columns()
        await self._go(self.state)

    def _draw_columns(self) -> None:
        self._table.columns = self._quasar_columns()
        if self._menu:
            self._menu.show(self.state.columns)

    def _quasar_columns(self) -> list[dict[str, Any]]:
        chosen = self.state.columns
        return [column.as_quasar(is_chosen=column.name in chosen) for column in shown_columns(self._columns, chosen, self._fixed)]

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
        self._failure.clear()
        is_narrowed = bool(self.state.search) or self.state.filters != self._default.filters
        if self._chips:
            self._chips.show(self.state)
        if self._count:
            self._count.text = count_words(listing, is_narrowed=is_narrowed)
        if self._table.pagination != (pagination := self._pagination()):
            self._table.pagination = pagination
        # What did not change is not sent: the browser has nothing to draw, and nothing moves.
        if _still(rows := [self._with_pick(row) for row in listing.rows]) != _still(self._table.rows):
            self._table.rows = rows
        self._nothing.clear()
        if not listing.rows:
            title, text = ("Nothing matches", "Change or clear the search and the filters.") if is_narrowed else self._empty
            with self._nothing:
                empty_state(title, text)
        self._pager.show(self.state, listing)

    def _with_pick(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._bulk is None or row.get("pick", "") is None:
            return row
        return row | {"pick": {"on": "1" if row["id"] in self._bulk.picked else ""}}

    async def _toggle(self, row_id: int) -> None:
        assert self._bulk is not None
        self._bulk.toggle(row_id)
        self.show_again()

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

    def _draw_bar(self, marker: str, *, has_search: bool) -> None:
        """What narrows the list, how many match, which columns are shown, and the file of it."""
        self._chips: Chips | None = None
        self._menu: ColumnMenu | None = None
        self._count: ui.label | None = None
        self._sorted_by: ui.select | None = None
        if not (self._page or self._filters or has_search):
            return
        with ui.element("div").classes("list-bar"):
            self._chips = Chips(self._filters, default=self._default, go=weakly(self._go))
            self._count = ui.label().classes("list-count").props("aria-live=polite").mark(f"{marker}-count")
            ui.element("div").classes("grow")
            if self._sorts:
                self._draw_phone_sort(marker)
            if self._page:
                self._menu = ColumnMenu(self._columns, marker=marker, fixed=self._fixed, chosen=weakly(self._choose_columns))
                self._menu.show(self.state.columns)
            if self._file:
                button = ui.button("Download CSV", icon="download", on_click=self._download).props("flat dense no-caps color=link")
                button.mark("csv", f"{marker}-csv")

    def _draw_phone_sort(self, marker: str) -> None:
        """On a phone the header, by which lists are sorted, is not there."""
        labels = {column.name: column.label for column in self._columns if column.sortable}
        ways = {f"{sign}{name}": f"{label} {arrow}" for name, label in labels.items() for sign, arrow in (("-", "↓"), ("", "↑"))}
        # A list may begin in an order of which it has no column.
        ways = ways if (usual := _order_of(self._default)) in ways else {usual: "Usual order", **ways}

        async def sort(event: events.ValueChangeEventArguments[str | None]) -> None:
            if event.value and event.value != self._order:
                await self._go(replace(self.state, sort=event.value.removeprefix("-"), descending=event.value.startswith("-"), page=1))

        field = ui.select(ways, value=self._order, on_change=sort)
        field.props('dense borderless options-dense aria-label="Sorted by"').classes("phone-sort").mark(f"{marker}-sort")
        self._sorted_by = field

    @property
    def _order(self) -> str:
        return _order_of(self.state)

    def _draw_table(self, marker: str, on_act: Callable[[int], Awaitable[None]] | None, on_pick: Any) -> None:
        with ui.element("div").classes("list").mark(marker):
            self._table = ui.table(columns=self._quasar_columns(), rows=[], row_key="id", pagination=self._pagination())
            self._table.props("flat hide-pagination hide-no-data binary-state-sort column-sort-order=da :rows-per-page-options=[0]").mark(
                f"{marker}-table"
            )
            self._table.add_slot("body", BODY)
            self._table.add_slot("header-cell", HEAD)
            self._table.on("request", self._on_request, ["pagination"])
            if on_act:
                self._table.on("act", lambda event: on_act(int(event.args)))
            if on_pick:
                self._table.on("pick", lambda event: on_pick(int(event.args)))
            self._nothing = ui.element("div").classes("w-full")
            self._pager = Pager(marker, self.state, go=weakly(self._go), may_hide=not self._in_address)

    def _download(self) -> None:
        assert self._file is not None
        shown = shown_columns(self._columns, self.state.columns, self._fixed)
        ui.download.from_url(self._file.address(self.state, [column.name for column in shown if not column.is_tool]))


def _still(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the words for times, which the browser keeps up to date by itself."""
    return [{name: cell["at"] if isinstance(cell, dict) and cell.get("at") else cell for name, cell in row.items()} for row in rows]


def _order_of(state: ListState) -> str:
    """As a choice of the phone's menu has it: the column, after a minus when the largest comes first."""
    return ("-" if state.descending else "") + state.sort
