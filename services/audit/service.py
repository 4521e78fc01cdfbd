"""Writing the audit, in the transaction of the change that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Protocol

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from app import correlation, origin
from services.audit.chain import GENESIS, link
from services.audit.models import AuditEntry, AuditHead

MASKED = "•••"
# What a row may say of these is that they changed.
_SECRET = ("password", "secret", "faskey", "token", "code", "seed", "hash", "sealed", "mac")


class Actor(Protocol):
    """Whoever the audit can name: a Principal, or a machine that shows by itself what it did."""

    @property
    def label(self) -> str: ...


def record(
    session: Session,
    actor: Actor,
    action: str,
    *,
    target: tuple[str, object],
    now: datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Append a row to the chain. With both sides given only what differs is kept; values of secret fields are masked."""
    session.execute(insert(AuditHead).values(id=1, last_id=0, last_hash=GENESIS).on_conflict_do_nothing())
    head = session.get_one(AuditHead, 1, with_for_update=True, populate_existing=True)
    old, new = _differing(before, after)
    entry = AuditEntry(
        id=head.last_id + 1,
        at=now,
        actor=actor.label,
        action=action,
        target_type=target[0],
        target_id=str(target[1]),
        before=old,
        after=new,
        address=origin.current(),
        correlation_id=correlation.current(),
        previous_hash=head.last_hash,
        hash="",
    )
    entry.hash = link(entry)
    head.last_id, head.last_hash = entry.id, entry.hash
    session.add(entry)
    session.flush()


def _differing(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if before is not None and after is not None:
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        before = {name: value for name, value in before.items() if name in changed}
        after = {name: value for name, value in after.items() if name in changed}
    return _shown(before), _shown(after)


def _shown(values: Mapping[str, object] | None) -> dict[str, Any] | None:
    return None if values is None else {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: object) -> Any:
    if value is not None and any(word in name.lower() for word in _SECRET):
        return MASKED
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None | list | dict) else str(value)
