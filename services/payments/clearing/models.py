"""The ledger in double entry: each row moves a sum from one account to another, so the books balance by their shape."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type


class LedgerAccount(StrEnum):
    """Debit balances are positive.

    `wave_receivable`: what Wave took for us and its list has not shown yet. `wave_wallet`, `wave_fees`: what the list shows, net and fee.
    `unearned_access`: paid, and not used for the first time yet. `sales`: earned. `refunds`: promised to a customer, not given back yet.
    `portabilling_charge`: to be charged in PortaBilling; `portabilling_contra` is its other side. `suspense`: money that nobody can name.
    `cash`: what staff gave back by other means than Wave.
    """

    WAVE_RECEIVABLE = "wave_receivable"
    WAVE_WALLET = "wave_wallet"
    WAVE_FEES = "wave_fees"
    UNEARNED_ACCESS = "unearned_access"
    SALES = "sales"
    REFUNDS = "refunds"
    PORTABILLING_CHARGE = "portabilling_charge"
    PORTABILLING_CONTRA = "portabilling_contra"
    SUSPENSE = "suspense"
    CASH = "cash"


A = LedgerAccount
# Each item on these comes to zero in the end; until then it has a reason and an age.
CLEARING = (A.WAVE_RECEIVABLE, A.UNEARNED_ACCESS, A.REFUNDS, A.PORTABILLING_CHARGE, A.SUSPENSE)


class TransferReason(StrEnum):
    PAID = "paid"
    CHARGE_DUE = "charge_due"
    CHARGED = "charged"
    CHARGE_DROPPED = "charge_dropped"
    EARNED = "earned"
    LAPSED = "lapsed"
    SECOND_SUCCESS = "second_success"
    REFUND_DUE = "refund_due"
    REFUND_UNDONE = "refund_undone"
    REFUNDED = "refunded"
    PAID_OUT = "paid_out"
    WAVE_LISTED = "wave_listed"
    WAVE_FEE = "wave_fee"
    FOREIGN = "foreign"
    CREDITED = "credited"
    CORRECTED = "corrected"


class LedgerTransfer(SQLModel, table=True):
    """`amount_bututs` goes to `debit` and comes from `credit`. Never altered (a trigger refuses it); `once` forbids a second one.

    `subject` is what an account's items are told apart by: `payment:12`, `voucher:7` (a credit), `wave:T1234` (foreign money).
    """

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        sa.CheckConstraint("amount_bututs > 0", name="amount_positive"),
        sa.CheckConstraint("debit <> credit", name="two_accounts"),
        sa.Index("ix_ledger_transfer_at", "at", "id"),
        sa.Index("ix_ledger_transfer_subject", "subject"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)
    reason: TransferReason = Field(sa_type=enum_type(TransferReason))
    debit: LedgerAccount = Field(sa_type=enum_type(LedgerAccount, name="debit"))
    credit: LedgerAccount = Field(sa_type=enum_type(LedgerAccount, name="credit"))
    amount_bututs: int = Field(sa_type=sa.BigInteger)
    subject: str = Field(max_length=80)
    once: str = Field(max_length=120, unique=True)
    actor: str = Field(default="system", max_length=120)
    note: str | None = Field(default=None, max_length=300)


class LedgerOpen(SQLModel, table=True):
    """What stands open on a clearing account, by subject: kept by a trigger on `ledger_transfer`, and gone when it comes to zero."""

    __tablename__ = "ledger_open"
    __table_args__ = (
        sa.CheckConstraint("balance_bututs <> 0", name="not_zero"),
        sa.CheckConstraint("account <> 'portabilling_charge' OR balance_bututs > 0", name="charge_not_negative"),
        sa.CheckConstraint("account NOT IN ('unearned_access', 'refunds', 'suspense') OR balance_bututs < 0", name="owed_not_negative"),
        sa.Index("ix_ledger_open_since", "account", "since"),
    )

    account: LedgerAccount = Field(primary_key=True, sa_type=enum_type(LedgerAccount))
    subject: str = Field(primary_key=True, max_length=80)
    balance_bututs: int = Field(sa_type=sa.BigInteger)
    since: datetime = Field(sa_type=UtcDateTime)
