"""Outages: one incident for one cause, and the access points that were down in it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of


class IncidentState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    FALSE_ALARM = "false_alarm"


class Incident(SQLModel, table=True):
    """An outage at one place, whatever the number of access points that are down there: one cause, one incident."""

    __table_args__ = (
        sa.Index("uq_incident_open_site", "site_id", unique=True, postgresql_where=sa.text("state = 'open' AND site_id IS NOT NULL")),
        sa.Index("ix_incident_started_at", "started_at", "id"),
        sa.Index("ix_incident_site_id_resolved_at", "site_id", "resolved_at"),
        sa.Index("ix_incident_to_tell", "resolved_at", postgresql_where=sa.text("state = 'resolved' AND told_at IS NULL")),
        sa.CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name="resolved_means_resolved_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    reference: str = Field(max_length=16, unique=True)
    # None for an access point that belongs to no site: then the incident is about that one alone.
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=sa.BigInteger)
    state: IncidentState = Field(default=IncidentState.OPEN, sa_type=enum_type(IncidentState))
    # When the first access point was seen down, which is before two polls agreed and the incident was opened.
    started_at: datetime = Field(sa_type=UtcDateTime)
    opened_at: datetime = Field(sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # When everybody who was given time back had been told.
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # What staff found afterwards.
    note: str | None = Field(default=None, max_length=4000)

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.state, self.note)


class IncidentMember(SQLModel, table=True):
    """One stretch of one access point being down within an incident: half-open [started_at, ended_at)."""

    __tablename__ = "incident_member"
    __table_args__ = (
        sa.Index("uq_incident_member_down", "access_point_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_incident_member_incident_id", "incident_id", "id"),
        sa.Index("ix_incident_member_access_point_id", "access_point_id", "started_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    incident_id: int = Field(foreign_key="incident.id", sa_type=sa.BigInteger)
    access_point_id: int = Field(foreign_key="access_point.id", sa_type=sa.BigInteger)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
