"""What goes over the wire, typed: fields that a newer server adds are ignored (contract.md: fields are added, never changed)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class DeviceInfo(_Wire):
    """The phone as the server names it."""

    id: str
    name: str
    app: Literal["go", "tech"]


class Person(_Wire):
    """Whose phone it is: staff have permissions, customers none."""

    kind: Literal["customer", "staff"]
    id: int
    name: str | None = None
    permissions: list[str] = Field(default_factory=list)


class Tokens(_Wire):
    """`device_key` is good for one refresh; `expires_in` seconds from now the access token ends."""

    access_token: str
    expires_in: int
    device_key: str
    device: DeviceInfo
    person: Person


class Change(_Wire):
    """A thing as it is now, or its removal. `id` is unique within its kind."""

    kind: str
    id: str
    version: str = ""
    removed: bool = False
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def entity(self) -> str:
        """How mutations name it."""
        return f"{self.kind}:{self.id}"


class SyncPage(_Wire):
    """With `start_over`, what is not named again before `more` is false exists no more."""

    changes: list[Change]
    cursor: str
    more: bool
    start_over: bool
    server_time: datetime


class Outcome(StrEnum):
    """What became of a mutation. `duplicate`: it was answered before, and how is in `first`."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Reason(_Wire):
    """Why not, in a code for programs and words for people."""

    code: str
    message: str
    field: str | None = None


class Result(_Wire):
    """The answer to one mutation. `server` is what the server holds, when that speaks against it."""

    id: str
    outcome: Outcome
    first: Outcome | None = None
    entity: str
    version: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    reason: Reason | None = None
    server: Change | None = None

    @property
    def final(self) -> Outcome:
        """What became of it, whichever answer told us first."""
        return self.first or self.outcome


class Held(_Wire):
    """How many of this phone's mutations the server holds an answer for."""

    total: int
    applied: int
    conflict: int
    rejected: int


class Receipt(_Wire):
    """The answer to a batch."""

    results: list[Result]
    held: Held
    skew_ms: int
    server_time: datetime


class PhotoState(_Wire):
    """A photo as the server holds it. `attachment_id` is set once it is held."""

    id: str
    state: Literal["receiving", "held", "refused"]
    received_bytes: int
    size_bytes: int
    why: str | None = None
    attachment_id: int | None = None
