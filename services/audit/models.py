"""Who did what to which record, before and after, from where: append-only, each row carrying the hash of the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime


class AuditEntry(SQLModel, table=True):
    """One action of a staff member or an outside service. Never changed or deleted: a trigger refuses it, the chain shows it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("ix_audit_entry_target", "target_type", "target_id", "id"),
        sa.Index("ix_audit_entry_actor", "actor", "id"),
        sa.Index("ix_audit_entry_at", "at", "id"),
    )

    # Given by the chain, not by a sequence: numbers without a gap are part of what is verified.
    id: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=254)
    action: str = Field(max_length=60)
    target_type: str = Field(max_length=40)
    target_id: str = Field(max_length=80)
    before: dict[str, Any] | None = Field(default=None, sa_type=Json, nullable=True)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json, nullable=True)
    address: str = Field(default="", max_length=64)
    correlation_id: str = Field(default="", max_length=64)
    previous_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class AuditHead(SQLModel, table=True):
    """The chain's last link, locked by who appends: audited transactions queue here, so the chain has one order."""

    __tablename__ = "audit_head"
    __table_args__ = (sa.CheckConstraint("id = 1", name="only_one"),)

    id: int = Field(default=1, primary_key=True)
    last_id: int = Field(default=0, sa_type=sa.BigInteger)
    last_hash: str = Field(max_length=64)
