"""The sandbox's memory: one SQLite file, one generic table, rows as JSON.

Everything runs on one event loop and nothing awaits between reading and saving, so a row needs no lock. Reads come from memory;
SQLite is there so that a restarted sandbox remembers. `synchronous=OFF` survives the death of the process (the operating system
holds the pages); only a power cut can lose rows, which a sandbox may.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import orjson

Row = TypeVar("Row")


class Store:
    """The SQLite file under all tables of the sandbox."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The app may be built in one thread and served in another, never by two at once.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS row (kind TEXT, key TEXT, seq INTEGER, doc BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )

    def load(self, kind: str) -> list[tuple[int, bytes]]:
        """All rows of a kind, oldest first, as (sequence number, JSON)."""
        return self._connection.execute("SELECT seq, doc FROM row WHERE kind = ? ORDER BY seq", (kind,)).fetchall()

    def write(self, kind: str, key: str, seq: int, doc: bytes) -> None:
        """Insert or replace one row."""
        self._connection.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?)", (kind, key, seq, doc))

    def delete(self, kind: str, key: str) -> None:
        """Forget one row."""
        self._connection.execute("DELETE FROM row WHERE kind = ? AND key = ?", (kind, key))

    def clear(self, kind: str) -> None:
        """Forget every row of a kind."""
        self._connection.execute("DELETE FROM row WHERE kind = ?", (kind,))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _no_reference(_: object) -> str:
    return ""


class Table(Generic[Row]):
    """Rows of one dataclass, kept in memory in the order they came and written through to the store.

    `key` names a row, `reference` groups rows (all sessions of a client reference, all phones of a router) and must not change
    during a row's life.
    """

    def __init__(
        self, store: Store, kind: str, row: type[Row], *, key: Callable[[Row], str], reference: Callable[[Row], str] = _no_reference
    ) -> None:
        self._store, self._kind, self._key, self._reference = store, kind, key, reference
        self._rows: dict[str, Row] = {}
        self._seq: dict[str, int] = {}
        self._groups: dict[str, dict[str, Row]] = {}
        self._next_seq = 1
        names = {field.name for field in dataclasses.fields(row)}  # type: ignore[arg-type]
        for seq, doc in store.load(kind):
            # A file from an older version may hold fields that are gone; fields that are new take their default.
            self._remember(row(**{name: value for name, value in orjson.loads(doc).items() if name in names}), seq)

    def _remember(self, row: Row, seq: int) -> None:
        key = self._key(row)
        self._rows[key], self._seq[key] = row, seq
        self._groups.setdefault(self._reference(row), {})[key] = row
        self._next_seq = max(self._next_seq, seq + 1)

    def get(self, key: str) -> Row | None:
        """The live row of this key; change it and `save` it."""
        return self._rows.get(key)

    def all(self) -> list[Row]:
        """Every row, oldest first."""
        return list(self._rows.values())

    def grouped(self, reference: str) -> list[Row]:
        """Every row of this reference, oldest first."""
        return list(self._groups.get(reference, {}).values())

    def last(self) -> Row | None:
        """The newest row."""
        return next(reversed(self._rows.values()), None)

    def next_number(self) -> int:
        """A number no earlier row of this table has had since the last `clear`; the next new row takes it."""
        return self._next_seq

    def save(self, row: Row) -> Row:
        """Write a new or changed row."""
        key = self._key(row)
        seq = self._seq.get(key, self._next_seq)
        self._remember(row, seq)
        self._store.write(self._kind, key, seq, orjson.dumps(row))
        return row

    def delete(self, key: str) -> None:
        """Forget one row; unknown keys are fine."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._seq.pop(key)
            self._groups[self._reference(row)].pop(key)
            self._store.delete(self._kind, key)

    def clear(self) -> None:
        """Forget every row."""
        self._rows.clear()
        self._seq.clear()
        self._groups.clear()
        self._store.clear(self._kind)
