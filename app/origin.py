"""From where the request under way came: a context variable beside the correlation ID, for the audit and the limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("origin", default="")


def current() -> str:
    """The client's address, or an empty text outside a request."""
    return _current.get()


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    token = _current.set(address[:64])
    try:
        yield
    finally:
        _current.reset(token)
