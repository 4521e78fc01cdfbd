"""Which columns of a list are shown."""

from __future__ import annotations

import pytest

from pages.components.columns import Column, shown_columns

COLUMNS = (
    Column("pick", "", "pick"),
    Column("code", "Code", "link"),
    Column("amount", "Amount", "money"),
    Column("phone", "Phone", phone="hide"),
    Column("note", "Note", hidden=True),
    Column("end", "", "action"),
)


@pytest.mark.parametrize(
    ("chosen", "fixed", "shown"),
    [
        ((), 1, ["pick", "code", "amount", "phone", "end"]),
        (("note",), 1, ["pick", "code", "note", "end"]),
        (("note", "amount"), 0, ["pick", "amount", "note", "end"]),
        (("nothing",), 2, ["pick", "code", "amount", "end"]),
    ],
)
def test_the_chosen_ones_are_shown_or_the_lists_own_and_some_always(chosen: tuple[str, ...], fixed: int, shown: list[str]) -> None:
    assert [column.name for column in shown_columns(COLUMNS, chosen, fixed)] == shown


def test_what_was_chosen_stands_on_a_phones_card_too() -> None:
    assert COLUMNS[3].as_quasar()["phone"] == "hide"
    assert COLUMNS[3].as_quasar(is_chosen=True)["phone"] == "line"
