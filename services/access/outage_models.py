"""Time that an outage took: the pauses of entitlements, what was given back, and the rule by which it is."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime


class CompensationRule(SQLModel, table=True):
    """What counts from `valid_from` on. The newest rule that was valid when an outage began decides about it (design.md, invariant 8)."""

    __tablename__ = "compensation_rule"
    __table_args__ = (
        sa.CheckConstraint("minimum_seconds >= 0", name="minimum_not_negative"),
        sa.CheckConstraint("cap_seconds > 0", name="cap_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    valid_from: datetime = Field(unique=True, sa_type=UtcDateTime)
    # An outage shorter than this is not given back; a longer one is given back whole, up to the cap.
    minimum_seconds: int = 60
    cap_seconds: int = 86_400
    # A gateway with several access points counts as down when all of them are; with this, when any of them is.
    any_access_point: bool = False
    made_by: str = Field(default="system", max_length=120)


class OutagePause(SQLModel, table=True):
    """An entitlement whose clock stands because of an incident: from the outage's start to the network's or the customer's return."""

    __tablename__ = "outage_pause"
    __table_args__ = (
        sa.Index("uq_outage_pause_open", "entitlement_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_outage_pause_gateway_open", "gateway_id", postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_outage_pause_incident_id", "incident_id", "id"),
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="ends_after_start"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    entitlement_id: int = Field(foreign_key="entitlement.id", sa_type=sa.BigInteger)
    incident_id: int = Field(foreign_key="incident.id", sa_type=sa.BigInteger)
    # Where the customer was when the network went: its return ends the pause.
    gateway_id: int = Field(foreign_key="gateway.id", sa_type=sa.BigInteger)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # network_back, online_elsewhere, false_alarm, or what ended the entitlement.
    end_reason: str | None = Field(default=None, max_length=40)


class Compensation(SQLModel, table=True):
    """Time given back to one entitlement for one stretch of an outage. The database forbids two for the same second."""

    __table_args__ = (
        ExcludeConstraint(
            (sa.column("entitlement_id"), "="),
            (sa.text("tstzrange(lost_from, lost_until, '[)')"), "&&"),
            using="gist",
            name="ex_compensation_once",
        ),
        sa.Index("ix_compensation_incident_id", "incident_id", "id"),
        sa.Index("ix_compensation_created_at", "created_at", "id"),
        sa.CheckConstraint("lost_until > lost_from", name="lost_something"),
        sa.CheckConstraint("seconds > 0", name="gives_something"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    entitlement_id: int = Field(foreign_key="entitlement.id", sa_type=sa.BigInteger)
    incident_id: int = Field(foreign_key="incident.id", sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    lost_from: datetime = Field(sa_type=UtcDateTime)
    lost_until: datetime = Field(sa_type=UtcDateTime)
    # Less than the stretch where the rule's cap cut it.
    seconds: int
    # What the time was worth when it was bought, for the Billing Officer's sum.
    worth_bututs: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)


class IncidentNotice(SQLModel, table=True):
    """That a customer was told of an incident: each is told once."""

    __tablename__ = "incident_notice"
    __table_args__ = (sa.Index("ix_incident_notice_told_at", "told_at"),)

    incident_id: int = Field(primary_key=True, foreign_key="incident.id", sa_type=sa.BigInteger)
    customer_id: int = Field(primary_key=True, foreign_key="customer.id", sa_type=sa.BigInteger)
    told_at: datetime = Field(sa_type=UtcDateTime)
