"""What people add to tickets and keep about them: tags, watchers, links, macros, drafts; and steps that can be taken back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, col

from app.db import Json, UtcDateTime, enum_type
from services.tickets.models import IS_UNDONE, Ticket


class TicketTag(SQLModel, table=True):
    __tablename__ = "ticket_tag"
    __table_args__ = (
        sa.Index("ix_ticket_tag_tag", "tag", "ticket_id"),
        # What is not done and has a tag, in the order of what is due, however many that are done ever had it.
        sa.Index("ix_ticket_tag_undone", "tag", "due_at", "ticket_id", postgresql_where=sa.text("is_undone")),
    )

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    tag: str = Field(primary_key=True, max_length=40)
    # The ticket's own, for queries to walk along. The database keeps them (triggers of migration 0009): what is written here is not taken.
    is_undone: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


# Filters combined: what follows the order is compared in the index already, so that only what matches is looked at in the table.
_NARROWING = [Ticket.priority, Ticket.category, Ticket.channel, Ticket.language, Ticket.site_id, Ticket.assignee_id]
sa.Index(
    "ix_ticket_narrowed",
    *(col(one) for one in (Ticket.due_at, Ticket.id, Ticket.state, Ticket.team_id, *_NARROWING)),
    postgresql_where=IS_UNDONE,
)
sa.Index(
    "ix_ticket_narrowed_team",
    *(col(one) for one in (Ticket.team_id, Ticket.due_at, Ticket.id, Ticket.state, *_NARROWING)),
    postgresql_where=IS_UNDONE,
)


class TicketWatcher(SQLModel, table=True):
    __tablename__ = "ticket_watcher"

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    staff_id: int = Field(primary_key=True, foreign_key="staff.id", index=True, sa_type=sa.BigInteger)


class TicketLink(SQLModel, table=True):
    """Two tickets that have to do with each other; the smaller id first, so that a pair is kept once."""

    __tablename__ = "ticket_link"
    __table_args__ = (sa.CheckConstraint("first_id < second_id", name="ordered_pair"),)

    first_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    second_id: int = Field(primary_key=True, foreign_key="ticket.id", index=True, sa_type=sa.BigInteger)
    made_by: str = Field(max_length=254)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Macro(SQLModel, table=True):
    """A prepared answer with changes to go along: `{customer}`-like fields are filled in, a missing one is named and nothing is sent."""

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=80, unique=True)
    text: str = Field(default="", max_length=4000)
    is_note: bool = False
    # State, priority, category, team and tags that it sets.
    changes: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    # None: everybody's.
    owner_id: int | None = Field(default=None, foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    is_active: bool = True
    change_number: int = 0


class OperationKind(StrEnum):
    MERGE = "merge"
    SPLIT = "split"


class TicketOperation(SQLModel, table=True):
    """A merge or a split, with all that is needed to take it back until `undo_until`."""

    __tablename__ = "ticket_operation"
    __table_args__ = (sa.Index("ix_ticket_operation_ticket_id", "ticket_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    kind: OperationKind = Field(sa_type=enum_type(OperationKind))
    # The ticket that took something in (merge), gave something away (split).
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=sa.BigInteger)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    made_by: str = Field(max_length=254)
    staff_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    undo_until: datetime = Field(sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
