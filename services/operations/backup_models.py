"""Back-ups: each one that was made, and whether it was proven by restoring it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class BackupState(StrEnum):
    """Only a `verified` one counts against the age alarm: its dump was restored and compared."""

    RUNNING = "running"
    MADE = "made"
    VERIFIED = "verified"
    FAILED = "failed"


class Backup(SQLModel, table=True):
    """One file of `inet backup`: the database at one moment and the files beside it, encrypted."""

    __tablename__ = "backup"
    __table_args__ = (sa.Index("ix_backup_started_at", "started_at", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    state: BackupState = Field(sa_type=enum_type(BackupState))
    file_name: str = Field(max_length=200)
    started_at: datetime = Field(sa_type=UtcDateTime)
    # The moment of the database's snapshot.
    snapshot_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    removed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    size_bytes: int = Field(default=0, sa_type=sa.BigInteger)
    sha256: str = Field(default="", max_length=64)
    release: str = Field(default="", max_length=80)
    asked_by: str = Field(default="system", max_length=120)
    # Rows of the largest tables and the sums of the books, as the snapshot held them: what the check compares.
    content: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    error: str = Field(default="", max_length=300)
