"""Teams: who answers for tickets together, what each of them knows, who is on duty; and the rules by which tickets find them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type
from services.tickets.triage.labels import Priority


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=80, unique=True)
    # Its tickets go to who is nearest; those of other teams to who has the least to do.
    is_field: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    is_active: bool = True
    created_at: datetime = Field(sa_type=UtcDateTime)


class TeamMember(SQLModel, table=True):
    """One person in one team: what they know, where they are at home, and how much they can carry.

    The skill `lead` says who hears of it when a deadline is at risk.
    """

    __tablename__ = "team_member"
    __table_args__ = (
        sa.CheckConstraint("capacity BETWEEN 1 AND 200", name="sane_capacity"),
        sa.CheckConstraint("(zone_latitude IS NULL) = (zone_longitude IS NULL)", name="zone_is_whole"),
    )

    team_id: int = Field(primary_key=True, foreign_key="team.id", sa_type=sa.BigInteger)
    staff_id: int = Field(primary_key=True, foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    skills: list[str] = Field(default_factory=list, sa_type=Json)
    languages: list[str] = Field(default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": "[]"})
    zone_latitude: float | None = None
    zone_longitude: float | None = None
    # Undone tickets at once.
    capacity: int = Field(default=20, sa_column_kwargs={"server_default": "20"})
    is_on_duty: bool = True
    # Among equals, whoever was given one longest ago is next.
    last_given_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RoutingRule(SQLModel, table=True):
    """`conditions` names fields and the values that fit; the first active rule by position whose every condition fits decides."""

    __tablename__ = "routing_rule"

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    position: int = Field(unique=True)
    name: str = Field(max_length=120)
    conditions: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    team_id: int = Field(foreign_key="team.id", index=True, sa_type=sa.BigInteger)
    # Within the team, only who has this skill; None: anybody.
    skill: str | None = Field(default=None, max_length=40)
    set_priority: Priority | None = Field(default=None, sa_type=enum_type(Priority, name="set_priority"))
    is_active: bool = True
    created_at: datetime = Field(sa_type=UtcDateTime)
