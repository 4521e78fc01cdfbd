"""the house: people, packages, payments, vouchers, access"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("token_mac", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_mac", name=op.f("uq_api_token_token_mac")),
    )
    op.create_table(
        "customer",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("phone_e164", sa.String(length=16), nullable=False),
        sa.Column("legacy_e164", sa.String(length=16), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("legacy_e164", name=op.f("uq_customer_legacy_e164")),
        sa.UniqueConstraint("phone_e164", name=op.f("uq_customer_phone_e164")),
    )
    op.create_table(
        "package",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_on_sale", sa.Boolean(), nullable=False),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package")),
        sa.UniqueConstraint("public_id", name=op.f("uq_package_public_id")),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("name", name=op.f("uq_site_name")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
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
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_staff_email_lower")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_event_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=True),
        sa.Column("client_reference", sa.String(length=255), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=120), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
        sa.UniqueConstraint("provider_event_id", name=op.f("uq_webhook_event_provider_event_id")),
    )
    op.create_index(
        "ix_webhook_event_pending", "webhook_event", ["received_at"], unique=False, postgresql_where=sa.text("processed_at IS NULL")
    )
    op.create_table(
        "device",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("last_mac", sa.String(length=17), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_device_customer_id_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
    )
    op.create_index(op.f("ix_device_customer_id"), "device", ["customer_id"], unique=False)
    op.create_table(
        "gateway",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("gateway_name", sa.String(length=80), nullable=False),
        sa.Column("gateway_hash", sa.String(length=64), nullable=False),
        sa.Column("faskey_sealed", sa.String(length=255), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_poll_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_clear_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.CheckConstraint("level IN (3, 4)", name=op.f("ck_gateway_level_is_3_or_4")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_gateway_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway")),
        sa.UniqueConstraint("gateway_hash", name=op.f("uq_gateway_gateway_hash")),
        sa.UniqueConstraint("gateway_name", name=op.f("uq_gateway_gateway_name")),
        sa.UniqueConstraint("slug", name=op.f("uq_gateway_slug")),
    )
    op.create_index(op.f("ix_gateway_site_id"), "gateway", ["site_id"], unique=False)
    op.create_table(
        "package_version",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("amount_bututs", sa.Integer(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=False),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=True),
        sa.Column("down_kbps", sa.Integer(), nullable=False),
        sa.Column("up_kbps", sa.Integer(), nullable=False),
        sa.Column("device_limit", sa.Integer(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_bututs > 0", name=op.f("ck_package_version_amount_positive")),
        sa.CheckConstraint("device_limit BETWEEN 1 AND 20", name=op.f("ck_package_version_device_limit_sane")),
        sa.CheckConstraint("down_kbps >= 0 AND up_kbps >= 0", name=op.f("ck_package_version_rates_not_negative")),
        sa.CheckConstraint("duration_seconds >= 60", name=op.f("ck_package_version_duration_at_least_a_minute")),
        sa.CheckConstraint("mod(amount_bututs, 100) = 0", name=op.f("ck_package_version_amount_whole_dalasi")),
        sa.CheckConstraint("quota_bytes IS NULL OR quota_bytes > 0", name=op.f("ck_package_version_quota_positive")),
        sa.CheckConstraint("validity_days BETWEEN 1 AND 3660", name=op.f("ck_package_version_validity_sane")),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_package_version_package_id_package")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_version")),
        sa.UniqueConstraint("package_id", "version", name=op.f("uq_package_version_package_id_version")),
    )
    op.create_table(
        "sms_message",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=80), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("body_sealed", sa.String(length=2000), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued", "sending", "sent", "unknown", "failed", name="messagestate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_id", sa.String(length=80), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_sms_message_customer_id_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sms_message")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_sms_message_dedupe_key")),
    )
    op.create_index(op.f("ix_sms_message_customer_id"), "sms_message", ["customer_id"], unique=False)
    op.create_index(
        "ix_sms_message_due", "sms_message", ["next_attempt_at"], unique=False, postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("package_version_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_bututs", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "created",
                "checkout_open",
                "paid",
                "voucher_issued",
                "charged",
                "access_granted",
                "served",
                "expired",
                "failed",
                "refunding",
                "refunded",
                "attention",
                name="paymentstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "attention_from",
            sa.Enum(
                "created",
                "checkout_open",
                "paid",
                "voucher_issued",
                "charged",
                "access_granted",
                "served",
                "expired",
                "failed",
                "refunding",
                "refunded",
                "attention",
                name="attention_from",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("gateway_id", sa.BigInteger(), nullable=True),
        sa.Column("client_hid", sa.String(length=64), nullable=True),
        sa.Column("client_mac", sa.String(length=17), nullable=True),
        sa.Column("mac_trusted", sa.Boolean(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_mac", sa.String(length=64), nullable=True),
        sa.Column("request_digest", sa.String(length=64), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("create_called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("create_calls", sa.Integer(), nullable=False),
        sa.Column("wave_transaction_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.CheckConstraint("(status = 'attention') = (attention_from IS NOT NULL)", name=op.f("ck_payment_attention_knows_whence")),
        sa.CheckConstraint(
            "paid_at IS NOT NULL OR status IN ('created', 'checkout_open', 'expired', 'failed', 'attention')",
            name=op.f("ck_payment_served_means_paid"),
        ),
        sa.CheckConstraint("(wave_transaction_id IS NULL) = (paid_at IS NULL)", name=op.f("ck_payment_paid_means_transaction")),
        sa.CheckConstraint("amount_bututs > 0", name=op.f("ck_payment_amount_positive")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_payment_customer_id_customer")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_payment_device_id_device")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_payment_gateway_id_gateway")),
        sa.ForeignKeyConstraint(["package_version_id"], ["package_version.id"], name=op.f("fk_payment_package_version_id_package_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("idempotency_mac", name=op.f("uq_payment_idempotency_mac")),
        sa.UniqueConstraint("public_id", name=op.f("uq_payment_public_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_payment_reference")),
        sa.UniqueConstraint("wave_transaction_id", name=op.f("uq_payment_wave_transaction_id")),
    )
    op.create_index(
        "ix_payment_client", "payment", ["gateway_id", "client_hid"], unique=False, postgresql_where=sa.text("client_hid IS NOT NULL")
    )
    op.create_index("ix_payment_created_at", "payment", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_payment_customer_id"), "payment", ["customer_id"], unique=False)
    op.create_index(op.f("ix_payment_device_id"), "payment", ["device_id"], unique=False)
    op.create_index("ix_payment_due", "payment", ["next_attempt_at"], unique=False, postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.create_index("ix_payment_status_since", "payment", ["status", "status_since"], unique=False)
    op.create_table(
        "checkout",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("wave_session_id", sa.String(length=64), nullable=False),
        sa.Column("launch_url", sa.String(length=500), nullable=False),
        sa.Column("checkout_status", sa.String(length=32), nullable=False),
        sa.Column("payment_status", sa.String(length=32), nullable=True),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("last_error_code", sa.String(length=64), nullable=True),
        sa.Column("is_winner", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("NOT is_winner OR transaction_id IS NOT NULL", name=op.f("ck_checkout_winner_was_paid")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_checkout_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkout")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_checkout_transaction_id")),
        sa.UniqueConstraint("wave_session_id", name=op.f("uq_checkout_wave_session_id")),
    )
    op.create_index(op.f("ix_checkout_payment_id"), "checkout", ["payment_id"], unique=False)
    op.create_index("uq_checkout_winner", "checkout", ["payment_id"], unique=True, postgresql_where=sa.text("is_winner"))
    op.create_table(
        "outbound_call",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_outbound_call_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_call")),
    )
    op.create_index(op.f("ix_outbound_call_payment_id"), "outbound_call", ["payment_id"], unique=False)
    op.create_table(
        "payment_event",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
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
                name="eventkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "created",
                "checkout_open",
                "paid",
                "voucher_issued",
                "charged",
                "access_granted",
                "served",
                "expired",
                "failed",
                "refunding",
                "refunded",
                "attention",
                name="paymentstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("amount_bututs", sa.Integer(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_event_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_event")),
        sa.UniqueConstraint("payment_id", "sequence", name=op.f("uq_payment_event_payment_id_sequence")),
    )
    op.create_index(
        "uq_payment_event_once",
        "payment_event",
        ["payment_id", "kind"],
        unique=True,
        postgresql_where=sa.text("kind IN ('created', 'paid', 'voucher_issued', 'charged', 'voucher_blocked', 'access_granted', 'served')"),
    )
    op.create_table(
        "ticket",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("gateway_id", sa.BigInteger(), nullable=True),
        sa.Column("client_mac", sa.String(length=17), nullable=True),
        sa.Column("body", sa.String(length=4000), nullable=False),
        sa.Column(
            "state", sa.Enum("new", "closed", name="ticketstate", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_ticket_customer_id_customer")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_ticket_gateway_id_gateway")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_ticket_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket")),
        sa.UniqueConstraint("reference", name=op.f("uq_ticket_reference")),
    )
    op.create_index("ix_ticket_created_at", "ticket", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_ticket_customer_id"), "ticket", ["customer_id"], unique=False)
    op.create_table(
        "voucher",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code_mac", sa.String(length=64), nullable=False),
        sa.Column("code_sealed", sa.String(length=120), nullable=False),
        sa.Column("package_version_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "pending", "active", "used", "blocked", "expired", name="voucherstate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("issued_by", sa.String(length=120), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("use_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("porta_account_id", sa.String(length=64), nullable=False),
        sa.Column("porta_i_account", sa.BigInteger(), nullable=True),
        sa.Column("porta_issue_called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("porta_issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("porta_blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("porta_attempts", sa.Integer(), nullable=False),
        sa.Column("porta_next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("porta_lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("porta_error", sa.String(length=300), nullable=True),
        sa.CheckConstraint("(state = 'used') <= (used_at IS NOT NULL)", name=op.f("ck_voucher_used_means_used_at")),
        sa.CheckConstraint("porta_blocked_at IS NULL OR porta_issued_at IS NOT NULL", name=op.f("ck_voucher_porta_blocked_means_issued")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_voucher_customer_id_customer")),
        sa.ForeignKeyConstraint(["package_version_id"], ["package_version.id"], name=op.f("fk_voucher_package_version_id_package_version")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_voucher_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher")),
        sa.UniqueConstraint("code_mac", name=op.f("uq_voucher_code_mac")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_voucher_payment_id")),
        sa.UniqueConstraint("porta_account_id", name=op.f("uq_voucher_porta_account_id")),
        sa.UniqueConstraint("porta_i_account", name=op.f("uq_voucher_porta_i_account")),
    )
    op.create_index("ix_voucher_created_at", "voucher", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_voucher_customer_id"), "voucher", ["customer_id"], unique=False)
    op.create_index(
        "ix_voucher_porta_due",
        "voucher",
        ["porta_next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("porta_next_attempt_at IS NOT NULL"),
    )
    op.create_table(
        "entitlement",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("package_version_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds_total", sa.Integer(), nullable=False),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=True),
        sa.Column("bytes_used", sa.BigInteger(), nullable=False),
        sa.Column("down_kbps", sa.Integer(), nullable=False),
        sa.Column("up_kbps", sa.Integer(), nullable=False),
        sa.Column("device_limit", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("ready", "running", "ended", "void", name="entitlementstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("use_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(started_at IS NULL) = (ends_at IS NULL)", name=op.f("ck_entitlement_started_means_ends")),
        sa.CheckConstraint("bytes_used >= 0", name=op.f("ck_entitlement_bytes_not_negative")),
        sa.CheckConstraint("seconds_total > 0", name=op.f("ck_entitlement_seconds_positive")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_entitlement_customer_id_customer")),
        sa.ForeignKeyConstraint(
            ["package_version_id"], ["package_version.id"], name=op.f("fk_entitlement_package_version_id_package_version")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_entitlement_payment_id_payment")),
        sa.ForeignKeyConstraint(["voucher_id"], ["voucher.id"], name=op.f("fk_entitlement_voucher_id_voucher")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entitlement")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_entitlement_payment_id")),
        sa.UniqueConstraint("voucher_id", name=op.f("uq_entitlement_voucher_id")),
    )
    op.create_index(op.f("ix_entitlement_customer_id"), "entitlement", ["customer_id"], unique=False)
    op.create_index("ix_entitlement_ends_at", "entitlement", ["ends_at"], unique=False, postgresql_where=sa.text("state = 'running'"))
    op.create_index("ix_entitlement_use_before", "entitlement", ["use_before"], unique=False, postgresql_where=sa.text("state = 'ready'"))
    op.create_table(
        "refund",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("checkout_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_bututs", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column(
            "state",
            sa.Enum("requested", "refunded", "failed", name="refundstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["checkout_id"], ["checkout.id"], name=op.f("fk_refund_checkout_id_checkout")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_refund_payment_id_payment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("checkout_id", name=op.f("uq_refund_checkout_id")),
    )
    op.create_index("ix_refund_due", "refund", ["next_attempt_at"], unique=False, postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.create_index(op.f("ix_refund_payment_id"), "refund", ["payment_id"], unique=False)
    op.create_table(
        "access_grant",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("gateway_id", sa.BigInteger(), nullable=False),
        sa.Column("hid", sa.String(length=64), nullable=True),
        sa.Column("mac", sa.String(length=17), nullable=True),
        sa.Column("entitlement_id", sa.BigInteger(), nullable=True),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("up_kbps", sa.Integer(), nullable=False),
        sa.Column("down_kbps", sa.Integer(), nullable=False),
        sa.Column("up_quota_kb", sa.Integer(), nullable=False),
        sa.Column("down_quota_kb", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "offered",
                "acked",
                "unconfirmed",
                "ended",
                "void",
                name="grantstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_offered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("offer_count", sa.Integer(), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.CheckConstraint("hid IS NOT NULL OR mac IS NOT NULL", name=op.f("ck_access_grant_names_a_client")),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_access_grant_seconds_positive")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_access_grant_device_id_device")),
        sa.ForeignKeyConstraint(["entitlement_id"], ["entitlement.id"], name=op.f("fk_access_grant_entitlement_id_entitlement")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_access_grant_gateway_id_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_grant")),
    )
    op.create_index(
        "ix_access_grant_ends_at", "access_grant", ["ends_at"], unique=False, postgresql_where=sa.text("state IN ('acked', 'unconfirmed')")
    )
    op.create_index(op.f("ix_access_grant_entitlement_id"), "access_grant", ["entitlement_id"], unique=False)
    op.create_index(
        "ix_access_grant_give_up", "access_grant", ["give_up_at"], unique=False, postgresql_where=sa.text("state IN ('queued', 'offered')")
    )
    op.create_index(
        "ix_access_grant_on_offer",
        "access_grant",
        ["gateway_id", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'offered')"),
    )
    op.create_index(
        "uq_access_grant_live_hid",
        "access_grant",
        ["gateway_id", "hid"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'offered', 'acked', 'unconfirmed') AND hid IS NOT NULL"),
    )
    op.create_index(
        "uq_access_grant_live_mac",
        "access_grant",
        ["gateway_id", "mac"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'offered', 'acked', 'unconfirmed') AND hid IS NULL AND mac IS NOT NULL"),
    )
    op.create_table(
        "device_slot",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("entitlement_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("mac_hint", sa.String(length=17), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("number >= 1", name=op.f("ck_device_slot_number_from_one")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_device_slot_device_id_device")),
        sa.ForeignKeyConstraint(["entitlement_id"], ["entitlement.id"], name=op.f("fk_device_slot_entitlement_id_entitlement")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_slot")),
    )
    op.create_index("ix_device_slot_device_id", "device_slot", ["device_id"], unique=False, postgresql_where=sa.text("released_at IS NULL"))
    op.create_index(
        "ix_device_slot_mac_hint",
        "device_slot",
        ["mac_hint"],
        unique=False,
        postgresql_where=sa.text("released_at IS NULL AND mac_hint IS NOT NULL"),
    )
    op.create_index(
        "uq_device_slot_held", "device_slot", ["entitlement_id", "number"], unique=True, postgresql_where=sa.text("released_at IS NULL")
    )
    op.create_table(
        "access_session",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("gateway_id", sa.BigInteger(), nullable=False),
        sa.Column("entitlement_id", sa.BigInteger(), nullable=True),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("mac", sa.String(length=17), nullable=True),
        sa.Column(
            "state",
            sa.Enum("active", "unconfirmed", "ended", name="sessionstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.Column("bytes_down", sa.BigInteger(), nullable=True),
        sa.Column("bytes_up", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_access_session_ended_means_ended_at")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_access_session_customer_id_customer")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_access_session_device_id_device")),
        sa.ForeignKeyConstraint(["entitlement_id"], ["entitlement.id"], name=op.f("fk_access_session_entitlement_id_entitlement")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_access_session_gateway_id_gateway")),
        sa.ForeignKeyConstraint(["grant_id"], ["access_grant.id"], name=op.f("fk_access_session_grant_id_access_grant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_session")),
        sa.UniqueConstraint("grant_id", name=op.f("uq_access_session_grant_id")),
    )
    op.create_index(op.f("ix_access_session_customer_id"), "access_session", ["customer_id"], unique=False)
    op.create_index(op.f("ix_access_session_entitlement_id"), "access_session", ["entitlement_id"], unique=False)
    op.create_index(op.f("ix_access_session_gateway_id"), "access_session", ["gateway_id"], unique=False)
    op.create_index("ix_access_session_started_at", "access_session", ["started_at", "id"], unique=False)

    # Append-only by the database, not only by habit: what was sold and what happened to money is never rewritten.
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
    """)
    for table, name in (("payment_event", "append_only"), ("package_version", "immutable")):
        op.execute(f"CREATE TRIGGER {table}_{name} BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    op.execute("DROP TRIGGER payment_event_append_only ON payment_event")
    op.execute("DROP TRIGGER package_version_immutable ON package_version")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_index("ix_access_session_started_at", table_name="access_session")
    op.drop_index(op.f("ix_access_session_gateway_id"), table_name="access_session")
    op.drop_index(op.f("ix_access_session_entitlement_id"), table_name="access_session")
    op.drop_index(op.f("ix_access_session_customer_id"), table_name="access_session")
    op.drop_table("access_session")
    op.drop_index("uq_device_slot_held", table_name="device_slot", postgresql_where=sa.text("released_at IS NULL"))
    op.drop_index(
        "ix_device_slot_mac_hint", table_name="device_slot", postgresql_where=sa.text("released_at IS NULL AND mac_hint IS NOT NULL")
    )
    op.drop_index("ix_device_slot_device_id", table_name="device_slot", postgresql_where=sa.text("released_at IS NULL"))
    op.drop_table("device_slot")
    op.drop_index(
        "uq_access_grant_live_mac",
        table_name="access_grant",
        postgresql_where=sa.text("state IN ('queued', 'offered', 'acked', 'unconfirmed') AND hid IS NULL AND mac IS NOT NULL"),
    )
    op.drop_index(
        "uq_access_grant_live_hid",
        table_name="access_grant",
        postgresql_where=sa.text("state IN ('queued', 'offered', 'acked', 'unconfirmed') AND hid IS NOT NULL"),
    )
    op.drop_index("ix_access_grant_on_offer", table_name="access_grant", postgresql_where=sa.text("state IN ('queued', 'offered')"))
    op.drop_index("ix_access_grant_give_up", table_name="access_grant", postgresql_where=sa.text("state IN ('queued', 'offered')"))
    op.drop_index(op.f("ix_access_grant_entitlement_id"), table_name="access_grant")
    op.drop_index("ix_access_grant_ends_at", table_name="access_grant", postgresql_where=sa.text("state IN ('acked', 'unconfirmed')"))
    op.drop_table("access_grant")
    op.drop_index(op.f("ix_refund_payment_id"), table_name="refund")
    op.drop_index("ix_refund_due", table_name="refund", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_table("refund")
    op.drop_index("ix_entitlement_use_before", table_name="entitlement", postgresql_where=sa.text("state = 'ready'"))
    op.drop_index("ix_entitlement_ends_at", table_name="entitlement", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(op.f("ix_entitlement_customer_id"), table_name="entitlement")
    op.drop_table("entitlement")
    op.drop_index("ix_voucher_porta_due", table_name="voucher", postgresql_where=sa.text("porta_next_attempt_at IS NOT NULL"))
    op.drop_index(op.f("ix_voucher_customer_id"), table_name="voucher")
    op.drop_index("ix_voucher_created_at", table_name="voucher")
    op.drop_table("voucher")
    op.drop_index(op.f("ix_ticket_customer_id"), table_name="ticket")
    op.drop_index("ix_ticket_created_at", table_name="ticket")
    op.drop_table("ticket")
    op.drop_index(
        "uq_payment_event_once",
        table_name="payment_event",
        postgresql_where=sa.text("kind IN ('created', 'paid', 'voucher_issued', 'charged', 'voucher_blocked', 'access_granted', 'served')"),
    )
    op.drop_table("payment_event")
    op.drop_index(op.f("ix_outbound_call_payment_id"), table_name="outbound_call")
    op.drop_table("outbound_call")
    op.drop_index("uq_checkout_winner", table_name="checkout", postgresql_where=sa.text("is_winner"))
    op.drop_index(op.f("ix_checkout_payment_id"), table_name="checkout")
    op.drop_table("checkout")
    op.drop_index("ix_payment_status_since", table_name="payment")
    op.drop_index("ix_payment_due", table_name="payment", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_index(op.f("ix_payment_device_id"), table_name="payment")
    op.drop_index(op.f("ix_payment_customer_id"), table_name="payment")
    op.drop_index("ix_payment_created_at", table_name="payment")
    op.drop_index("ix_payment_client", table_name="payment", postgresql_where=sa.text("client_hid IS NOT NULL"))
    op.drop_table("payment")
    op.drop_index("ix_sms_message_due", table_name="sms_message", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_index(op.f("ix_sms_message_customer_id"), table_name="sms_message")
    op.drop_table("sms_message")
    op.drop_table("package_version")
    op.drop_index(op.f("ix_gateway_site_id"), table_name="gateway")
    op.drop_table("gateway")
    op.drop_index(op.f("ix_device_customer_id"), table_name="device")
    op.drop_table("device")
    op.drop_index("ix_webhook_event_pending", table_name="webhook_event", postgresql_where=sa.text("processed_at IS NULL"))
    op.drop_table("webhook_event")
    op.drop_table("staff")
    op.drop_table("site")
    op.drop_table("package")
    op.drop_table("customer")
    op.drop_table("api_token")
