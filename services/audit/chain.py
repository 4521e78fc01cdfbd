"""The hash of an audit row: over everything it says and the hash of the row before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from app.clock import isoformat
from services.audit.models import AuditEntry

GENESIS = hashlib.sha256(b"inet-portal audit").hexdigest()


def link(entry: AuditEntry) -> str:
    """SHA-256 over the row's canonical JSON (sorted keys), its predecessor's hash included."""
    said = {
        "id": entry.id,
        "at": isoformat(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "target": [entry.target_type, entry.target_id],
        "before": entry.before,
        "after": entry.after,
        "address": entry.address,
        "correlation_id": entry.correlation_id,
        "previous": entry.previous_hash,
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True)
class Break:
    """Where the chain first fails, and how."""

    entry_id: int
    what: str


def first_break(entries: Iterable[AuditEntry], *, head_id: int, head_hash: str) -> Break | None:
    """Walk the chain from its beginning; None when every link holds and it ends at the recorded head."""
    expected_id, expected_hash = 0, GENESIS
    for entry in entries:
        expected_id += 1
        if entry.id != expected_id:
            return Break(expected_id, f"row {expected_id} is missing; the next one is {entry.id}")
        if entry.previous_hash != expected_hash:
            return Break(entry.id, f"row {entry.id} does not follow row {entry.id - 1}")
        if link(entry) != entry.hash:
            return Break(entry.id, f"row {entry.id} was edited")
        expected_hash = entry.hash
    if expected_id < head_id:
        return Break(expected_id + 1, f"the chain was cut after row {expected_id}; it had {head_id}")
    if expected_id > head_id or expected_hash != head_hash:
        return Break(expected_id, "the recorded head is not the chain's end")
    return None


def breaks_with(heads: Iterable[tuple[int, str]], known: dict[int, str]) -> Iterator[Break]:
    """Heads recorded outside the database earlier that the chain of today does not contain: it was rewritten since."""
    for entry_id, recorded in heads:
        if known.get(entry_id) != recorded:
            yield Break(entry_id, f"row {entry_id} is not the one whose hash was recorded outside")
