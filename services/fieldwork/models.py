"""A technician's visit about a ticket, what was checked and fitted there, and what the customer said of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class VisitState(StrEnum):
    """`cannot` ends it with a reason; `done` ends it well."""

    ACCEPTED = "accepted"
    ON_THE_WAY = "on_the_way"
    ON_SITE = "on_site"
    DONE = "done"
    CANNOT = "cannot"


class Visit(SQLModel, table=True):
    """How far one technician is with one ticket. Each step also stands in the ticket's history, with the place where it was taken."""

    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "staff_id"),
        sa.Index("ix_visit_staff_id", "staff_id", "since"),
        sa.CheckConstraint("(state = 'cannot') = (reason IS NOT NULL)", name="cannot_has_a_reason"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=sa.BigInteger)
    staff_id: int = Field(foreign_key="staff.id", sa_type=sa.BigInteger)
    state: VisitState = Field(sa_type=enum_type(VisitState))
    reason: str | None = Field(default=None, max_length=300)
    # By the phone's clock, set right.
    since: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Checklist(SQLModel, table=True):
    """What is looked at on a visit about tickets of one category; `*` stands for all others. An item is `{"key", "text"}`."""

    category: str = Field(primary_key=True, max_length=40)
    items: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    changed_by: str = Field(default="system", max_length=254)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class VisitCheck(SQLModel, table=True):
    """One item that was looked at. It keeps its words, because the checklist may change later."""

    __tablename__ = "visit_check"

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    item: str = Field(primary_key=True, max_length=40)
    text: str = Field(max_length=200)
    is_done: bool
    note: str = Field(default="", max_length=300)
    staff_id: int = Field(foreign_key="staff.id", sa_type=sa.BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)


class PartUsed(SQLModel, table=True):
    """A part that was fitted or used up on a visit."""

    __tablename__ = "part_used"
    __table_args__ = (
        sa.Index("ix_part_used_ticket_id", "ticket_id", "id"),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000", name="sane_quantity"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=sa.BigInteger)
    staff_id: int = Field(foreign_key="staff.id", sa_type=sa.BigInteger)
    name: str = Field(max_length=120)
    serial: str = Field(default="", max_length=80)
    quantity: int = 1
    at: datetime = Field(sa_type=UtcDateTime)


class VisitConfirmation(SQLModel, table=True):
    """What the customer said when the technician left: it works, or not yet. The last word counts."""

    __tablename__ = "visit_confirmation"

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    staff_id: int = Field(foreign_key="staff.id", sa_type=sa.BigInteger)
    works: bool
    # As they gave it; nobody checks it.
    name: str = Field(default="", max_length=120)
    comment: str = Field(default="", max_length=500)
    at: datetime = Field(sa_type=UtcDateTime)
