"""the money desk: stock, batches, promo codes, refunds by two people, the ledger in double entry, reconciliation"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What may be in these columns, before and after.
_EVENTS_BEFORE = (
    "created",
    "create_called",
    "checkout_opened",
    "attempt_failed",
    "paid",
    "issue_called",
    "voucher_issued",
    "charged",
    "voucher_blocked",
    "access_granted",
    "served",
    "expired",
    "failed",
    "delayed",
    "second_success",
    "refund_requested",
    "refunded",
    "attention",
    "retried",
)
_EVENTS = (*_EVENTS_BEFORE, "stock_bound", "refund_asked", "refund_declined")
_REFUNDS_BEFORE = ("requested", "refunded", "failed")
_REFUNDS = (*_REFUNDS_BEFORE, "asked", "declined")
_ALARMS_BEFORE = (
    "openwisp_unreachable",
    "openwisp_refused",
    "sudden_loss",
    "access_point_vanished",
    "gateway_silent",
    "two_pollers",
    "monitoring_absent",
)
_ALARMS = (*_ALARMS_BEFORE, "low_stock")
_CHECKS = (
    ("package", "window_in_order", "on_sale_from < on_sale_until"),
    ("package", "stock_mark_sane", "stock_mark BETWEEN 0 AND 10000"),
    ("payment", "discount_not_negative", "discount_bututs >= 0"),
    ("refund", "four_eyes", "decided_by_id <> asked_by_id"),
    ("refund", "declined_by_somebody", "(state = 'declined') <= (decided_by IS NOT NULL)"),
    ("voucher", "batch_has_batch", "(origin = 'batch') = (batch_id IS NOT NULL)"),
    ("voucher", "credit_of_something", "(origin = 'credit') = (credit_of_id IS NOT NULL)"),
    ("voucher", "credit_has_seconds", "(origin = 'credit') = (seconds IS NOT NULL)"),
    ("voucher", "credit_positive", "seconds > 0 AND (bytes IS NULL OR bytes > 0)"),
    ("voucher", "window_in_order", "use_from < use_before"),
)
# Both ends of a transfer are kept as one balance for each account and subject, so that what is open costs what is open.
_OPEN_ITEMS = """
CREATE FUNCTION ledger_keep_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE side record;
BEGIN
    FOR side IN
        SELECT account, balance FROM (VALUES (NEW.debit, NEW.amount_bututs), (NEW.credit, -NEW.amount_bututs)) AS moved (account, balance)
        WHERE account IN ('wave_receivable', 'unearned_access', 'refunds', 'portabilling_charge', 'suspense')
    LOOP
        -- Two steps, because a row of zero must never stand, not even for a moment.
        PERFORM FROM ledger_open WHERE account = side.account AND subject = NEW.subject FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO ledger_open (account, subject, balance_bututs, since) VALUES (side.account, NEW.subject, side.balance, NEW.at)
            ON CONFLICT (account, subject) DO UPDATE SET balance_bututs = ledger_open.balance_bututs + excluded.balance_bututs;
            CONTINUE;
        END IF;
        DELETE FROM ledger_open
        WHERE account = side.account AND subject = NEW.subject AND balance_bututs + side.balance = 0;
        IF NOT FOUND THEN
            UPDATE ledger_open SET balance_bututs = balance_bututs + side.balance
            WHERE account = side.account AND subject = NEW.subject;
        END IF;
    END LOOP;
    RETURN NULL;
END $$
"""
# A batch's vouchers belong to nobody: a hundred thousand rows need not each ask whose phone is to be told.
_VOUCHER_MADE = (
    "CREATE TRIGGER voucher_noted AFTER INSERT ON voucher FOR EACH ROW"
    " WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION sync_note_own('voucher')"
)
_VOUCHER_CHANGED = (
    "CREATE TRIGGER voucher_changed_noted AFTER UPDATE OF state, customer_id, use_before, used_at ON voucher FOR EACH ROW"
    " WHEN (NEW.customer_id IS NOT NULL OR OLD.customer_id IS NOT NULL) EXECUTE FUNCTION sync_note_own('voucher')"
)
_VOUCHER_NOTED_BEFORE = (
    "CREATE TRIGGER voucher_noted AFTER INSERT OR UPDATE OF state, customer_id, use_before, used_at ON voucher"
    " FOR EACH ROW EXECUTE FUNCTION sync_note_own('voucher')"
)
# What was sold before this release, as the services write it from now on (services/payments/clearing/posting.py).
_POST_WHAT_STANDS = """
INSERT INTO ledger_transfer (at, reason, debit, credit, amount_bututs, subject, once, actor)
SELECT e.at, made.reason, made.debit, made.credit, p.amount_bututs, 'payment:' || p.id, made.reason || ':' || p.id || made.suffix, 'system'
FROM payment_event e
JOIN payment p ON p.id = e.payment_id
CROSS JOIN LATERAL (
    SELECT * FROM (VALUES
        ('paid', 'paid', 'wave_receivable', 'unearned_access', ''),
        ('paid', 'charge_due', 'portabilling_charge', 'portabilling_contra', ''),
        ('charged', 'charged', 'portabilling_contra', 'portabilling_charge', ''),
        ('served', 'earned', 'unearned_access', 'sales', ''),
        ('second_success', 'second_success', 'wave_receivable', 'refunds', ':' || coalesce(e.detail->>'transaction_id', e.id::text)),
        ('refunded', 'refunded', 'refunds', 'wave_receivable', ':' || coalesce(e.detail->>'refund_id', e.id::text))
    ) AS all_made (kind, reason, debit, credit, suffix)
    WHERE all_made.kind = e.kind
) AS made
WHERE p.wave_transaction_id IS NOT NULL
ORDER BY e.at, e.id, made.reason = 'charge_due'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "ledger_open",
        sa.Column(
            "account",
            sa.Enum(
                "wave_receivable",
                "wave_wallet",
                "wave_fees",
                "unearned_access",
                "sales",
                "refunds",
                "portabilling_charge",
                "portabilling_contra",
                "suspense",
                name="ledgeraccount",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("balance_bututs", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("account <> 'portabilling_charge' OR balance_bututs > 0", name=op.f("ck_ledger_open_charge_not_negative")),
        sa.CheckConstraint(
            "account NOT IN ('unearned_access', 'refunds', 'suspense') OR balance_bututs < 0", name=op.f("ck_ledger_open_owed_not_negative")
        ),
        sa.CheckConstraint("balance_bututs <> 0", name=op.f("ck_ledger_open_not_zero")),
        sa.PrimaryKeyConstraint("account", "subject", name=op.f("pk_ledger_open")),
    )
    op.create_index("ix_ledger_open_since", "ledger_open", ["account", "since"], unique=False)
    op.create_table(
        "ledger_transfer",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "paid",
                "charge_due",
                "charged",
                "charge_dropped",
                "earned",
                "lapsed",
                "second_success",
                "refund_due",
                "refund_undone",
                "refunded",
                "wave_listed",
                "wave_fee",
                "foreign",
                "credited",
                "corrected",
                name="transferreason",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "debit",
            sa.Enum(
                "wave_receivable",
                "wave_wallet",
                "wave_fees",
                "unearned_access",
                "sales",
                "refunds",
                "portabilling_charge",
                "portabilling_contra",
                "suspense",
                name="debit",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "credit",
            sa.Enum(
                "wave_receivable",
                "wave_wallet",
                "wave_fees",
                "unearned_access",
                "sales",
                "refunds",
                "portabilling_charge",
                "portabilling_contra",
                "suspense",
                name="credit",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("amount_bututs", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("once", sa.String(length=120), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=True),
        sa.CheckConstraint("amount_bututs > 0", name=op.f("ck_ledger_transfer_amount_positive")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_transfer_two_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfer")),
        sa.UniqueConstraint("once", name=op.f("uq_ledger_transfer_once")),
    )
    op.create_index("ix_ledger_transfer_at", "ledger_transfer", ["at", "id"], unique=False)
    op.create_index("ix_ledger_transfer_subject", "ledger_transfer", ["subject"], unique=False)
    op.create_table(
        "porta_mirror",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("i_account", sa.BigInteger(), nullable=False),
        sa.Column("opening_bututs", sa.BigInteger(), nullable=True),
        sa.Column("balance_bututs", sa.BigInteger(), nullable=False),
        sa.Column("is_blocked", sa.Boolean(), nullable=False),
        sa.Column("batch", sa.String(length=120), nullable=True),
        sa.Column("seen_run_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_porta_mirror")),
        sa.UniqueConstraint("i_account", name=op.f("uq_porta_mirror_i_account")),
    )
    op.create_index("ix_porta_mirror_seen_run", "porta_mirror", ["seen_run_id"], unique=False)
    op.create_table(
        "promo_code",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=24), nullable=False),
        sa.Column("percent_off", sa.Integer(), nullable=True),
        sa.Column("bututs_off", sa.Integer(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("most_uses", sa.Integer(), nullable=True),
        sa.Column("most_per_customer", sa.Integer(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("made_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("bututs_off > 0 AND mod(bututs_off, 100) = 0", name=op.f("ck_promo_code_whole_dalasi_off")),
        sa.CheckConstraint("most_per_customer > 0", name=op.f("ck_promo_code_per_customer_positive")),
        sa.CheckConstraint("most_uses > 0", name=op.f("ck_promo_code_uses_positive")),
        sa.CheckConstraint("num_nonnulls(percent_off, bututs_off) = 1", name=op.f("ck_promo_code_one_kind_of_discount")),
        sa.CheckConstraint("percent_off BETWEEN 1 AND 99", name=op.f("ck_promo_code_percent_sane")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_promo_code_window_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promo_code")),
        sa.UniqueConstraint("code", name=op.f("uq_promo_code_code")),
    )
    op.create_table(
        "reconciliation_run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("to_day", sa.Date(), nullable=False),
        sa.Column("is_nightly", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued", "running", "done", "partial", "failed", name="runstate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.CheckConstraint("from_day <= to_day", name=op.f("ck_reconciliation_run_days_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_run")),
    )
    op.create_index("ix_reconciliation_run_created_at", "reconciliation_run", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_reconciliation_run_due",
        "reconciliation_run",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "uq_reconciliation_run_nightly", "reconciliation_run", ["from_day"], unique=True, postgresql_where=sa.text("is_nightly")
    )
    op.create_table(
        "refund_rule",
        sa.Column(
            "role",
            sa.Enum(
                "root",
                "system_admin",
                "customer_care",
                "field_technician",
                "billing_officer",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("most_bututs", sa.Integer(), nullable=False),
        sa.Column("alone_bututs", sa.Integer(), nullable=False),
        sa.Column("day_bututs", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "0 <= alone_bututs AND alone_bututs <= most_bututs AND day_bututs >= 0", name=op.f("ck_refund_rule_sums_in_order")
        ),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_refund_rule")),
    )
    op.create_table(
        "package_site",
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_package_site_package_id_package")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_package_site_site_id_site")),
        sa.PrimaryKeyConstraint("package_id", "site_id", name=op.f("pk_package_site")),
    )
    op.create_table(
        "promo_package",
        sa.Column("promo_id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_promo_package_package_id_package")),
        sa.ForeignKeyConstraint(["promo_id"], ["promo_code.id"], name=op.f("fk_promo_package_promo_id_promo_code")),
        sa.PrimaryKeyConstraint("promo_id", "package_id", name=op.f("pk_promo_package")),
    )
    op.create_table(
        "voucher_batch",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("package_version_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.Column("registered", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("making", "ready", "cancelling", "cancelled", name="batchstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("seller", sa.String(length=120), nullable=True),
        sa.Column("site_id", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("use_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("use_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("idempotency_mac", sa.String(length=64), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.CheckConstraint("state <> 'ready' OR made = size", name=op.f("ck_voucher_batch_ready_means_whole")),
        sa.CheckConstraint("made BETWEEN 0 AND size", name=op.f("ck_voucher_batch_made_within_size")),
        sa.CheckConstraint("size BETWEEN 1 AND 100000", name=op.f("ck_voucher_batch_size_sane")),
        sa.CheckConstraint("use_from < use_before", name=op.f("ck_voucher_batch_window_in_order")),
        sa.ForeignKeyConstraint(
            ["package_version_id"], ["package_version.id"], name=op.f("fk_voucher_batch_package_version_id_package_version")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_voucher_batch_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_batch")),
        sa.UniqueConstraint("idempotency_mac", name=op.f("uq_voucher_batch_idempotency_mac")),
    )
    op.create_index("ix_voucher_batch_created_at", "voucher_batch", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_voucher_batch_due", "voucher_batch", ["next_attempt_at"], unique=False, postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.create_table(
        "wave_movement",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gross_bututs", sa.BigInteger(), nullable=False),
        sa.Column("fee_bututs", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("is_reversal", sa.Boolean(), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=True),
        sa.Column("client_reference", sa.String(length=255), nullable=True),
        sa.Column("counterparty_mobile", sa.String(length=32), nullable=True),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_wave_movement_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wave_movement")),
    )
    op.create_index("ix_wave_movement_day", "wave_movement", ["day"], unique=False)
    op.create_index(
        "ix_wave_movement_payment", "wave_movement", ["payment_id"], unique=False, postgresql_where=sa.text("payment_id IS NOT NULL")
    )
    op.create_index(
        "ix_wave_movement_session", "wave_movement", ["session_id"], unique=False, postgresql_where=sa.text("session_id IS NOT NULL")
    )
    op.create_table(
        "reconciliation_finding",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "foreign_payment",
                "paid_at_wave_only",
                "paid_here_only",
                "wrong_amount",
                "refund_at_wave_only",
                "refund_here_only",
                "charge_missing",
                "charge_differs",
                "foreign_account",
                "not_blocked",
                "lost_row",
                name="findingkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("voucher_id", sa.BigInteger(), nullable=True),
        sa.Column("movement_id", sa.String(length=64), nullable=True),
        sa.Column("wave_bututs", sa.BigInteger(), nullable=True),
        sa.Column("ledger_bututs", sa.BigInteger(), nullable=True),
        sa.Column("porta_bututs", sa.BigInteger(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "fix",
            sa.Enum(
                "ask_wave",
                "give_credit",
                "hold_in_suspense",
                "record_refund",
                "send_refund",
                "issue_again",
                "block_account",
                "post_again",
                "look",
                name="fix",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("open", "accepted", "rejected", "gone", name="findingstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("assignee_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=300), nullable=True),
        sa.Column("outcome", sa.String(length=300), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state IN ('accepted', 'rejected')) <= (decided_by IS NOT NULL)", name=op.f("ck_reconciliation_finding_decided_by_somebody")
        ),
        sa.ForeignKeyConstraint(["assignee_id"], ["staff.id"], name=op.f("fk_reconciliation_finding_assignee_id_staff")),
        sa.ForeignKeyConstraint(["movement_id"], ["wave_movement.id"], name=op.f("fk_reconciliation_finding_movement_id_wave_movement")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_reconciliation_finding_payment_id_payment")),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliation_run.id"], name=op.f("fk_reconciliation_finding_run_id_reconciliation_run")),
        sa.ForeignKeyConstraint(["voucher_id"], ["voucher.id"], name=op.f("fk_reconciliation_finding_voucher_id_voucher")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_finding")),
        sa.UniqueConstraint("key", name=op.f("uq_reconciliation_finding_key")),
    )
    op.create_index(op.f("ix_reconciliation_finding_payment_id"), "reconciliation_finding", ["payment_id"], unique=False)
    op.create_index("ix_reconciliation_finding_run_id", "reconciliation_finding", ["run_id"], unique=False)
    op.create_index(
        "ix_reconciliation_finding_voucher",
        "reconciliation_finding",
        ["voucher_id"],
        unique=False,
        postgresql_where=sa.text("voucher_id IS NOT NULL"),
    )
    op.create_index("ix_reconciliation_finding_state_day", "reconciliation_finding", ["state", "day", "id"], unique=False)
    op.add_column("package", sa.Column("on_sale_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("package", sa.Column("on_sale_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("package", sa.Column("stock_mark", sa.Integer(), server_default="20", nullable=False))
    op.add_column("payment", sa.Column("discount_bututs", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payment", sa.Column("promo_code_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "payment",
        sa.Column(
            "channel",
            sa.Enum("portal", "mobile", "api", name="salechannel", native_enum=False, create_constraint=True, length=32),
            server_default="portal",
            nullable=False,
        ),
    )
    op.add_column("payment", sa.Column("bought_by_id", sa.BigInteger(), nullable=True))
    op.add_column("payment", sa.Column("is_gift", sa.Boolean(), server_default="false", nullable=False))
    op.create_index("ix_payment_bought_by", "payment", ["bought_by_id"], unique=False, postgresql_where=sa.text("bought_by_id IS NOT NULL"))
    op.create_index("ix_payment_paid_at", "payment", ["paid_at"], unique=False, postgresql_where=sa.text("paid_at IS NOT NULL"))
    op.create_index(
        "ix_payment_promo", "payment", ["promo_code_id", "customer_id"], unique=False, postgresql_where=sa.text("promo_code_id IS NOT NULL")
    )
    op.create_foreign_key(op.f("fk_payment_bought_by_id_customer"), "payment", "customer", ["bought_by_id"], ["id"])
    op.create_foreign_key(op.f("fk_payment_promo_code_id_promo_code"), "payment", "promo_code", ["promo_code_id"], ["id"])
    op.add_column(
        "refund",
        sa.Column(
            "kind",
            sa.Enum("second_success", "sale", name="refundkind", native_enum=False, create_constraint=True, length=32),
            server_default="second_success",
            nullable=False,
        ),
    )
    op.add_column("refund", sa.Column("asked_by", sa.String(length=120), server_default="system", nullable=False))
    op.add_column("refund", sa.Column("asked_by_id", sa.BigInteger(), nullable=True))
    op.add_column("refund", sa.Column("decided_by", sa.String(length=120), nullable=True))
    op.add_column("refund", sa.Column("decided_by_id", sa.BigInteger(), nullable=True))
    op.add_column("refund", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("refund", sa.Column("decision_note", sa.String(length=300), nullable=True))
    op.drop_constraint(op.f("uq_refund_checkout_id"), "refund", type_="unique")
    op.create_index("ix_refund_state_created_at", "refund", ["state", "created_at", "id"], unique=False)
    op.create_index("uq_refund_checkout", "refund", ["checkout_id"], unique=True, postgresql_where=sa.text("state <> 'declined'"))
    op.create_foreign_key(op.f("fk_refund_decided_by_id_staff"), "refund", "staff", ["decided_by_id"], ["id"])
    op.create_foreign_key(op.f("fk_refund_asked_by_id_staff"), "refund", "staff", ["asked_by_id"], ["id"])
    op.add_column(
        "voucher",
        sa.Column(
            "origin",
            sa.Enum(
                "payment", "hand", "stock", "batch", "credit", name="voucherorigin", native_enum=False, create_constraint=True, length=32
            ),
            server_default="hand",
            nullable=False,
        ),
    )
    op.add_column("voucher", sa.Column("batch_id", sa.BigInteger(), nullable=True))
    op.add_column("voucher", sa.Column("seconds", sa.Integer(), nullable=True))
    op.add_column("voucher", sa.Column("bytes", sa.BigInteger(), nullable=True))
    op.add_column("voucher", sa.Column("credit_of_id", sa.BigInteger(), nullable=True))
    op.add_column("voucher", sa.Column("replaced_payment_id", sa.BigInteger(), nullable=True))
    op.add_column("voucher", sa.Column("tail_mac", sa.Integer(), nullable=True))
    op.add_column("voucher", sa.Column("use_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("voucher", sa.Column("porta_charge_called_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("voucher", sa.Column("porta_charged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_voucher_batch", "voucher", ["batch_id", "id"], unique=False, postgresql_where=sa.text("batch_id IS NOT NULL"))
    op.create_index(
        "ix_voucher_replaced_payment",
        "voucher",
        ["replaced_payment_id"],
        unique=False,
        postgresql_where=sa.text("replaced_payment_id IS NOT NULL"),
    )
    op.create_index(
        "ix_voucher_stock",
        "voucher",
        ["package_version_id", "id"],
        unique=False,
        postgresql_where=sa.text("origin = 'stock' AND payment_id IS NULL AND state IN ('pending', 'active')"),
    )
    op.create_index("ix_voucher_tail_mac", "voucher", ["tail_mac"], unique=False, postgresql_where=sa.text("tail_mac IS NOT NULL"))
    _index_only_what_is_there()
    op.create_foreign_key(op.f("fk_voucher_credit_of_id_entitlement"), "voucher", "entitlement", ["credit_of_id"], ["id"], use_alter=True)
    op.create_foreign_key(op.f("fk_voucher_replaced_payment_id_payment"), "voucher", "payment", ["replaced_payment_id"], ["id"])
    op.create_foreign_key(op.f("fk_voucher_batch_id_voucher_batch"), "voucher", "voucher_batch", ["batch_id"], ["id"])
    op.execute("UPDATE voucher SET origin = 'payment' WHERE payment_id IS NOT NULL")
    for trigger in ("DROP TRIGGER voucher_noted ON voucher", _VOUCHER_MADE, _VOUCHER_CHANGED):
        op.execute(trigger)
    for table, name, condition in _CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    _may_be("payment_event", "kind", "eventkind", _EVENTS)
    _may_be("refund", "state", "refundstate", _REFUNDS)
    _may_be("network_alarm", "kind", "alarmkind", _ALARMS)
    op.execute(
        "INSERT INTO refund_rule (role, most_bututs, alone_bututs, day_bututs, changed_by, changed_at) VALUES "
        "('root', 1000000, 500000, 5000000, 'system', now()), "
        "('billing_officer', 1000000, 50000, 1000000, 'system', now()), "
        "('customer_care', 100000, 0, 200000, 'system', now())"
    )
    op.execute(
        "CREATE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE ON ledger_transfer "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(_OPEN_ITEMS)
    op.execute("CREATE TRIGGER ledger_transfer_open AFTER INSERT ON ledger_transfer FOR EACH ROW EXECUTE FUNCTION ledger_keep_open()")
    op.execute(_POST_WHAT_STANDS)


def _index_only_what_is_there() -> None:
    """Most vouchers of a batch have no payment, customer or credit: they are kept out of these indexes."""
    op.drop_constraint(op.f("uq_voucher_payment_id"), "voucher", type_="unique")
    op.drop_index("ix_voucher_customer_id", table_name="voucher")
    for name, column, unique in (
        ("uq_voucher_payment_id", "payment_id", True),
        ("uq_voucher_credit_of_id", "credit_of_id", True),
        ("ix_voucher_customer_id", "customer_id", False),
    ):
        op.create_index(name, "voucher", [column], unique=unique, postgresql_where=sa.text(f"{column} IS NOT NULL"))
    op.create_index("ix_voucher_expiring", "voucher", ["use_before"], postgresql_where=sa.text("state IN ('pending', 'active')"))


def _index_all_again() -> None:
    for name in ("ix_voucher_expiring", "ix_voucher_customer_id", "uq_voucher_credit_of_id", "uq_voucher_payment_id"):
        op.drop_index(name, table_name="voucher")
    op.create_index("ix_voucher_customer_id", "voucher", ["customer_id"])
    op.create_unique_constraint(op.f("uq_voucher_payment_id"), "voucher", ["payment_id"])


def _may_be(table: str, column: str, name: str, values: tuple[str, ...]) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    listed = ", ".join(f"'{value}'" for value in values)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, f"{column} IN ({listed})")


def downgrade() -> None:
    op.execute("DROP TRIGGER ledger_transfer_open ON ledger_transfer")
    op.execute("DROP FUNCTION ledger_keep_open()")
    op.execute("DROP TRIGGER ledger_transfer_append_only ON ledger_transfer")
    op.execute("DELETE FROM network_alarm WHERE kind = 'low_stock'")
    _may_be("network_alarm", "kind", "alarmkind", _ALARMS_BEFORE)
    op.execute("DELETE FROM refund WHERE state IN ('asked', 'declined')")
    _may_be("refund", "state", "refundstate", _REFUNDS_BEFORE)
    op.execute("ALTER TABLE payment_event DISABLE TRIGGER payment_event_append_only")
    op.execute("DELETE FROM payment_event WHERE kind IN ('stock_bound', 'refund_asked', 'refund_declined')")
    op.execute("ALTER TABLE payment_event ENABLE TRIGGER payment_event_append_only")
    _may_be("payment_event", "kind", "eventkind", _EVENTS_BEFORE)
    for table, name, _ in reversed(_CHECKS):
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    for trigger in ("DROP TRIGGER voucher_changed_noted ON voucher", "DROP TRIGGER voucher_noted ON voucher", _VOUCHER_NOTED_BEFORE):
        op.execute(trigger)
    op.drop_constraint(op.f("fk_voucher_batch_id_voucher_batch"), "voucher", type_="foreignkey")
    op.drop_constraint(op.f("fk_voucher_replaced_payment_id_payment"), "voucher", type_="foreignkey")
    op.drop_constraint(op.f("fk_voucher_credit_of_id_entitlement"), "voucher", type_="foreignkey")
    _index_all_again()
    op.drop_index("ix_voucher_tail_mac", table_name="voucher", postgresql_where=sa.text("tail_mac IS NOT NULL"))
    op.drop_index(
        "ix_voucher_stock",
        table_name="voucher",
        postgresql_where=sa.text("origin = 'stock' AND payment_id IS NULL AND state IN ('pending', 'active')"),
    )
    op.drop_index("ix_voucher_replaced_payment", table_name="voucher", postgresql_where=sa.text("replaced_payment_id IS NOT NULL"))
    op.drop_index("ix_voucher_batch", table_name="voucher", postgresql_where=sa.text("batch_id IS NOT NULL"))
    op.drop_column("voucher", "porta_charged_at")
    op.drop_column("voucher", "porta_charge_called_at")
    op.drop_column("voucher", "use_from")
    op.drop_column("voucher", "tail_mac")
    op.drop_column("voucher", "replaced_payment_id")
    op.drop_column("voucher", "credit_of_id")
    op.drop_column("voucher", "bytes")
    op.drop_column("voucher", "seconds")
    op.drop_column("voucher", "batch_id")
    op.drop_column("voucher", "origin")
    op.drop_constraint(op.f("fk_refund_asked_by_id_staff"), "refund", type_="foreignkey")
    op.drop_constraint(op.f("fk_refund_decided_by_id_staff"), "refund", type_="foreignkey")
    op.drop_index("uq_refund_checkout", table_name="refund", postgresql_where=sa.text("state <> 'declined'"))
    op.drop_index("ix_refund_state_created_at", table_name="refund")
    op.create_unique_constraint(op.f("uq_refund_checkout_id"), "refund", ["checkout_id"], postgresql_nulls_not_distinct=False)
    op.drop_column("refund", "decision_note")
    op.drop_column("refund", "decided_at")
    op.drop_column("refund", "decided_by_id")
    op.drop_column("refund", "decided_by")
    op.drop_column("refund", "asked_by_id")
    op.drop_column("refund", "asked_by")
    op.drop_column("refund", "kind")
    op.drop_constraint(op.f("fk_payment_promo_code_id_promo_code"), "payment", type_="foreignkey")
    op.drop_constraint(op.f("fk_payment_bought_by_id_customer"), "payment", type_="foreignkey")
    op.drop_index("ix_payment_promo", table_name="payment", postgresql_where=sa.text("promo_code_id IS NOT NULL"))
    op.drop_index("ix_payment_paid_at", table_name="payment", postgresql_where=sa.text("paid_at IS NOT NULL"))
    op.drop_index("ix_payment_bought_by", table_name="payment", postgresql_where=sa.text("bought_by_id IS NOT NULL"))
    op.drop_column("payment", "is_gift")
    op.drop_column("payment", "bought_by_id")
    op.drop_column("payment", "channel")
    op.drop_column("payment", "promo_code_id")
    op.drop_column("payment", "discount_bututs")
    op.drop_column("package", "stock_mark")
    op.drop_column("package", "on_sale_until")
    op.drop_column("package", "on_sale_from")
    op.drop_index("ix_reconciliation_finding_state_day", table_name="reconciliation_finding")
    op.drop_index("ix_reconciliation_finding_run_id", table_name="reconciliation_finding")
    op.drop_index(op.f("ix_reconciliation_finding_payment_id"), table_name="reconciliation_finding")
    op.drop_table("reconciliation_finding")
    op.drop_index("ix_wave_movement_session", table_name="wave_movement", postgresql_where=sa.text("session_id IS NOT NULL"))
    op.drop_index("ix_wave_movement_payment", table_name="wave_movement", postgresql_where=sa.text("payment_id IS NOT NULL"))
    op.drop_index("ix_wave_movement_day", table_name="wave_movement")
    op.drop_table("wave_movement")
    op.drop_index("ix_voucher_batch_due", table_name="voucher_batch", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_index("ix_voucher_batch_created_at", table_name="voucher_batch")
    op.drop_table("voucher_batch")
    op.drop_table("promo_package")
    op.drop_table("package_site")
    op.drop_table("refund_rule")
    op.drop_index("uq_reconciliation_run_nightly", table_name="reconciliation_run", postgresql_where=sa.text("is_nightly"))
    op.drop_index("ix_reconciliation_run_due", table_name="reconciliation_run", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_index("ix_reconciliation_run_created_at", table_name="reconciliation_run")
    op.drop_table("reconciliation_run")
    op.drop_table("promo_code")
    op.drop_index("ix_porta_mirror_seen_run", table_name="porta_mirror")
    op.drop_table("porta_mirror")
    op.drop_index("ix_ledger_transfer_subject", table_name="ledger_transfer")
    op.drop_index("ix_ledger_transfer_at", table_name="ledger_transfer")
    op.drop_table("ledger_transfer")
    op.drop_index("ix_ledger_open_since", table_name="ledger_open")
    op.drop_table("ledger_open")
