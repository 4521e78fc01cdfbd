"""A list as a CSV file: every row that matches, in the columns that were chosen, written while it is fetched."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from app.problems import HTTP_STATUS
from pages.components.columns import Column, shown_columns
from pages.components.list_state import Filter, ListState, read_state
from pages.shell import console_file, current_staff
from services import csv_export
from services.accounts.permissions import Principal
from services.console.columns import note_file
from services.console.lists import rules_of
from services.listing import MAX_WALK, Listing, Walk

Load = Callable[[Principal, ListState], Awaitable[Listing[dict[str, Any]]]]
Filters = Sequence[Filter] | Callable[[Principal], Awaitable[Sequence[Filter]]]
_SUM = re.compile(r"(-?)D ([\d,]+)(\.\d\d)?")
_NUMBER = re.compile(r"-?[\d,]+")
_NOT_A_FILTER = ("page", "rows", "sort", "columns")


@dataclass(frozen=True)
class CsvOf:
    """The file of a list. `load` is the list's own, so that it shows what the list shows, to those who may see the list."""

    path: str
    page: str
    columns: Sequence[Column]
    load: Load
    default: ListState
    filters: Filters = ()
    # People or money are in it: that it was taken along is audited.
    is_audited: bool = True
    fixed: int = 1
    # How many rows are fetched at a time.
    portion: int = MAX_WALK

    def address(self, state: ListState, columns: Sequence[str]) -> str:
        """Of the file that holds what the list shows."""
        query = {name: value for name, value in state.as_query(self.default).items() if name not in ("page", "rows")}
        return f"{self.path}?{urlencode(query | {'columns': ','.join(columns)})}"

    async def serve(self, query: Mapping[str, str], actor: Principal) -> Response:
        """Raises what `load` raises."""
        filters = self.filters if isinstance(self.filters, Sequence) else await self.filters(actor)
        sorts = [column.name for column in self.columns if column.sortable]
        state = read_state(query, self.default, filters, sorts, [column.name for column in self.columns if not column.is_tool])
        shown = [column for column in shown_columns(self.columns, state.columns, self.fixed) if not column.is_tool]
        # Before the first byte: what is refused is answered as a refusal, not as half a file.
        first = await self._portion(actor, state, Walk(limit=self.portion, sort=state.sort, descending=state.descending))
        if self.is_audited:
            names = [name for name in state.as_query(self.default) if name not in _NOT_A_FILTER]
            heads = [column.label for column in shown]
            await in_transaction(note_file, actor=actor, page=self.page, filters=names, columns=heads, now=utc_now())
        name = f"{self.page}-{utc_now():%Y-%m-%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        lines = self._lines(actor, state, shown, first)
        return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")

    async def _lines(self, actor: Principal, state: ListState, shown: Sequence[Column], portion: _Portion) -> AsyncIterator[str]:
        yield csv_export.BOM + csv_export.line([head for column in shown for head in heads_of(column)])
        while True:
            yield "".join(csv_export.line([cell for column in shown for cell in cells_of(column, row)]) for row in portion.rows)
            if portion.following is None:
                return
            portion = await self._portion(actor, state, portion.following)

    async def _portion(self, actor: Principal, state: ListState, walk: Walk) -> _Portion:
        found = (await self.load(actor, replace(state, walk=walk))).rows
        rows = found[: walk.limit]
        if len(walk.keys) > walk.limit:
            return _Portion(rows, replace(walk, key=walk.keys[walk.limit - 1], keys=[]))
        # A list that is not the database's is cut by the number of the row.
        is_more = not walk.keys and len(rows) == walk.limit
        return _Portion(rows, replace(walk, offset=walk.offset + walk.limit) if is_more else None)


@dataclass(frozen=True)
class _Portion:
    rows: Sequence[Mapping[str, Any]]
    following: Walk | None


def list_file(
    path: str, page: str, *, columns: Sequence[Column], load: Load, default: ListState, filters: Filters = (), is_audited: bool = True
) -> CsvOf:
    """Declare the file of a list under the list's own address with `.csv`, for those who may read the list."""
    file = CsvOf(f"{path}.csv", page, columns, load, default, filters, is_audited)

    async def serve(request: Request) -> Response:
        try:
            return await file.serve(request.query_params, await current_staff())
        except DomainError as refusal:
            return Response(refusal.text, status_code=HTTP_STATUS[refusal.kind], media_type="text/plain; charset=utf-8")

    console_file(file.path, permission=rules_of(page).read)(serve)
    return file


def heads_of(column: Column) -> tuple[str, ...]:
    label = f"{column.label}, D" if column.kind == "money" else column.label
    return (label, column.second) if column.second else (label,)


def cells_of(column: Column, row: Mapping[str, Any]) -> tuple[csv_export.Cell, ...]:
    """Of a row as the list shows it: sums and times exactly, everything else in the list's words."""
    cell = _exact(column, row.get(column.name))
    return (cell, row.get("second")) if column.second else (cell,)


def _exact(column: Column, cell: Any) -> csv_export.Cell:
    if isinstance(cell, Mapping):
        said = cell.get("at") or cell.get("text")
        return str(said) if said else None
    if cell is None or not isinstance(cell, str):
        return cell if isinstance(cell, int | float) else None
    if column.kind == "money" and (found := _SUM.fullmatch(cell)):
        return Decimal(f"{found[1]}{found[2].replace(',', '')}{found[3] or '.00'}")
    if column.kind in ("money", "number") and _NUMBER.fullmatch(cell):
        return int(cell.replace(",", ""))
    return cell
