"""What came of asking OpenWISP, and what staff is warned of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class CheckKind(StrEnum):
    DISCOVERY = "discovery"
    HEALTH = "health"


class CheckOutcome(StrEnum):
    """How asking OpenWISP ended. Only `done` changed the stored network."""

    DONE = "done"
    NOT_CONFIGURED = "not_configured"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    MALFORMED = "malformed"
    INCOMPLETE = "incomplete"
    SUDDEN_LOSS = "sudden_loss"


class NetworkCheck(SQLModel, table=True):
    """How the newest discovery or health poll went, in words for the console."""

    __tablename__ = "network_check"

    kind: CheckKind = Field(primary_key=True, sa_type=enum_type(CheckKind))
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: CheckOutcome | None = Field(default=None, sa_type=enum_type(CheckOutcome))
    message: str = Field(default="", max_length=500)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failures_in_a_row: int = 0


class DiscoveryRun(SQLModel, table=True):
    """One discovery and what it changed."""

    __tablename__ = "discovery_run"
    __table_args__ = (sa.Index("ix_discovery_run_started_at", "started_at", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: CheckOutcome | None = Field(default=None, sa_type=enum_type(CheckOutcome))
    message: str = Field(default="", max_length=500)
    asked_by: str = Field(default="system", max_length=120)
    listed: int = 0
    created: int = 0
    changed: int = 0
    vanished: int = 0
    returned: int = 0
    # Names of the first few of each kind, for people.
    examples: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class AlarmKind(StrEnum):
    """What staff is warned of. An outage that customers feel is an incident, not an alarm."""

    OPENWISP_UNREACHABLE = "openwisp_unreachable"
    OPENWISP_REFUSED = "openwisp_refused"
    SUDDEN_LOSS = "sudden_loss"
    ACCESS_POINT_VANISHED = "access_point_vanished"
    GATEWAY_SILENT = "gateway_silent"
    TWO_POLLERS = "two_pollers"
    MONITORING_ABSENT = "monitoring_absent"
    LOW_STOCK = "low_stock"
    # Of the running product itself (services/operations).
    JOB_MISSED = "job_missed"
    JOB_FAILING = "job_failing"
    QUEUE_OLD = "queue_old"
    PROCESS_ABSENT = "process_absent"
    PART_DOWN = "part_down"
    ERRORS_MANY = "errors_many"
    BACKUP_OLD = "backup_old"
    DISK_LOW = "disk_low"


class NetworkAlarm(SQLModel, table=True):
    """A warning that stands until its cause is gone. `subject` is what it is about: a gateway's slug, an access point's id,
    a package's id, or ''."""

    __tablename__ = "network_alarm"
    __table_args__ = (
        sa.Index("uq_network_alarm_open", "kind", "subject", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_network_alarm_started_at", "started_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    kind: AlarmKind = Field(sa_type=enum_type(AlarmKind))
    subject: str = Field(default="", max_length=80)
    message: str = Field(max_length=500)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
