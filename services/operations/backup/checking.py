"""Is a file a whole back-up, and does what it holds come back as it was? Neither touches the live database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.direct import direct_engine
from services.operations.backup import records
from services.operations.backup.content import content_of, differences
from services.operations.backup.errors import BackupFailed, Damaged, Refuted
from services.operations.backup.files import Receiver
from services.operations.backup.programs import Programs, restoring
from services.operations.backup.records import Kind, Record
from services.operations.backup.sealing import keys, read_header, secret_key_id, unseal

_FILES = (Kind.FILE, Kind.PLAIN, Kind.DEFLATED, Kind.FILE_END)


@dataclass(frozen=True)
class Facts:
    """What a proven file says. `fits_secret_key`: the sealed columns in it open with the INET_SECRET_KEY that is set here."""

    name: str
    made_at: str
    snapshot_at: str
    release: str
    postgres: int
    key_id: str
    key_source: str
    fits_secret_key: bool
    content: dict[str, Any]
    files: dict[str, Any]
    dump_bytes: int


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Record]]:
    """The records of a file. Raises BackupFailed."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupFailed(f"{path} cannot be read ({error.strerror}).") from None
    with file:
        yield records.read(unseal(file, path.name, keys()))


def walk(path: Path, *, dump: Callable[[bytes], None], dumped: Callable[[], None], receiver: Receiver) -> Facts:
    """Read a file from its beginning to its end, handing out what is in it; every byte is proven before. Raises BackupFailed.

    `dumped` is called once the dump is whole, before the first file.
    """
    manifest: dict[str, Any] | None = None
    end: dict[str, Any] = {}
    dump_bytes, is_dumped = 0, False
    with opened(path) as found:
        for record in found:
            if manifest is None:
                if record.kind is not Kind.MANIFEST:
                    raise Damaged("it does not begin as one")
                manifest = record.facts
            elif record.kind is Kind.DUMP and not is_dumped:
                dump_bytes += len(record.data)
                dump(record.data)
            elif record.kind in _FILES or record.kind is Kind.END:
                if not is_dumped:
                    is_dumped = True
                    dumped()
                receiver.take(record)
                end = record.facts if record.kind is Kind.END else end
            else:
                raise Damaged("its parts are not in order")
    assert manifest is not None
    if not dump_bytes or receiver.files != end["files"]:
        raise Damaged("something in it is missing")
    with path.open("rb") as file:
        header, _ = read_header(file, path.name)
    return Facts(
        name=str(manifest["file_name"]),
        made_at=str(header["made_at"]),
        snapshot_at=str(manifest["snapshot_at"]),
        release=str(manifest["release"]),
        postgres=int(manifest["postgres"]),
        key_id=str(header["key_id"]),
        key_source=str(header["key_source"]),
        fits_secret_key=header["secret_key_id"] in {key.id for key in keys()} or header["secret_key_id"] == secret_key_id(),
        content=dict(manifest["content"]),
        files=end,
        dump_bytes=dump_bytes,
    )


def check(path: Path) -> Facts:
    """Prove that the file is whole and unchanged; nothing is written anywhere. Raises BackupFailed."""
    return walk(path, dump=lambda _: None, dumped=lambda: None, receiver=Receiver())


def load(path: Path, url: str, programs: Programs, receiver: Receiver, *, in_one: bool = False) -> Facts:
    """Restore the dump into the empty database `url` and hand the files to `receiver`. Raises BackupFailed."""
    with restoring(programs, url, in_one=in_one) as restore:
        return walk(path, dump=restore.feed, dumped=restore.finish, receiver=receiver)


def prove(path: Path, url: str, programs: Programs, *, expected: dict[str, Any]) -> None:
    """Restore into the scratch database `url` and compare with what the snapshot held. Raises BackupFailed."""
    facts = load(path, url, programs, Receiver())
    compare(url, facts.content, expected=expected)


def compare(url: str, content: dict[str, Any], *, expected: dict[str, Any] | None = None, with_books: bool = True) -> None:
    """Raises Refuted when the database `url` does not hold what `content` (and `expected`) says."""
    with direct_engine(url) as engine, engine.connect() as connection:
        connection.execute(sa.text("ANALYZE"))
        found = content_of(connection, with_books=with_books)
        connection.rollback()
    wrong = differences(content, found) + (differences({k: v for k, v in expected.items() if k in found}, found) if expected else [])
    if wrong:
        raise Refuted(f"What was restored is not what was backed up: {'; '.join(dict.fromkeys(wrong))}."[:300])


def facts_in_words(facts: Facts) -> Iterator[str]:
    """What a proven back-up is, for a person."""
    rows: dict[str, Any] = facts.content["rows"]
    yield f"{facts.name}: whole and unchanged, made {facts.made_at} by release {facts.release} (PostgreSQL {facts.postgres})."
    yield (
        f"Snapshot of {facts.snapshot_at}: {sum(rows.values()):,} rows in {len(rows)} tables, of these {rows.get('payment', 0):,} payments;"
        f" {facts.files['files']:,} files."
    )
    if facts.files["missing"]:
        yield f"{facts.files['missing']} files were missing already when it was made, such as {', '.join(facts.files['named'][:3])}."
    yield f"Sealed with the key {facts.key_id} ({facts.key_source})."
    if not facts.fits_secret_key:
        yield "Its sealed columns need another INET_SECRET_KEY than the one set here: without that, they stay closed after a restore."
