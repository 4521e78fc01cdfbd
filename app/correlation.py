"""A correlation ID that follows a request into its jobs and outside calls: a context variable, kept if a well-formed one is sent in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

HEADER = "X-Correlation-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_current: ContextVar[str] = ContextVar("correlation_id", default="")


def current() -> str:
    """The ID of the request or job under way, or an empty text outside of one."""
    return _current.get()


def accept(sent: str | None) -> str:
    """The sent ID if it is well-formed (8 to 64 of letters, digits, `.`, `_`, `-`), else a new one."""
    return sent if sent and _WELL_FORMED.fullmatch(sent) else secrets.token_hex(12)


@contextmanager
def correlated(sent: str | None = None) -> Iterator[str]:
    token = _current.set(accept(sent))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


@contextmanager
def under(earlier: str) -> Iterator[str]:
    """Go on under an earlier ID; under the present one where there is none."""
    with correlated(earlier or current()) as kept:
        yield kept


@contextmanager
def continuing(earlier: str) -> Iterator[str]:
    """Go on under an earlier ID, with a line in the log that leads from the present one to it (`inet logs` follows it)."""
    if earlier and current() and earlier != current():
        structlog.get_logger(__name__).info("correlation.continues", continues=earlier)
    with under(earlier) as kept:
        yield kept
