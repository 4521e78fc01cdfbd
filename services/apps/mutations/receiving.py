"""All kinds of mutations together, and what the server says of an entity that a phone's word did not count for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.clock import Clock
from app.db import Begin
from services.apps import documents
from services.apps.callers import Caller
from services.apps.mutations import customer, technician
from services.apps.mutations.engine import Answers, Sent, apply_batch
from services.apps.mutations.kinds import Kind

KINDS: Mapping[str, Kind] = {**customer.KINDS, **technician.KINDS}


def receive(begin: Begin, *, caller: Caller, sent_at: datetime, sent: Sequence[Sent], clock: Clock) -> Answers:
    """Do a phone's batch; raises what `apply_batch` raises."""
    return apply_batch(begin, caller=caller, kinds=KINDS, server_says=what_stands, sent_at=sent_at, sent=sent, clock=clock)


def what_stands(session: Session, caller: Caller, kind: str, number: int) -> Mapping[str, Any] | None:
    """The entity as a sync tells it; None where the caller may not know of it, or of its kind."""
    if kind not in documents.KINDS_OF[caller.app]:
        return None
    found = documents.one(session, caller, kind, number)
    if found is None:
        return None
    return {"kind": found.kind, "id": str(found.id), "version": found.version, "data": found.data}
