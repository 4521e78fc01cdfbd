"""The files beside the database: which a back-up takes along, and how they come back.

Taken is what rows speak of: attachments, large mails, learnt models, photos on their way; and the audit's heads. Not taken is what can be
made again (caches, logs, figures), what ends with a process (browsers' storage), and keys.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa

from app import durable
from services.audit.verify import HEADS_FILE
from services.operations.backup import records
from services.operations.backup.errors import Damaged
from services.operations.backup.records import PART_BYTES, Kind

_AT_ONCE = 1000
_MOST_NAMED = 20
_CURSOR = "inet_backup_files"


@dataclass(frozen=True)
class Folder:
    """A folder below INET_DATA_DIR and the column that names its files. `must` be there: a row without its file is a fault.

    `beside` is the ending of a second file that lies beside some of them.
    """

    name: str
    table: str
    file: str
    where: str
    must: bool = True
    beside: str = ""


FOLDERS = (
    Folder("attachments", "attachment", "file", "file IS NOT NULL", beside=".thumb"),
    Folder("inbound", "inbound_message", "raw_file", "raw_file IS NOT NULL"),
    Folder("triage", "triage_model", "file", "file IS NOT NULL"),
    # A part begins with its first byte and goes when the photo is held.
    Folder("photos", "photo_upload", "left(public_id, 2) || '/' || public_id || '.part'", "state = 'receiving'", must=False),
)
BY_NAME = {folder.name: folder for folder in FOLDERS}
# Replaced by a restore, where everything else is only added: its bytes belong to the state of the rows.
REPLACED = {"photos"}


@dataclass
class Copied:
    """What became of the files that the snapshot's rows speak of. `missing` ones were lost before; `gone` ones were deleted meanwhile."""

    files: int = 0
    bytes: int = 0
    gone: int = 0
    missing: int = 0
    named: list[str] = field(default_factory=list)

    @property
    def facts(self) -> dict[str, Any]:
        return {"files": self.files, "bytes": self.bytes, "gone": self.gone, "missing": self.missing, "named": self.named}


def hold_references(snapshot: sa.Connection) -> None:
    """Have the server keep the list of files beyond the snapshot's end, so that copying them keeps no old rows alive."""
    parts = " UNION ALL ".join(
        f"SELECT DISTINCT '{folder.name}' AS folder, {folder.file} AS file FROM {folder.table} WHERE {folder.where}"  # noqa: S608
        for folder in FOLDERS
    )
    snapshot.execute(sa.text(f"DECLARE {_CURSOR} CURSOR WITH HOLD FOR {parts}"))


def copy(connection: sa.Connection, data_dir: Path, write: Callable[[bytes], None], *, head: int) -> Copied:
    """Write every file that was held on to, and the audit's heads up to `head`. One that vanishes under our hands is looked at again."""
    copied = Copied()
    for folder, file in _held(connection):
        path = data_dir / folder.name / file
        if not _put(path, f"{folder.name}/{file}", write, copied) and folder.must:
            _note_absent(connection, folder, file, copied)
        if folder.beside:
            _put(path.with_name(path.name + folder.beside), f"{folder.name}/{file}{folder.beside}", write, copied)
    _put_heads(data_dir / HEADS_FILE, head, write, copied)
    return copied


def _held(connection: sa.Connection) -> Iterator[tuple[Folder, str]]:
    while rows := connection.execute(sa.text(f"FETCH {_AT_ONCE} FROM {_CURSOR}")).all():
        for name, file in rows:
            yield BY_NAME[name], file


def _note_absent(connection: sa.Connection, folder: Folder, file: str, copied: Copied) -> None:
    stands = sa.text(f"SELECT EXISTS (SELECT FROM {folder.table} WHERE {folder.where} AND {folder.file} = :file)")  # noqa: S608
    if not connection.execute(stands, {"file": file}).scalar_one():
        copied.gone += 1
        return
    copied.missing += 1
    if len(copied.named) < _MOST_NAMED:
        copied.named.append(f"{folder.name}/{file}")


def _put(path: Path, name: str, write: Callable[[bytes], None], copied: Copied) -> bool:
    """Write one file as it is now; False when there is none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return False
    with file:
        parts = iter(lambda: file.read(PART_BYTES), b"")
        _put_parts(name, parts, write, copied)
    return True


def _put_parts(name: str, parts: Iterator[bytes], write: Callable[[bytes], None], copied: Copied) -> None:
    records.put_facts(write, Kind.FILE, {"path": name})
    digest, size = hashlib.sha256(), 0
    for part in parts:
        digest.update(part)
        size += len(part)
        records.put_part(write, part)
    records.put_facts(write, Kind.FILE_END, {"size": size, "sha256": digest.hexdigest()})
    copied.files += 1
    copied.bytes += size


def _put_heads(path: Path, head: int, write: Callable[[bytes], None], copied: Copied) -> None:
    """The heads that were recorded outside, without those that the snapshot does not know yet."""
    if path.exists():
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)
        known = "".join(line for line in lines if (number := line.partition(" ")[0]).isdigit() and int(number) <= head)
        _put_parts(HEADS_FILE, iter([known.encode("ascii")]), write, copied)


class Receiver:
    """Takes a back-up's files out of its records and proves them; writes them below `root`, or only proves them without one."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._file: Any = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._path = ""
        self.files = 0

    def take(self, record: records.Record) -> None:
        """Raises Damaged when a file is not what it was."""
        if record.kind is Kind.FILE:
            self._begin(str(record.facts["path"]))
        elif record.kind in (Kind.PLAIN, Kind.DEFLATED):
            part = record.content
            self._digest.update(part)
            self._size += len(part)
            if self._file is not None:
                self._file.write(part)
        elif record.kind is Kind.FILE_END:
            self._end(record.facts)

    def _begin(self, name: str) -> None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or (path.parts[0] not in BY_NAME and name != HEADS_FILE):
            raise Damaged("it holds a file that belongs nowhere")
        self._path, self._digest, self._size = name, hashlib.sha256(), 0
        if self._root is not None:
            target = self._root / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")

    def _end(self, facts: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self.close()
        if facts != {"size": self._size, "sha256": self._digest.hexdigest()}:
            raise Damaged(f"its file {self._path} is not what it was")
        self.files += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def put_in_place(staged: Path, data_dir: Path) -> int:
    """Move what was received to where rows expect it: what only adds. What is there with the same size stays. Answers how many came."""
    moved = 0
    for folder in FOLDERS:
        if folder.name not in REPLACED:
            moved += _move_all(staged / folder.name, data_dir / folder.name, replace=False)
    return moved


def put_in_place_last(staged: Path, data_dir: Path, *, mark: str) -> None:
    """What belongs to the restored rows alone: parts of photos, and the audit's heads. Those heads that stood here are set aside."""
    for name in REPLACED:
        _move_all(staged / name, data_dir / name, replace=True)
    heads, kept = data_dir / HEADS_FILE, staged / HEADS_FILE
    if heads.exists() and (not kept.exists() or heads.read_bytes() != kept.read_bytes()):
        heads.replace(data_dir / f"audit-heads.before-{mark}.txt")
    if kept.exists():
        kept.replace(heads)
    durable.sync(data_dir)


def _move_all(source: Path, target: Path, *, replace: bool) -> int:
    moved = 0
    for root, _, names in os.walk(source):
        there = target / Path(root).relative_to(source)
        for name in names:
            new, old = Path(root) / name, there / name
            if not replace and old.exists() and old.stat().st_size == new.stat().st_size:
                continue
            there.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.replace(old)
            moved += 1
        if names and there.exists():
            durable.sync(there)
    return moved
