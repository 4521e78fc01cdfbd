"""Is the audit still what was written? The chain is walked, and compared with the heads that were recorded outside the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlmodel import Session, col, select

from app.clock import isoformat
from services.audit.chain import GENESIS, Break, breaks_with, first_break
from services.audit.models import AuditEntry, AuditHead

_HEAD_LINE = re.compile(r"(\d+) ([0-9a-f]{64}) \S+")
_PAGE = 1000
# Under the data dir here, and from there off the machine: what is recorded elsewhere cannot be rewritten with the table.
HEADS_FILE = "audit-heads.txt"


@dataclass(frozen=True)
class Verdict:
    """`broken` is the first place where the audit is not what was written, None when it all is."""

    rows: int
    heads_compared: int
    broken: Break | None


def verify(session: Session, *, recorded_heads: Path | None) -> Verdict:
    """Walk the whole chain. Its memory does not grow with the audit."""
    head = session.get(AuditHead, 1)
    last_id, last_hash = (head.last_id, head.last_hash) if head else (0, GENESIS)
    heads = list(_read_heads(recorded_heads)) if recorded_heads is not None and recorded_heads.exists() else []
    wanted, known = {entry_id for entry_id, _ in heads}, {}

    def walk() -> Iterator[AuditEntry]:
        for entry in _in_order(session):
            if entry.id in wanted:
                known[entry.id] = entry.hash
            yield entry

    broken = first_break(walk(), head_id=last_id, head_hash=last_hash)
    if broken is None:
        broken = next(breaks_with(heads, known), None)
    return Verdict(last_id, len(heads), broken)


def _in_order(session: Session) -> Iterator[AuditEntry]:
    after = 0
    while True:
        page = session.exec(select(AuditEntry).where(col(AuditEntry.id) > after).order_by(col(AuditEntry.id)).limit(_PAGE)).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id
        session.expunge_all()


def record_head(session: Session, *, file: Path, now: datetime) -> bool:
    """Append the chain's head to a file outside the table, once for each head. Answers whether there was news."""
    head = session.get(AuditHead, 1)
    if head is None:
        return False
    if file.exists() and any(entry_id == head.last_id for entry_id, _ in _read_heads(file)):
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii") as lines:
        lines.write(f"{head.last_id} {head.last_hash} {isoformat(now)}\n")
    return True


def _read_heads(file: Path) -> Iterator[tuple[int, str]]:
    for line in file.read_text(encoding="ascii").splitlines():
        found = _HEAD_LINE.fullmatch(line.strip())
        if found:
            yield int(found.group(1)), found.group(2)
