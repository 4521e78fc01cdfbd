"""What a phone keeps, in one SQLite file: its log-in, what it knows, what waits to be sent, and what came of what was sent.

Every change is one transaction that is on the disk when it returns, so that a battery which dies takes nothing with it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mobile.client.wire import Change, Outcome, Reason, Result, SyncPage, Tokens

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entity (
    kind TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, data TEXT NOT NULL, is_confirmed INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queued (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, entity TEXT NOT NULL, base_version TEXT,
    at TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answered (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, entity TEXT NOT NULL, payload TEXT NOT NULL, result TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS photo (
    number INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, ticket TEXT NOT NULL, sha256 TEXT NOT NULL, facts TEXT NOT NULL,
    address TEXT, state TEXT NOT NULL DEFAULT 'waiting', why TEXT, attachment_id INTEGER, UNIQUE (ticket, sha256)
);
"""


@dataclass(frozen=True)
class Entity:
    """A thing as the phone last heard of it."""

    kind: str
    id: str
    version: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Queued:
    """Something that was done on the phone and that the server has not answered yet.

    `ticket:@<id>` names what the queued mutation of that id will make, until the server has named it.
    """

    id: str
    type: str
    entity: str
    base_version: str | None
    at: datetime
    payload: dict[str, Any]

    @property
    def is_nameless(self) -> bool:
        """Whether it is about something that the server has not made yet."""
        return ":@" in self.entity

    def as_json(self) -> dict[str, Any]:
        """As it goes over the wire."""
        return {
            "id": self.id,
            "type": self.type,
            "entity": self.entity,
            "base_version": self.base_version,
            "at": self.at.isoformat(),
            "payload": self.payload,
        }


@dataclass(frozen=True)
class Photo:
    """A photo that belongs to a ticket: `waiting` until the server holds it or refuses it."""

    number: int
    path: Path
    ticket: str
    sha256: str
    facts: dict[str, str]
    address: str | None
    state: str
    why: str | None
    attachment_id: int | None


class Store:
    """Opens the file, or makes it. A phone has one, for one person."""

    def __init__(self, path: Path) -> None:
        self._sqlite = sqlite3.connect(path, isolation_level=None)
        self._sqlite.execute("PRAGMA journal_mode = WAL")
        self._sqlite.execute("PRAGMA synchronous = FULL")
        self._sqlite.executescript(_TABLES)

    def close(self) -> None:
        self._sqlite.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._sqlite.execute("BEGIN IMMEDIATE")
        try:
            yield self._sqlite
        except BaseException:
            self._sqlite.execute("ROLLBACK")
            raise
        self._sqlite.execute("COMMIT")

    # What the phone shows of who it is.

    def keep_log_in(self, tokens: Tokens, *, ends_at: datetime) -> None:
        """Another person than before begins with nothing: neither what that one knew nor what that one had still to send."""
        person = f"{tokens.person.kind}:{tokens.person.id}"
        with self._transaction():
            if self._meta("person") not in (None, person):
                for table in ("entity", "queued", "answered", "photo"):
                    self._sqlite.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
                self._forget("cursor", "etag", "starting_over")
            self._set("person", person)
            self._set("device_key", tokens.device_key)
            self._set("access_token", tokens.access_token)
            self._set("access_ends_at", ends_at.isoformat())

    def forget_log_in(self) -> None:
        with self._transaction():
            self._forget("device_key", "access_token", "access_ends_at")

    def forget_access_token(self) -> None:
        with self._transaction():
            self._forget("access_token", "access_ends_at")

    def device_key(self) -> str | None:
        return self._meta("device_key")

    def device_token(self) -> str | None:
        """By which the shop knows this phone, whoever is logged in."""
        return self._meta("device_token")

    def keep_device_token(self, token: str) -> None:
        with self._transaction():
            self._set("device_token", token)

    def access_token(self, *, now: datetime) -> str | None:
        ends_at = self._meta("access_ends_at")
        return self._meta("access_token") if ends_at is not None and datetime.fromisoformat(ends_at) > now else None

    # What it knows.

    def cursor(self) -> tuple[str | None, str | None]:
        """Up to where it was told, and the ETag of that."""
        return self._meta("cursor"), self._meta("etag")

    def forget_cursor(self) -> None:
        """Ask for everything next time; what is known stays until then."""
        with self._transaction():
            self._forget("cursor", "etag", "starting_over")

    def take_in(self, page: SyncPage, *, etag: str | None) -> None:
        """One page and the cursor behind it, together or not at all."""
        with self._transaction():
            if page.start_over:
                self._sqlite.execute("UPDATE entity SET is_confirmed = 0")
                self._set("starting_over", "1")
            for change in page.changes:
                self._take(change)
            if not page.more and self._meta("starting_over"):
                self._sqlite.execute("DELETE FROM entity WHERE NOT is_confirmed")
                self._forget("starting_over")
            self._set("cursor", page.cursor)
            self._forget("etag")
            if etag is not None:
                self._set("etag", etag)

    def _take(self, change: Change) -> None:
        if change.removed:
            self._sqlite.execute("DELETE FROM entity WHERE kind = ? AND id = ?", (change.kind, change.id))
            return
        self._sqlite.execute(
            "INSERT INTO entity (kind, id, version, data) VALUES (?, ?, ?, ?) ON CONFLICT (kind, id)"
            " DO UPDATE SET version = excluded.version, data = excluded.data, is_confirmed = 1",
            (change.kind, change.id, change.version, json.dumps(change.data, sort_keys=True)),
        )

    def entities(self, kind: str) -> list[Entity]:
        rows = self._sqlite.execute("SELECT kind, id, version, data FROM entity WHERE kind = ? ORDER BY id", (kind,))
        return [Entity(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def entity(self, name: str) -> Entity | None:
        """By its name in mutations, such as `ticket:17`."""
        kind, _, number = name.partition(":")
        row = self._sqlite.execute("SELECT kind, id, version, data FROM entity WHERE kind = ? AND id = ?", (kind, number)).fetchone()
        return Entity(row[0], row[1], row[2], json.loads(row[3])) if row else None

    # What it did.

    def queue(self, one: Queued) -> None:
        with self._transaction():
            self._sqlite.execute(
                "INSERT INTO queued (id, type, entity, base_version, at, payload) VALUES (?, ?, ?, ?, ?, ?)",
                (one.id, one.type, one.entity, one.base_version, one.at.isoformat(), json.dumps(one.payload)),
            )

    def waiting(self, limit: int = -1) -> list[Queued]:
        """What the server has not answered, in the order in which it was done."""
        rows = self._sqlite.execute("SELECT id, type, entity, base_version, at, payload FROM queued ORDER BY number LIMIT ?", (limit,))
        return [Queued(row[0], row[1], row[2], row[3], datetime.fromisoformat(row[4]), json.loads(row[5])) for row in rows]

    def answer(self, results: Sequence[Result]) -> None:
        """What was answered leaves the queue, and its answer is kept for the person to see."""
        with self._transaction():
            for result in results:
                self._sqlite.execute(
                    "INSERT OR IGNORE INTO answered (id, type, entity, payload, result)"
                    " SELECT id, type, entity, payload, ? FROM queued WHERE id = ?",
                    (result.model_dump_json(), result.id),
                )
                self._sqlite.execute("DELETE FROM queued WHERE id = ?", (result.id,))
                self._name_what_it_made(result)
                if result.server is not None:
                    self._take(result.server)

    def _name_what_it_made(self, result: Result) -> None:
        kind, _, number = result.entity.partition(":")
        waiting = f"{kind}:@{result.id}"
        if result.final is Outcome.APPLIED:
            self._sqlite.execute("UPDATE queued SET entity = ? WHERE entity = ?", (result.entity, waiting))
            self._sqlite.execute("UPDATE photo SET ticket = ? WHERE ticket = ?", (number, f"@{result.id}"))
            return
        why = "What this belongs to was refused."
        for one in self._sqlite.execute("SELECT id FROM queued WHERE entity = ?", (waiting,)).fetchall():
            refused = Result(id=one[0], outcome=Outcome.REJECTED, entity=waiting, reason=Reason(code="never_made", message=why))
            self._sqlite.execute(
                "INSERT INTO answered (id, type, entity, payload, result) SELECT id, type, entity, payload, ? FROM queued WHERE id = ?",
                (refused.model_dump_json(), refused.id),
            )
            self._sqlite.execute("DELETE FROM queued WHERE id = ?", (refused.id,))
        self._sqlite.execute("UPDATE photo SET state = 'refused', why = ? WHERE ticket = ?", (why, f"@{result.id}"))

    def answers(self) -> dict[str, Result]:
        """What came of everything that was answered, by the phone's own names."""
        rows = self._sqlite.execute("SELECT id, result FROM answered ORDER BY rowid")
        return {row[0]: Result.model_validate_json(row[1]) for row in rows}

    # Its photos.

    def add_photo(self, path: Path, *, ticket: str, sha256: str, facts: dict[str, str]) -> None:
        """The same photo of the same ticket is one."""
        with self._transaction():
            self._sqlite.execute(
                "INSERT OR IGNORE INTO photo (path, ticket, sha256, facts) VALUES (?, ?, ?, ?)",
                (str(path), ticket, sha256, json.dumps(facts)),
            )

    def photos(self, state: str | None = None) -> list[Photo]:
        rows = self._sqlite.execute(
            "SELECT number, path, ticket, sha256, facts, address, state, why, attachment_id FROM photo WHERE state = coalesce(?, state)"
            " ORDER BY number",
            (state,),
        )
        return [Photo(row[0], Path(row[1]), row[2], row[3], json.loads(row[4]), *row[5:]) for row in rows]

    def note_photo(
        self, number: int, *, address: str | None = None, state: str = "waiting", why: str | None = None, attachment_id: int | None = None
    ) -> None:
        with self._transaction():
            self._sqlite.execute(
                "UPDATE photo SET address = ?, state = ?, why = ?, attachment_id = ? WHERE number = ?",
                (address, state, why, attachment_id, number),
            )

    def _meta(self, name: str) -> str | None:
        row = self._sqlite.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _set(self, name: str, value: str) -> None:
        self._sqlite.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))

    def _forget(self, *names: str) -> None:
        self._sqlite.executemany("DELETE FROM meta WHERE name = ?", [(name,) for name in names])
