"""Vouchers: a code that is worth one package, and its twin account in PortaBilling."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of
from services.vouchers import batch_models as _batch_models  # noqa: F401 - whoever knows vouchers must know the table they refer to
from services.vouchers.errors import VoucherAlreadyUsed, VoucherBlocked, VoucherExpired, VoucherNotReady, VoucherTooEarly


class VoucherState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    USED = "used"
    BLOCKED = "blocked"
    EXPIRED = "expired"


class VoucherOrigin(StrEnum):
    """Why it was made. `stock`: ahead, for a payment that PortaBilling keeps waiting. `credit`: what was left of another one."""

    PAYMENT = "payment"
    HAND = "hand"
    STOCK = "stock"
    BATCH = "batch"
    CREDIT = "credit"


class Voucher(SQLModel, table=True):
    """A code worth one package, once. PortaBilling's account id is fixed before the first call, so issuing can be repeated safely.

    `state` is ours; `porta_*` is what PortaBilling is known to hold. Where the two differ, `porta_next_attempt_at` is set and the
    settlement sweep makes them agree (protocols/portabilling.md §5).
    """

    __table_args__ = (
        sa.CheckConstraint("(state = 'used') <= (used_at IS NOT NULL)", name="used_means_used_at"),
        sa.CheckConstraint("porta_blocked_at IS NULL OR porta_issued_at IS NOT NULL", name="porta_blocked_means_issued"),
        sa.Index("ix_voucher_porta_due", "porta_next_attempt_at", postgresql_where=sa.text("porta_next_attempt_at IS NOT NULL")),
        sa.CheckConstraint("(origin = 'batch') = (batch_id IS NOT NULL)", name="batch_has_batch"),
        sa.CheckConstraint("(origin = 'credit') = (credit_of_id IS NOT NULL)", name="credit_of_something"),
        sa.CheckConstraint("(origin = 'credit') = (seconds IS NOT NULL)", name="credit_has_seconds"),
        sa.CheckConstraint("seconds > 0 AND (bytes IS NULL OR bytes > 0)", name="credit_positive"),
        sa.CheckConstraint("use_from < use_before", name="window_in_order"),
        # Partial where most rows have nothing: a batch of 100,000 is written with as few of them as can be.
        sa.Index("uq_voucher_payment_id", "payment_id", unique=True, postgresql_where=sa.text("payment_id IS NOT NULL")),
        sa.Index("uq_voucher_porta_i_account", "porta_i_account", unique=True, postgresql_where=sa.text("porta_i_account IS NOT NULL")),
        sa.Index("uq_voucher_credit_of_id", "credit_of_id", unique=True, postgresql_where=sa.text("credit_of_id IS NOT NULL")),
        sa.Index("ix_voucher_customer_id", "customer_id", postgresql_where=sa.text("customer_id IS NOT NULL")),
        sa.Index("ix_voucher_expiring", "use_before", "id", postgresql_where=sa.text("state IN ('pending', 'active')")),
        sa.Index("ix_voucher_created_at", "created_at", "id"),
        sa.Index("ix_voucher_owed", "created_at", "id", postgresql_where=sa.text("porta_next_attempt_at IS NOT NULL")),
        sa.Index("ix_voucher_blocked", "created_at", "id", postgresql_where=sa.text("state = 'blocked'")),
        sa.Index("ix_voucher_batch", "batch_id", "id", postgresql_where=sa.text("batch_id IS NOT NULL")),
        sa.Index("ix_voucher_tail_mac", "tail_mac", postgresql_where=sa.text("tail_mac IS NOT NULL")),
        sa.Index(
            "ix_voucher_stock",
            "package_version_id",
            "id",
            postgresql_where=sa.text("origin = 'stock' AND payment_id IS NULL AND state IN ('pending', 'active')"),
        ),
        sa.Index("ix_voucher_replaced_payment", "replaced_payment_id", postgresql_where=sa.text("replaced_payment_id IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # Looked up by keyed hash; the sealed code is opened only for its owner or for staff who may see it.
    code_mac: str = Field(max_length=64, unique=True)
    code_sealed: str = Field(max_length=120)
    package_version_id: int = Field(foreign_key="package_version.id", sa_type=sa.BigInteger)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", sa_type=sa.BigInteger)
    origin: VoucherOrigin = Field(default=VoucherOrigin.HAND, sa_type=enum_type(VoucherOrigin), sa_column_kwargs={"server_default": "hand"})
    # Triggers keep to it what a foreign key would (migration 0012), at a fraction of what one costs a batch of 100,000.
    batch_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    # A credit is worth this much instead of its package's whole time and data, and is the rest of this entitlement.
    seconds: int | None = None
    bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    credit_of_id: int | None = Field(
        default=None,
        # Entitlements name their voucher as well; the tables are made without this one first.
        sa_column=sa.Column(sa.BigInteger, sa.ForeignKey("entitlement.id", use_alter=True)),
    )
    # Was made for this payment, which then got one of the stock; its own is blocked.
    replaced_payment_id: int | None = Field(default=None, foreign_key="payment.id", sa_type=sa.BigInteger)
    # Keyed MAC (31 bits) of the code's last group: by it staff find a voucher of which only the end can be read.
    tail_mac: int | None = None
    state: VoucherState = Field(default=VoucherState.PENDING, sa_type=enum_type(VoucherState))
    issued_by: str = Field(default="system", max_length=120)
    note: str | None = Field(default=None, max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    # A batch may begin later than it is printed.
    use_from: datetime | None = Field(default=None, sa_type=UtcDateTime)
    use_before: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    porta_account_id: str = Field(max_length=64, unique=True)
    porta_i_account: int | None = Field(default=None, sa_type=sa.BigInteger)
    porta_issue_called_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_issued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_blocked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Of the stock only: its account held the price already; the sale is a charge of its own, with the payment's reference as its comment.
    porta_charge_called_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_charged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_attempts: int = 0
    porta_next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    porta_error: str | None = Field(default=None, max_length=300)

    def use(self, *, now: datetime) -> None:
        """Spend it. Raises VoucherAlreadyUsed, VoucherBlocked, VoucherExpired, VoucherTooEarly, or VoucherNotReady before it was issued."""
        if self.state is VoucherState.USED:
            raise VoucherAlreadyUsed
        if self.state is VoucherState.BLOCKED:
            raise VoucherBlocked
        if self.state is VoucherState.EXPIRED or now >= self.use_before:
            raise VoucherExpired
        if self.use_from is not None and now < self.use_from:
            raise VoucherTooEarly(self.use_from)
        if self.state is VoucherState.PENDING:
            raise VoucherNotReady
        self.state, self.used_at = VoucherState.USED, now

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.state)

    @property
    def unblocked(self) -> VoucherState:
        """What it becomes when its block is lifted. One of a batch can be used before PortaBilling holds it."""
        is_usable = self.porta_issued_at is not None or self.origin is VoucherOrigin.BATCH
        return VoucherState.ACTIVE if is_usable else VoucherState.PENDING

    @property
    def may_be_in_porta(self) -> bool:
        """Whether PortaBilling has to follow what becomes of it. Of a batch, those it was never asked for have no account there."""
        return self.porta_issue_called_at is not None or self.origin is not VoucherOrigin.BATCH

    @property
    def is_block_owed(self) -> bool:
        """PortaBilling must not let a code be used that is used, blocked or, before its time, expired here."""
        return self.state in (VoucherState.USED, VoucherState.BLOCKED, VoucherState.EXPIRED) and self.porta_blocked_at is None

    @property
    def is_unblock_owed(self) -> bool:
        return self.state is VoucherState.ACTIVE and self.porta_blocked_at is not None
