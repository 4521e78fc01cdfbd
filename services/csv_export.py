"""Lines of a CSV file that a spreadsheet opens without running anything: the one place that escapes what could be a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

Cell = str | int | float | Decimal | None
# What a spreadsheet takes for the beginning of a formula, also behind white space it skips (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"
"""Begins the file, so that Excel reads it as UTF-8."""


def line(cells: Sequence[Cell]) -> str:
    """One line with its end (RFC 4180). Numbers stay numbers; None is an empty cell."""
    written = io.StringIO()
    csv.writer(written).writerow([_harmless(cell) for cell in cells])
    return written.getvalue()


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str) and (cell.startswith(_FORMULA) or cell.lstrip().startswith(_FORMULA)):
        return f"'{cell}"
    return cell
