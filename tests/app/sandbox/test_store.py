from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.sandbox.store import Store, Table


@dataclass
class Note:
    name: str
    group: str
    text: str = ""


def notes(path: Path) -> Table[Note]:
    return Table(Store(path), "note", Note, key=lambda row: row.name, reference=lambda row: row.group)


def test_rows_come_back_in_their_order_with_their_last_values(tmp_path: Path) -> None:
    table = notes(tmp_path / "s")
    for name in ("b", "a", "c"):
        table.save(Note(name, "g"))
    changed = table.get("b")
    assert changed is not None
    changed.text = "new"
    table.save(changed)
    table.delete("a")
    again = notes(tmp_path / "s")
    assert [(row.name, row.text) for row in again.all()] == [("b", "new"), ("c", "")]
    assert [row.name for row in again.grouped("g")] == ["b", "c"]
    assert again.last() == Note("c", "g")


def test_numbers_are_not_used_twice_while_the_table_lives(tmp_path: Path) -> None:
    table = notes(tmp_path / "s")
    seen = []
    for name in ("a", "b"):
        seen.append(table.next_number())
        table.save(Note(name, "g"))
    table.clear()
    assert table.all() == []
    assert table.next_number() not in seen
