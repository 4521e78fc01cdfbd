"""What a document is: one thing as one person's phone shows it, made of rows alone, so that it says the same until one of them changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from sqlmodel import Session

from app.clock import isoformat
from services.apps.callers import Caller

Data = dict[str, Any]
Loader = Callable[[Session, Caller, Sequence[int]], dict[int, Data]]
"""Answers those of the rows that the caller may see; all of them in a number of statements that does not grow with theirs."""
at = isoformat
MAX_WORDS = 8000
"""Of one message a phone is given this many characters."""


@dataclass(frozen=True)
class Document:
    """`version` tells two states of it apart; of a ticket it says what was the last to happen (services/apps/versions.py)."""

    kind: str
    id: int
    version: str
    data: Data = field(repr=False)

    @cached_property
    def json(self) -> bytes:
        """As it goes out in a sync."""
        named = {"kind": self.kind, "id": str(self.id), "version": self.version, "removed": False, "data": self.data}
        return orjson.dumps(named)


def digest_of(data: Data) -> str:
    """The version of a document that has no other: the same for the same content, whatever the order of its keys."""
    return hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20]


def named(row_id: int | None) -> str | None:
    """How another entity is referred to: its row's number as text, as `id` has it in a sync."""
    return None if row_id is None else str(row_id)


def masked_mac(mac: str | None) -> str | None:
    """Enough to tell one's own devices apart."""
    return None if mac is None else f"••:••:••:{mac[-8:]}"
