"""A batch: many vouchers made at once, printed, and handed to a seller."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of

MOST_IN_A_BATCH = 100_000


class BatchState(StrEnum):
    """`cancelling`: what was made of it is being taken away. None of its codes opens anything before it is `ready`."""

    MAKING = "making"
    READY = "ready"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class VoucherBatch(SQLModel, table=True):
    """`made` and `registered` count what stands in the database; a worker that died is followed by one that goes on from there."""

    __tablename__ = "voucher_batch"
    __table_args__ = (
        sa.CheckConstraint(f"size BETWEEN 1 AND {MOST_IN_A_BATCH}", name="size_sane"),
        sa.CheckConstraint("made BETWEEN 0 AND size", name="made_within_size"),
        sa.CheckConstraint("state <> 'ready' OR made = size", name="ready_means_whole"),
        sa.CheckConstraint("use_from < use_before", name="window_in_order"),
        sa.Index("ix_voucher_batch_due", "next_attempt_at", postgresql_where=sa.text("next_attempt_at IS NOT NULL")),
        sa.Index("ix_voucher_batch_created_at", "created_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=80)
    package_version_id: int = Field(foreign_key="package_version.id", sa_type=sa.BigInteger)
    size: int
    made: int = 0
    # Of how many PortaBilling is known to hold the account.
    registered: int = 0
    state: BatchState = Field(default=BatchState.MAKING, sa_type=enum_type(BatchState))
    # Who sells them, and where.
    seller: str | None = Field(default=None, max_length=120)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=sa.BigInteger)
    note: str | None = Field(default=None, max_length=200)
    # When its codes can be entered.
    use_from: datetime = Field(sa_type=UtcDateTime)
    use_before: datetime = Field(sa_type=UtcDateTime)
    made_by: str = Field(max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)
    ready_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # A repeated order is the same batch.
    idempotency_mac: str | None = Field(default=None, max_length=64, unique=True)
    # Row-driven work (design.md, invariant 2): making, taking away, then registering in PortaBilling.
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    error: str | None = Field(default=None, max_length=300)

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.state)
