from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.csv_export import line


@pytest.mark.parametrize("text", ["=1+1", "+220", "-3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_what_a_spreadsheet_would_run_is_only_text(text: str) -> None:
    assert next(csv.reader(io.StringIO(line([text]), newline=""))) == [f"'{text}"]


def test_numbers_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    assert line([-3, 0.5, None, "plain"]) == "-3,0.5,,plain\r\n"


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), min_size=2, max_size=5))
def test_every_line_reads_back_as_its_cells(cells: list[str]) -> None:
    read = next(csv.reader(io.StringIO(line(cells), newline="")))
    assert [cell if cell == given else cell[1:] for cell, given in zip(read, cells, strict=True)] == cells
