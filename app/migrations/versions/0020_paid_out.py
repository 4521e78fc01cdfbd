"""what Wave refuses to give back for good may be paid out another way: said by whom, and booked against cash"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app import expanding

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_STATES = ("asked", "declined", "requested", "refunded", "failed")
_EVENTS = (
    *("created", "create_called", "checkout_opened", "attempt_failed", "paid", "issue_called", "voucher_issued", "charged"),
    *("voucher_blocked", "access_granted", "served", "expired", "failed", "delayed", "second_success", "stock_bound"),
    *("refund_asked", "refund_declined", "refund_requested", "refunded", "attention", "retried"),
)
_REASONS = (
    *("paid", "charge_due", "charged", "charge_dropped", "earned", "lapsed", "second_success", "refund_due", "refund_undone"),
    *("refunded", "wave_listed", "wave_fee", "foreign", "credited", "corrected"),
)
_ACCOUNTS = (
    *("wave_receivable", "wave_wallet", "wave_fees", "unearned_access", "sales", "refunds"),
    *("portabilling_charge", "portabilling_contra", "suspense"),
)
# Table, check, column, what it takes so far, what it takes too from now on.
_WIDENED = (
    ("refund", "refundstate", "state", _STATES, "paid_out"),
    ("payment_event", "eventkind", "kind", _EVENTS, "paid_out"),
    ("ledger_transfer", "transferreason", "reason", _REASONS, "paid_out"),
    ("ledger_transfer", "debit", "debit", _ACCOUNTS, "cash"),
    ("ledger_transfer", "credit", "credit", _ACCOUNTS, "cash"),
    ("ledger_open", "ledgeraccount", "account", _ACCOUNTS, "cash"),
)
_CHECKS = (
    ("paid_out_by_somebody", "(state = 'paid_out') = (paid_out_by IS NOT NULL)"),
    ("paid_out_by_another", "paid_out_by <> asked_by"),
)


def upgrade() -> None:
    """Only steps of app/expanding.py: each commits for itself and may be run twice."""
    expanding.add_column("refund", sa.Column("paid_out_by", sa.String(length=120), nullable=True))
    for table, name, column, before, added in _WIDENED:
        expanding.add_check(f"ck_{table}_{name}", table, _is_one_of(column, (*before, added)))
    for name, condition in _CHECKS:
        expanding.add_check(f"ck_refund_{name}", "refund", condition)


def downgrade() -> None:
    """The narrower checks refuse where something was paid out: the books of the release before could not tell it."""
    for name, _ in _CHECKS:
        op.drop_constraint(op.f(f"ck_refund_{name}"), "refund", type_="check")
    for table, name, column, before, _ in _WIDENED:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, sa.text(_is_one_of(column, before)))
    op.drop_column("refund", "paid_out_by")


def _is_one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN (" + ", ".join(f"'{value}'" for value in values) + ")"
