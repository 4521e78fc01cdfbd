"""Reconciliation: what the two other sides showed, each run over some days, and each mismatch as a row with a proposed fix."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type
from services.revision import revision_of


class WaveMovement(SQLModel, table=True):
    """A row of Wave's daily list as it was shown (protocols/wave.md §6). Sums are signed: negative in a refund."""

    __tablename__ = "wave_movement"
    __table_args__ = (
        sa.Index("ix_wave_movement_day", "day"),
        sa.Index("ix_wave_movement_payer", "day", postgresql_where=sa.text("counterparty_mobile IS NOT NULL")),
        sa.Index("ix_wave_movement_session", "session_id", postgresql_where=sa.text("session_id IS NOT NULL")),
        sa.Index("ix_wave_movement_payment", "payment_id", postgresql_where=sa.text("payment_id IS NOT NULL")),
    )

    id: str = Field(primary_key=True, max_length=64)
    type: str = Field(max_length=64)
    # The day in whose list it stands (UTC).
    day: date = Field(sa_type=sa.Date)
    at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    gross_bututs: int = Field(sa_type=sa.BigInteger)
    fee_bututs: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    is_reversal: bool = False
    session_id: str | None = Field(default=None, max_length=64)
    client_reference: str | None = Field(default=None, max_length=255)
    counterparty_mobile: str | None = Field(default=None, max_length=32)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", sa_type=sa.BigInteger)
    seen_at: datetime = Field(sa_type=UtcDateTime)

    @property
    def net_bututs(self) -> int:
        return self.gross_bututs - self.fee_bututs


class PortaMirror(SQLModel, table=True):
    """An account as PortaBilling's list showed it last."""

    __tablename__ = "porta_mirror"
    __table_args__ = (sa.Index("ix_porta_mirror_seen_run", "seen_run_id"),)

    account_id: str = Field(primary_key=True, max_length=64)
    i_account: int = Field(sa_type=sa.BigInteger, unique=True)
    opening_bututs: int | None = Field(default=None, sa_type=sa.BigInteger)
    balance_bututs: int = Field(sa_type=sa.BigInteger)
    is_blocked: bool = False
    batch: str | None = Field(default=None, max_length=120)
    seen_run_id: int = Field(sa_type=sa.BigInteger)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class RunState(StrEnum):
    """`partial`: one of the outside services did not answer whole; what was seen is compared, what was not is not called missing."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"


class ReconciliationRun(SQLModel, table=True):
    """One comparison of the days from `from_day` to `to_day`, both included (UTC, which is The Gambia's time)."""

    __tablename__ = "reconciliation_run"
    __table_args__ = (
        sa.CheckConstraint("from_day <= to_day", name="days_in_order"),
        sa.Index("ix_reconciliation_run_due", "next_attempt_at", postgresql_where=sa.text("next_attempt_at IS NOT NULL")),
        sa.Index("ix_reconciliation_run_created_at", "created_at", "id"),
        sa.Index("uq_reconciliation_run_nightly", "from_day", unique=True, postgresql_where=sa.text("is_nightly")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    from_day: date = Field(sa_type=sa.Date)
    to_day: date = Field(sa_type=sa.Date)
    is_nightly: bool = False
    state: RunState = Field(default=RunState.QUEUED, sa_type=enum_type(RunState))
    asked_by: str = Field(default="system", max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    error: str | None = Field(default=None, max_length=300)
    # What was counted, and sums in bututs, by side.
    totals: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    found: int = 0


class FindingKind(StrEnum):
    """How the three sides differ."""

    # Money at Wave that no purchase of ours knows.
    FOREIGN_PAYMENT = "foreign_payment"
    # Our reference, paid at Wave, and here it is not.
    PAID_AT_WAVE_ONLY = "paid_at_wave_only"
    # Paid here, and Wave's list does not show it.
    PAID_HERE_ONLY = "paid_here_only"
    WRONG_AMOUNT = "wrong_amount"
    REFUND_AT_WAVE_ONLY = "refund_at_wave_only"
    REFUND_HERE_ONLY = "refund_here_only"
    # Charged by our books, and PortaBilling has no such account, or another sum.
    CHARGE_MISSING = "charge_missing"
    CHARGE_DIFFERS = "charge_differs"
    FOREIGN_ACCOUNT = "foreign_account"
    NOT_BLOCKED = "not_blocked"
    # A row that must be there is not: a payment's event, its voucher, a transfer of the ledger.
    LOST_ROW = "lost_row"


class Fix(StrEnum):
    """What is proposed, and done when a Billing Officer accepts it. `look` means that a person has to find out."""

    ASK_WAVE = "ask_wave"
    GIVE_CREDIT = "give_credit"
    HOLD_IN_SUSPENSE = "hold_in_suspense"
    RECORD_REFUND = "record_refund"
    SEND_REFUND = "send_refund"
    ISSUE_AGAIN = "issue_again"
    BLOCK_ACCOUNT = "block_account"
    POST_AGAIN = "post_again"
    LOOK = "look"


class FindingState(StrEnum):
    """`gone`: a later run over the same day found nothing wrong any more."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    GONE = "gone"


class ReconciliationFinding(SQLModel, table=True):
    """One mismatch. Found again by another run it is the same row (`key`)."""

    __tablename__ = "reconciliation_finding"
    __table_args__ = (
        sa.Index("ix_reconciliation_finding_state_day", "state", "day", "id"),
        sa.Index("ix_reconciliation_finding_run_id", "run_id"),
        sa.Index("ix_reconciliation_finding_voucher", "voucher_id", postgresql_where=sa.text("voucher_id IS NOT NULL")),
        sa.CheckConstraint("(state IN ('accepted', 'rejected')) <= (decided_by IS NOT NULL)", name="decided_by_somebody"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # The run that saw it last.
    run_id: int = Field(foreign_key="reconciliation_run.id", sa_type=sa.BigInteger)
    key: str = Field(max_length=160, unique=True)
    kind: FindingKind = Field(sa_type=enum_type(FindingKind))
    day: date = Field(sa_type=sa.Date)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", index=True, sa_type=sa.BigInteger)
    voucher_id: int | None = Field(default=None, foreign_key="voucher.id", sa_type=sa.BigInteger)
    movement_id: str | None = Field(default=None, foreign_key="wave_movement.id", max_length=64)
    # The three sides' sums, where they have one; `evidence` says what each of them showed.
    wave_bututs: int | None = Field(default=None, sa_type=sa.BigInteger)
    ledger_bututs: int | None = Field(default=None, sa_type=sa.BigInteger)
    porta_bututs: int | None = Field(default=None, sa_type=sa.BigInteger)
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    fix: Fix = Field(sa_type=enum_type(Fix))
    state: FindingState = Field(default=FindingState.OPEN, sa_type=enum_type(FindingState))
    assignee_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    decided_by: str | None = Field(default=None, max_length=120)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    note: str | None = Field(default=None, max_length=300)
    # What accepting it did, in words.
    outcome: str | None = Field(default=None, max_length=300)
    created_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.state, self.assignee_id)
