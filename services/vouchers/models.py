"""Vouchers: a code that is worth one package, and its twin account in PortaBilling."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of
from services.vouchers.errors import VoucherAlreadyUsed, VoucherBlocked, VoucherExpired, VoucherNotReady


class VoucherState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    USED = "used"
    BLOCKED = "blocked"
    EXPIRED = "expired"


class Voucher(SQLModel, table=True):
    """A code worth one package, once. PortaBilling's account id is fixed before the first call, so issuing can be repeated safely.

    `state` is ours; `porta_*` is what PortaBilling is known to hold. Where the two differ, `porta_next_attempt_at` is set and the
    settlement sweep makes them agree (protocols/portabilling.md §5).
    """

    __table_args__ = (
        sa.CheckConstraint("(state = 'used') <= (used_at IS NOT NULL)", name="used_means_used_at"),
        sa.CheckConstraint("porta_blocked_at IS NULL OR porta_issued_at IS NOT NULL", name="porta_blocked_means_issued"),
        sa.Index("ix_voucher_porta_due", "porta_next_attempt_at", postgresql_where=sa.text("porta_next_attempt_at IS NOT NULL")),
        sa.Index("ix_voucher_created_at", "created_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # Looked up by keyed hash; the sealed code is opened only for its owner or for staff who may see it.
    code_mac: str = Field(max_length=64, unique=True)
    code_sealed: str = Field(max_length=120)
    package_version_id: int = Field(foreign_key="package_version.id", sa_type=sa.BigInteger)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", unique=True, sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    state: VoucherState = Field(default=VoucherState.PENDING, sa_type=enum_type(VoucherState))
    issued_by: str = Field(default="system", max_length=120)
    note: str | None = Field(default=None, max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    use_before: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    porta_account_id: str = Field(max_length=64, unique=True)
    porta_i_account: int | None = Field(default=None, unique=True, sa_type=sa.BigInteger)
    porta_issue_called_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_issued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_blocked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_attempts: int = 0
    porta_next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_error: str | None = Field(default=None, max_length=300)

    def use(self, *, now: datetime) -> None:
        """Spend it. Raises VoucherAlreadyUsed, VoucherBlocked, VoucherExpired, or VoucherNotReady before it was issued."""
        if self.state is VoucherState.USED:
            raise VoucherAlreadyUsed
        if self.state is VoucherState.BLOCKED:
            raise VoucherBlocked
        if self.state is VoucherState.EXPIRED or now >= self.use_before:
            raise VoucherExpired
        if self.state is VoucherState.PENDING:
            raise VoucherNotReady
        self.state, self.used_at = VoucherState.USED, now

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.state)

    @property
    def is_block_owed(self) -> bool:
        """PortaBilling must not let a code be used that is used or blocked here."""
        return self.state in (VoucherState.USED, VoucherState.BLOCKED) and self.porta_blocked_at is None

    @property
    def is_unblock_owed(self) -> bool:
        return self.state is VoucherState.ACTIVE and self.porta_blocked_at is not None
