"""The one place that looks at the clock. Edges call `utc_now()` once and hand it to the services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def isoformat(at: datetime | None) -> str | None:
    """UTC ISO 8601 with a `Z`, as every JSON face answers (contract.md)."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
