"""Refusals of the domain. Each edge maps a kind once: HTTP status (RFC 9457), console toast, exit status."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


class ErrorKind(StrEnum):
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    GONE = "gone"
    STALE = "stale"
    PRECONDITION_MISSING = "precondition_missing"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class DomainError(Exception):
    """A refusal that a person can act on.

    `code` is API: apps and translations key on it. `message` says in plain words what is wrong and what to do;
    it carries no secret, voucher code or full phone number. `extra` adds members to the problem document.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    code: ClassVar[str] = "invalid"
    title: ClassVar[str] = "The request was refused"
    message: ClassVar[str] = "The request was refused."

    def __init__(self, message: str | None = None, *, field: str | None = None, **extra: Any) -> None:
        self.text = message or self.message
        self.field = field
        self.extra = extra
        super().__init__(self.text)


class InvalidInput(DomainError):
    kind, code, title = ErrorKind.INVALID, "invalid_input", "The input is not valid"


class Forbidden(DomainError):
    kind, code, title = ErrorKind.FORBIDDEN, "forbidden", "Not allowed"
    message = "Your role does not allow this. Ask a System Admin if you need it."


class Unauthenticated(DomainError):
    kind, code, title = ErrorKind.UNAUTHENTICATED, "unauthenticated", "Log in first"
    message = "Log in, or send a valid token in the Authorization header."


class NotFound(DomainError):
    kind, code, title = ErrorKind.NOT_FOUND, "not_found", "Not found"
    message = "There is nothing here under that name."


class Conflict(DomainError):
    kind, code, title = ErrorKind.CONFLICT, "conflict", "The state has changed"


class Stale(DomainError):
    """A change was meant for an older state of a record than the one that stands now."""

    kind, code, title = ErrorKind.STALE, "stale", "Somebody else changed it first"
    message = "This was changed since you read it. Read it again, and make your change to what stands now."


class Unavailable(DomainError):
    kind, code, title = ErrorKind.UNAVAILABLE, "unavailable", "A service is not answering"
    message = "A service we need is not answering. Try again in a minute; nothing was lost."


class TooMany(DomainError):
    """Raised with `retry_after` seconds; the edge sends it as `Retry-After`."""

    kind, code, title = ErrorKind.TOO_MANY, "too_many_tries", "Too many tries"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many tries. Wait {retry_after} seconds, then try again.", retry_after=retry_after)
        self.retry_after = retry_after
