"""What every kind of mutation says of itself: who may send it, its payload, what it changes, and what would conflict with it.

The engine (services/apps/mutations/engine.py) asks this table; a new kind is a row in `KINDS` of customer.py or technician.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator
from sqlmodel import Session

from services.apps.callers import Caller
from services.apps.models import App

_ENTITY = re.compile(r"([a-z_]{1,24}):(\d{1,18})")


class Payload(BaseModel):
    """What every payload has in common: nothing that nobody asked for, and text that PostgreSQL can hold."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: object) -> object:
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("contains a character that is not text")
        return value


def number_of(entity: str, kind: str) -> int | None:
    """The row of `kind:number`; None for a name of another kind or shape."""
    found = parts_of(entity)
    return found[1] if found is not None and found[0] == kind else None


def parts_of(entity: str) -> tuple[str, int] | None:
    """Kind and row of an entity's name; None for one that is not there yet (`ticket:new`), or no name at all."""
    found = _ENTITY.fullmatch(entity)
    return (found[1], int(found[2])) if found else None


@dataclass(frozen=True)
class At:
    """`happened`: by the phone's clock, set right and never later than `now`. `client_id` is the phone's own name of the mutation."""

    happened: datetime
    now: datetime
    client_id: str


@dataclass(frozen=True)
class Done:
    """What came of it: `entity` as it is named from now on (a new one gets its name here), and what the phone is told besides."""

    entity: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """`entity` is how it is named in a mutation: `ticket:17`, `profile:9`, `access:12`; `new` kinds make one and are named `ticket:new`.

    `version` locks the entity and answers its version now, as its document says it in a sync (None: there is none that the caller may know
    of, which is answered as `rejected`). `conflicts` says whether something since `base` speaks against it; None for what only adds
    (a note, a photo, a part), which never conflicts. Where it is set a mutation has to name a base version; the engine asks it only when
    the version of now is not reached from that base by this phone's own mutations alone. `apply` does it, and raises DomainErrors, which
    become `rejected` with their words.
    """

    app: App
    payload: type[BaseModel]
    apply: Callable[[Session, Caller, str, Any, At], Done]
    version: Callable[[Session, Caller, str], str | None]
    conflicts: Callable[[Session, Caller, str, str], bool] | None = None
