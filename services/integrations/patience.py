"""How long whoever asks is ready to wait for the calls made inside a block, less than the providers' own time-outs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.outbound import Unavailable

# Nothing is sent with less than this left: no answer could come of it.
_LEAST_SECONDS = 0.05
_deadline: ContextVar[float | None] = ContextVar("outbound_deadline", default=None)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Bound all exchanges made inside the block together; None leaves them as they are.

    A call cut short ends as any other time-out does (OutcomeUnknown), one that comes too late is not made (Unavailable).
    """
    token = _deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def bounded(seconds: float) -> float:
    """`seconds`, or what is left of the patience if that is less."""
    deadline = _deadline.get()
    return seconds if deadline is None else max(_LEAST_SECONDS, min(seconds, deadline - time.monotonic()))


def require_time(service: str, operation: str) -> None:
    """Raises Unavailable when there is no time left to ask anything."""
    deadline = _deadline.get()
    if deadline is not None and deadline - time.monotonic() < _LEAST_SECONDS:
        # A wait of 0 also says that asking again at once is of no use.
        raise Unavailable(service, operation, "no time left to ask", 0.0)
