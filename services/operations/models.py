"""What is known of the running product itself: its processes, its periodic jobs, how jobs fared, and how its parts answered."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type
from services.revision import revision_of


class RunOutcome(StrEnum):
    DONE = "done"
    FAILED = "failed"


class PeriodicJob(SQLModel, table=True):
    """One line of jobs/schedule.py as it fares. A run claims its slot here, so that two schedulers never make it run twice.

    A slot is the number of whole periods since 1970: `run_slot` is the newest one that was claimed.
    """

    __tablename__ = "periodic_job"

    id: str = Field(primary_key=True, max_length=80)
    run_slot: int = Field(default=0, sa_type=sa.BigInteger)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    last_started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_outcome: RunOutcome | None = Field(default=None, sa_type=enum_type(RunOutcome))
    last_ms: int = 0
    last_error: str = Field(default="", max_length=300)
    failures_in_a_row: int = 0
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_by: str = Field(default="", max_length=120)
    pause_reason: str = Field(default="", max_length=300)


class JobHour(SQLModel, table=True):
    """How often a job ran within an hour, and how long it took."""

    __tablename__ = "job_hour"
    __table_args__ = (sa.Index("ix_job_hour_hour", "hour"),)

    job: str = Field(primary_key=True, max_length=120)
    hour: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    runs: int = 0
    failures: int = 0
    total_ms: int = Field(default=0, sa_type=sa.BigInteger)
    longest_ms: int = 0


class JobFailure(SQLModel, table=True):
    """A run that ended with an exception. The work itself is a row elsewhere, which its sweep finds; this is for people."""

    __tablename__ = "job_failure"
    __table_args__ = (
        sa.Index("ix_job_failure_failed_at", "failed_at", "id"),
        sa.Index("ix_job_failure_job", "job", "failed_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    job: str = Field(max_length=120)
    # Row numbers and short words only (app/queue.py): never a code or a phone number.
    arguments: list[Any] = Field(default_factory=list, sa_type=Json)
    queue: str = Field(max_length=20)
    failed_at: datetime = Field(sa_type=UtcDateTime)
    took_ms: int = 0
    error: str = Field(max_length=300)
    trace: str = Field(default="", sa_type=sa.Text)
    correlation_id: str = Field(default="", max_length=64)
    retried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retried_by: str = Field(default="", max_length=120)


class ProcessKind(StrEnum):
    WEB = "web"
    CONSOLE = "console"
    WORKER = "worker"
    SCHEDULER = "scheduler"


class RunningProcess(SQLModel, table=True):
    """A process that says every few seconds that it lives. `id` is new with each start."""

    __tablename__ = "running_process"
    __table_args__ = (sa.Index("ix_running_process_beat_at", "beat_at"),)

    id: str = Field(primary_key=True, max_length=40)
    kind: ProcessKind = Field(sa_type=enum_type(ProcessKind))
    host: str = Field(max_length=120)
    pid: int
    release: str = Field(default="", max_length=80)
    # A worker's queues, a web process's faces.
    serves: str = Field(default="", max_length=120)
    memory_bytes: int = Field(default=0, sa_type=sa.BigInteger)
    started_at: datetime = Field(sa_type=UtcDateTime)
    beat_at: datetime = Field(sa_type=UtcDateTime)
    stopped_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class HealthState(StrEnum):
    """`off`: not set up, so nothing is wrong."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    OFF = "off"


class HealthSample(SQLModel, table=True):
    """How one part answered at one moment."""

    __tablename__ = "health_sample"
    __table_args__ = (sa.Index("ix_health_sample_at", "at"),)

    part: str = Field(primary_key=True, max_length=40)
    at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    state: HealthState = Field(sa_type=enum_type(HealthState))
    latency_ms: int | None = None
    detail: str = Field(default="", max_length=300)


class CleanUp(SQLModel, table=True):
    """What a rule of retention took away (services/operations/retention)."""

    __tablename__ = "clean_up"

    rule: str = Field(primary_key=True, max_length=80)
    last_run_at: datetime = Field(sa_type=UtcDateTime)
    last_removed: int = 0
    removed: int = Field(default=0, sa_type=sa.BigInteger)
    last_ms: int = 0


class RetentionPeriod(SQLModel, table=True):
    """How long a rule of retention keeps things, where somebody changed it; without a row the rule's own period holds."""

    __tablename__ = "retention_period"

    rule: str = Field(primary_key=True, max_length=80)
    days: int
    changed_by: str = Field(max_length=120)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class ErasureState(StrEnum):
    """`asked` waits for a second person."""

    ASKED = "asked"
    DONE = "done"
    CALLED_OFF = "called_off"


class ErasureChannel(StrEnum):
    """How the customer's wish reached us."""

    DESK = "desk"
    PHONE = "phone"
    LETTER = "letter"
    MAIL = "mail"


class ErasureProof(StrEnum):
    """How it was made sure that it is the customer who wishes it."""

    IDENTITY_CARD = "identity_card"
    CALLED_BACK = "called_back"
    SIGNED_LETTER = "signed_letter"
    KNOWS_PURCHASES = "knows_purchases"


class ErasureRequest(SQLModel, table=True):
    """A customer without the app wishes to be forgotten: asked for by one of the staff, carried out by another.

    Without free text of the person: what stands here stays when they are gone.
    """

    __tablename__ = "erasure_request"
    __table_args__ = (
        sa.Index("uq_erasure_request_asked", "customer_id", unique=True, postgresql_where=sa.text("state = 'asked'")),
        sa.Index("ix_erasure_request_state", "state", "asked_at", "id"),
        sa.CheckConstraint("decided_by_id <> asked_by_id OR state <> 'done'", name="four_eyes"),
        sa.CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_means_decided_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    customer_id: int = Field(foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    state: ErasureState = Field(default=ErasureState.ASKED, sa_type=enum_type(ErasureState))
    channel: ErasureChannel = Field(sa_type=enum_type(ErasureChannel))
    proof: ErasureProof = Field(sa_type=enum_type(ErasureProof))
    # The customer was told what is left of what they paid, and does not want it.
    gives_up_time: bool = False
    asked_by: str = Field(max_length=120)
    asked_by_id: int = Field(foreign_key="staff.id", sa_type=sa.BigInteger)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    decided_by: str | None = Field(default=None, max_length=120)
    decided_by_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.state)
