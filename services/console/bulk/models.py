"""What was done to many rows at once, and to each of them: by it a repeat is known, the result is shown and the way back is found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class Second(StrEnum):
    """Of a step that a second person has to agree to: whether one has."""

    ASKED = "asked"
    AGREED = "agreed"
    DECLINED = "declined"


class BulkOperation(SQLModel, table=True):
    """One wish for many rows. Asked for again with the same `key` it is the same one, so a second click changes nothing."""

    __tablename__ = "bulk_operation"
    __table_args__ = (
        sa.UniqueConstraint("made_by", "key"),
        sa.Index("ix_bulk_operation_created_at", "created_at"),
        sa.Index("ix_bulk_operation_second", "page", "id", postgresql_where=sa.text("second IS NOT NULL AND ended_at IS NULL")),
        sa.Index("ix_bulk_operation_undo_until", "made_by", "undo_until", postgresql_where=sa.text("undone_at IS NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    key: str = Field(max_length=64)
    made_by: str = Field(max_length=254)
    # Of services/console/lists.py, and the action's own name.
    page: str = Field(max_length=40)
    action: str = Field(max_length=60)
    answers: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    reason: str = Field(default="", max_length=500)
    created_at: datetime = Field(sa_type=UtcDateTime)
    # When the last row had its turn; a process that died in between leaves it open, and the same wish goes on.
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # None for what cannot be taken back.
    undo_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # None where one person is enough. `second_by` is who agreed or declined.
    second: Second | None = Field(default=None, sa_type=enum_type(Second))
    second_by: str | None = Field(default=None, max_length=254)


class RowState(StrEnum):
    """`same`: it was so already. `kept`: it was to be taken back and stays, because of what happened to it since."""

    WAITING = "waiting"
    DONE = "done"
    SAME = "same"
    REFUSED = "refused"
    UNDONE = "undone"
    KEPT = "kept"


class BulkRow(SQLModel, table=True):
    """What became of one row, in words, with what taking it back needs."""

    __tablename__ = "bulk_row"
    __table_args__ = (sa.Index("ix_bulk_row_at", "at"),)

    operation_id: int = Field(sa_column=sa.Column(sa.BigInteger, sa.ForeignKey("bulk_operation.id", ondelete="CASCADE"), primary_key=True))
    place: int = Field(primary_key=True)
    row_id: int = Field(sa_type=sa.BigInteger)
    name: str = Field(max_length=160)
    state: RowState = Field(default=RowState.WAITING, sa_type=enum_type(RowState, name="state"))
    said: str = Field(default="", max_length=500)
    kept: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    at: datetime = Field(sa_type=UtcDateTime)
