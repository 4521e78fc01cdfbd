"""Which state of a record a change was meant for, so that nobody overwrites what they have not seen."""

from __future__ import annotations

import hashlib

import orjson

from app.errors import Stale


def revision_of(*values: object) -> str:
    """A short name for this state: the values are all that a change of the record can alter."""
    return hashlib.sha256(orjson.dumps(values, default=str)).hexdigest()[:20]


def require(expected: str | None, current: str) -> None:
    """Raises Stale when the record is no longer what `expected` names. None means that the caller changes whatever stands."""
    if expected is not None and expected != current:
        raise Stale
