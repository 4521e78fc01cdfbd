"""Teams: who answers for tickets together, what each of them knows, and who is on duty."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=80, unique=True)
    is_active: bool = True
    created_at: datetime = Field(sa_type=UtcDateTime)


class TeamMember(SQLModel, table=True):
    """One person in one team. The skill `lead` says who hears of it when a deadline is at risk."""

    __tablename__ = "team_member"

    team_id: int = Field(primary_key=True, foreign_key="team.id", sa_type=sa.BigInteger)
    staff_id: int = Field(primary_key=True, foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    skills: list[str] = Field(default_factory=list, sa_type=Json)
    is_on_duty: bool = True
