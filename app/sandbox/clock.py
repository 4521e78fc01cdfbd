"""The sandbox's own time: real time plus an offset, so that half an hour at Wave or a day on a router can pass at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SandboxClock:
    """Unix seconds as the imitated services see them. Signatures and poll times use real time, not this."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def now(self) -> float:
        """Unix seconds, offset included."""
        return time.time() + self.offset_seconds

    def advance(self, seconds: float) -> None:
        """Let time jump forward for every imitated service."""
        self.offset_seconds += seconds


def iso(at: float) -> str:
    """Unix seconds as `YYYY-MM-DDThh:mm:ssZ`, the form Wave uses (protocols/wave.md §3)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(at: float | None) -> str | None:
    """`iso`, letting an absent instant through."""
    return None if at is None else iso(at)
