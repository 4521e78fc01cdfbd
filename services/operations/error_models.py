"""Errors of the product itself, grouped: the same fault is one row, however often it happens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class ErrorState(StrEnum):
    """A resolved one that happens again is open again (`reopened` counts it). An ignored one is counted and told to nobody."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"


class ErrorGroup(SQLModel, table=True):
    """All errors with the same fingerprint: the kind of exception and the places of our own code that it passed."""

    __tablename__ = "error_group"
    __table_args__ = (
        sa.Index("ix_error_group_last_at", "last_at", "id"),
        sa.Index("ix_error_group_state", "state", "last_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    fingerprint: str = Field(max_length=64, unique=True)
    kind: str = Field(max_length=120)
    # Masked: no number, no code, no key.
    message: str = Field(default="", max_length=500)
    # Where it was raised in our code, `module:function`, and which process told of it.
    place: str = Field(default="", max_length=200)
    process: str = Field(default="", max_length=20)
    count: int = Field(default=0, sa_type=sa.BigInteger)
    first_at: datetime = Field(sa_type=UtcDateTime)
    last_at: datetime = Field(sa_type=UtcDateTime)
    first_release: str = Field(default="", max_length=80)
    last_release: str = Field(default="", max_length=80)
    state: ErrorState = Field(default=ErrorState.OPEN, sa_type=enum_type(ErrorState))
    assignee_id: int | None = Field(default=None, foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_by: str = Field(default="", max_length=120)
    reopened: int = 0
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The newest one in full, masked: trace, route or job, correlation ID, release.
    example: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class ErrorHour(SQLModel, table=True):
    """How often a group's error happened within an hour."""

    __tablename__ = "error_hour"
    __table_args__ = (sa.Index("ix_error_hour_hour", "hour"),)

    group_id: int = Field(primary_key=True, foreign_key="error_group.id", ondelete="CASCADE", sa_type=sa.BigInteger)
    hour: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    count: int = 0
