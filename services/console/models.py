"""What people keep of the console: views of lists under a name, the columns they wish to see, and what they were writing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime


class SavedView(SQLModel, table=True):
    """Filters, sort and columns of a list under a name; shared with everybody, or the owner's own."""

    __tablename__ = "saved_view"
    __table_args__ = (sa.UniqueConstraint("page", "owner_id", "name"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    page: str = Field(max_length=40)
    name: str = Field(max_length=80)
    owner_id: int = Field(foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    is_shared: bool = False
    state: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class ListColumns(SQLModel, table=True):
    """Which columns of a list a person wishes to see, in every browser. Without a row: those that the list shows by itself."""

    __tablename__ = "list_columns"

    staff_id: int = Field(primary_key=True, foreign_key="staff.id", sa_type=sa.BigInteger)
    page: str = Field(primary_key=True, max_length=40)
    columns: list[str] = Field(default_factory=list, sa_type=Json)


class Draft(SQLModel, table=True):
    """What somebody was writing: kept on the server, so that a reload, another computer or a deploy loses nothing."""

    __table_args__ = (sa.Index("ix_draft_saved_at", "saved_at"),)

    staff_id: int = Field(primary_key=True, foreign_key="staff.id", sa_type=sa.BigInteger)
    place: str = Field(primary_key=True, max_length=80)
    text: str = Field(sa_type=sa.Text)
    saved_at: datetime = Field(sa_type=UtcDateTime)
