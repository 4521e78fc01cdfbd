"""What is promised: policies in versions, the calendars that count their time, and each step that was taken when a promise was at risk."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class BusinessCalendar(SQLModel, table=True):
    """When somebody works: several spans a weekday (`{"0": [["08:00","12:30"],["14:00","18:00"]]}`, Monday is 0), in one time zone."""

    __tablename__ = "business_calendar"

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=80, unique=True)
    timezone: str = Field(default="Africa/Banjul", max_length=60)
    spans: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    # Country code of the `holidays` package, or None for no public holidays.
    holidays_of: str | None = Field(default="GM", max_length=2)


class CalendarDay(SQLModel, table=True):
    """An own holiday, or a working day in spite of one."""

    __tablename__ = "calendar_day"

    calendar_id: int = Field(primary_key=True, foreign_key="business_calendar.id", sa_type=sa.BigInteger)
    day: date = Field(primary_key=True, sa_type=sa.Date)
    is_open: bool = False
    name: str = Field(default="", max_length=80)


class SlaPolicy(SQLModel, table=True):
    """`conditions` (priority, category, customer kind, channel) choose it: the first by position that fits."""

    __tablename__ = "sla_policy"

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    position: int = Field(unique=True)
    name: str = Field(max_length=80, unique=True)
    conditions: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    current_version: int = 1
    is_active: bool = True


class SlaPolicyVersion(SQLModel, table=True):
    """The terms of a policy, immutable: a ticket keeps those it was promised until a change is applied to it and said in its history."""

    __tablename__ = "sla_policy_version"
    __table_args__ = (sa.UniqueConstraint("policy_id", "version"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    policy_id: int = Field(foreign_key="sla_policy.id", sa_type=sa.BigInteger)
    version: int
    # The calendar's whole meaning at that time (spans, time zone, holidays), so that replaying an old history gives the old deadline.
    calendar: dict[str, Any] = Field(sa_type=Json)
    first_response_seconds: int | None = None
    next_response_seconds: int | None = None
    resolution_seconds: int | None = None
    # Which states and hold reasons stop which clocks, e.g. {"pending": ["resolution"], "on_hold:part": ["resolution"]}.
    pauses: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    # Steps: [{"clock": "resolution", "at": "-20%" | "0" | "+3600s", "do": "warn" | "breach" | "escalate", "to": {...}}]
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)


class SlaClock(StrEnum):
    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"


class SlaStep(SQLModel, table=True):
    """One warning, breach or escalation that was acted on: unique, so that it fires once, also when a tick dies or runs twice."""

    __tablename__ = "sla_step"
    __table_args__ = (sa.UniqueConstraint("ticket_id", "clock", "round", "step"), sa.Index("ix_sla_step_at", "at"))

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=sa.BigInteger)
    clock: SlaClock = Field(sa_type=enum_type(SlaClock))
    # The how-manyeth run of this clock (each customer message starts the next-response clock anew).
    round: int
    step: str = Field(max_length=40)
    due_at: datetime = Field(sa_type=UtcDateTime)
    at: datetime = Field(sa_type=UtcDateTime)
    said_to: str = Field(default="", max_length=300)
