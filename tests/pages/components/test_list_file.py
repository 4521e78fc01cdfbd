"""A list as a file: its cells, and every row once however many portions it takes."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

import pytest
from starlette.responses import StreamingResponse

from app.clock import isoformat
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.list_file import CsvOf, cells_of, heads_of
from pages.components.list_state import Choice, ListState
from services.accounts.permissions import Principal
from services.listing import Listing, Walk
from tests.conftest import NOON
from tests.factories import staff

COLUMNS = (
    Column("pick", "", "pick"),
    Column("code", "Code", "link", second="About"),
    Column("amount", "Amount", "money"),
    Column("note", "Note", hidden=True),
)
CELLS: list[tuple[Any, Any, Any]] = [
    ("money", "D 1,250.50", Decimal("1250.50")),
    ("money", "D 25", Decimal("25.00")),
    ("money", "-D 2.05", Decimal("-2.05")),
    ("money", "gone", "gone"),
    ("number", "1,234", 1234),
    ("text", "1,234", "1,234"),
    ("chip", chip_cell("Open", "good"), "Open"),
    ("time", time_cell(NOON), isoformat(NOON)),
    ("left", "stands still: outage", "stands still: outage"),
    ("text", None, None),
]


@pytest.mark.parametrize(("kind", "cell", "written"), CELLS)
def test_sums_and_times_are_exact_and_all_else_is_in_the_lists_words(kind: Any, cell: Any, written: Any) -> None:
    assert cells_of(Column("x", "X", kind), {"x": cell}) == (written,)


def test_what_stands_under_a_link_has_a_column_of_its_own() -> None:
    assert heads_of(COLUMNS[1]) == ("Code", "About")
    assert cells_of(COLUMNS[1], {"code": "A", "second": "a gift"}) == ("A", "a gift")
    assert heads_of(COLUMNS[2]) == ("Amount, D",)


@dataclass
class Many:
    """A list of so many rows, in the database's way or held in memory."""

    size: int
    in_memory: bool = False
    asked: int = 0

    async def load(self, _: Principal, state: ListState) -> Listing[dict[str, Any]]:
        self.asked += 1
        walk = cast(Walk, state.walk)
        if self.in_memory:
            numbers = range(self.size)[walk.offset : walk.offset + walk.limit]
        else:
            first = 0 if walk.key is None else cast(int, walk.key[0]) + 1
            numbers = range(self.size)[first : first + walk.limit + 1]
            walk.keys[:] = [(number,) for number in numbers]
        return Listing(tuple({"id": number, "code": f"={number}", "amount": "D 25"} for number in numbers), 0, True)


async def written(file: CsvOf, **query: str) -> list[list[str]]:
    answer = cast(StreamingResponse, await file.serve(query, staff()))
    text = "".join([str(part) async for part in cast(AsyncIterator[str], answer.body_iterator)])
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("size", [0, 1, 3, 4, 9, 10])
async def test_every_row_is_in_the_file_once(size: int, in_memory: bool) -> None:
    many = Many(size, in_memory)
    file = CsvOf("/x.csv", "payments", COLUMNS, many.load, ListState(sort="created"), is_audited=False, portion=3)
    head, *rows = await written(file)
    assert head == ["Code", "About", "Amount, D"]
    assert [row[0] for row in rows] == [f"'={number}" for number in range(size)]
    assert {row[2] for row in rows} <= {"25.00"}


async def test_the_file_holds_the_columns_that_the_address_names() -> None:
    file = CsvOf("/x.csv", "payments", COLUMNS, Many(1).load, ListState(), is_audited=False)
    assert (await written(file, columns="note"))[0] == ["Code", "About", "Note"]


def test_the_files_address_says_what_is_shown_but_the_page() -> None:
    file = CsvOf("/x.csv", "payments", COLUMNS, Many(1).load, ListState(sort="created"), (Choice("state", "State", {"open": "Open"}),))
    state = ListState(sort="created", filters={"state": "open"}, page=3, per_page=50)
    assert file.address(state, ["code", "note"]) == "/x.csv?state=open&columns=code%2Cnote"
    assert file.address(replace(state, descending=False), ["code"]) == "/x.csv?state=open&sort=created&columns=code"
