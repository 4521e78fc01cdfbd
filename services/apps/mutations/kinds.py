"""What every kind of mutation says of itself: who may send it, its payload, what it changes, and what would conflict with it.

The engine (services/apps/mutations/engine.py) asks this table; a new kind is a row in `KINDS` of customer.py or technician.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlmodel import Session

from services.apps.callers import Caller
from services.apps.models import App


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
    """`entity` is how it is named in a mutation: `ticket:T-00001`, `profile`, `access:12`; `new` kinds make one and are named `ticket:new`.

    `version` locks the entity and answers its version now, as its document says it in a sync (None: there is none that the caller may know
    of, which is answered as `rejected`). `conflicts` says whether something since `base` speaks against it; None for what only adds
    (a note, a photo, a part), which never conflicts. `apply` does it, and raises DomainErrors, which become `rejected` with their words.
    """

    app: App
    payload: type[BaseModel]
    apply: Callable[[Session, Caller, str, Any, At], Done]
    version: Callable[[Session, Caller, str], str | None]
    conflicts: Callable[[Session, Caller, str, str], bool] | None = None
