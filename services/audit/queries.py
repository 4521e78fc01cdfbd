"""Reading the audit for the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.listing import Listing, Slice, count, fetch, pick

_SORTS: dict[str, Sequence[Any]] = {"id": (col(AuditEntry.id),)}


@dataclass(frozen=True)
class AuditFilter:
    """`search` is an action, a target's number or name, an actor or a correlation ID, from its beginning."""

    search: str = ""
    on: date | None = None
    target_type: str | None = None


def list_audit(session: Session, *, actor: Principal, wanted: AuditFilter, part: Slice) -> Listing[AuditEntry]:
    """One page of the audit, newest first. Raises Forbidden."""
    actor.require(Permission.AUDIT_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.target_type:
        conditions.append(col(AuditEntry.target_type) == wanted.target_type)
    if wanted.on:
        day = datetime.combine(wanted.on, time(), UTC)
        conditions.append(col(AuditEntry.at).between(day, datetime.combine(wanted.on, time.max, UTC)))
    if text := wanted.search.strip():
        columns = (AuditEntry.action, AuditEntry.target_id, AuditEntry.actor, AuditEntry.correlation_id)
        conditions.append(sa.or_(*(col(column).startswith(text, autoescape=True) for column in columns)))
    found = fetch(session, pick(AuditEntry).where(*conditions), part, sorts=_SORTS, default_sort="id")
    total, is_estimate = count(
        session, pick(AuditEntry.id).where(*conditions), whole_table=None if conditions else "audit_entry", part=part
    )
    return Listing(tuple(row[0] for row in found), total, is_estimate)
