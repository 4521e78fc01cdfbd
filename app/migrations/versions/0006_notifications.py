"""notifications: the texts of before move into it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


# What a text told of is the beginning of its key. Bodies stay sealed as they are.
_MOVE = """
INSERT INTO notification (id, dedupe_key, event, medium, urgency, language, customer_id, body_sealed, segments, state, attempts,
    next_attempt_at, provider, provider_id, error, created_at, handed_at, sent_at)
SELECT m.id, m.dedupe_key,
    CASE split_part(m.dedupe_key, ':', 1) WHEN 'receipt' THEN 'purchase_receipt' WHEN 'reminder' THEN 'receipt_reminder'
        WHEN 'incident' THEN 'time_given_back' ELSE split_part(m.dedupe_key, ':', 1) END,
    'sms', CASE split_part(m.dedupe_key, ':', 1) WHEN 'incident' THEN 'news' ELSE 'urgent' END, 'en', m.customer_id, m.body_sealed, 1,
    m.state, m.attempts, m.next_attempt_at, CASE WHEN m.provider_id <> '' THEN 'africastalking' END, nullif(m.provider_id, ''), m.error,
    m.created_at, m.sent_at, m.sent_at
FROM sms_message m
"""
# Only texts have a place in the earlier release; of those, what it has no word for comes nearest.
_MOVE_BACK = """
INSERT INTO sms_message (id, dedupe_key, customer_id, body_sealed, state, attempts, next_attempt_at, provider_id, error,
    created_at, sent_at)
SELECT n.id, n.dedupe_key, n.customer_id, n.body_sealed,
    CASE n.state WHEN 'delivered' THEN 'sent' WHEN 'suppressed' THEN 'failed' ELSE n.state END,
    n.attempts, CASE WHEN n.state IN ('queued', 'sending') THEN n.next_attempt_at END, left(n.provider_id, 80), left(n.error, 200),
    n.created_at, n.sent_at
FROM notification n
WHERE n.medium = 'sms' AND n.customer_id IS NOT NULL AND length(n.dedupe_key) <= 80 AND length(n.body_sealed) <= 2000
"""
_COUNT_ON = "SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest((SELECT max(id) FROM {table}), 1))"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "delivery_report",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("provider_id", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_report")),
        sa.UniqueConstraint("provider", "provider_id", "status", name=op.f("uq_delivery_report_provider_provider_id_status")),
    )
    op.create_index("ix_delivery_report_waiting", "delivery_report", ["at"], unique=False, postgresql_where=sa.text("outcome = 'waiting'"))
    op.create_table(
        "notification_template",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column(
            "medium",
            sa.Enum("sms", "email", "push", "bell", name="medium", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", sa.String(length=4000), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_template")),
        sa.UniqueConstraint("event", "medium", "language", "version", name=op.f("uq_notification_template_event_medium_language_version")),
    )
    op.create_index(
        "uq_notification_template_active",
        "notification_template",
        ["event", "medium", "language"],
        unique=True,
        postgresql_where=sa.text("is_active"),
    )
    op.create_table(
        "contact_preference",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("address_mac", sa.String(length=64), nullable=True),
        sa.Column("address_sealed", sa.String(length=600), nullable=True),
        sa.Column(
            "medium",
            sa.Enum("sms", "email", "push", "bell", name="medium", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opted_out_by", sa.String(length=120), nullable=True),
        sa.Column("quiet_from", sa.Time(), nullable=True),
        sa.Column("quiet_until", sa.Time(), nullable=True),
        sa.CheckConstraint("(customer_id IS NULL) <> (address_mac IS NULL)", name=op.f("ck_contact_preference_of_one_person")),
        sa.CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name=op.f("ck_contact_preference_quiet_hours_are_whole")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_contact_preference_customer_id_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_preference")),
    )
    op.create_index(
        "uq_contact_preference_address",
        "contact_preference",
        ["address_mac", "medium"],
        unique=True,
        postgresql_where=sa.text("address_mac IS NOT NULL"),
    )
    op.create_index(
        "uq_contact_preference_customer",
        "contact_preference",
        ["customer_id", "medium"],
        unique=True,
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_table(
        "push_token",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("token_mac", sa.String(length=64), nullable=False),
        sa.Column("token_sealed", sa.String(length=400), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.String(length=80), nullable=True),
        sa.CheckConstraint("(customer_id IS NULL) <> (staff_id IS NULL)", name=op.f("ck_push_token_of_one_person")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_push_token_customer_id_customer")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_push_token_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_token")),
        sa.UniqueConstraint("token_mac", name=op.f("uq_push_token_token_mac")),
    )
    op.create_index(op.f("ix_push_token_customer_id"), "push_token", ["customer_id"], unique=False)
    op.create_index(op.f("ix_push_token_staff_id"), "push_token", ["staff_id"], unique=False)
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=120), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column(
            "medium",
            sa.Enum("sms", "email", "push", "bell", name="medium", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "urgency",
            sa.Enum("one_time", "urgent", "normal", "news", name="urgency", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("address_sealed", sa.String(length=600), nullable=True),
        sa.Column("push_token_id", sa.BigInteger(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("ticket_message_id", sa.BigInteger(), nullable=True),
        sa.Column("template_id", sa.BigInteger(), nullable=True),
        sa.Column("subject_sealed", sa.String(length=1200), nullable=True),
        sa.Column("body_sealed", sa.Text(), nullable=False),
        sa.Column("headers_sealed", sa.Text(), nullable=True),
        sa.Column("link", sa.String(length=200), nullable=True),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sending",
                "sent",
                "delivered",
                "unknown",
                "failed",
                "suppressed",
                name="notificationstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("provider_id", sa.String(length=120), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "customer_id IS NOT NULL OR staff_id IS NOT NULL OR address_sealed IS NOT NULL", name=op.f("ck_notification_has_a_recipient")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_notification_customer_id_customer")),
        sa.ForeignKeyConstraint(["push_token_id"], ["push_token.id"], name=op.f("fk_notification_push_token_id_push_token")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_notification_staff_id_staff")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["notification_template.id"], name=op.f("fk_notification_template_id_notification_template")
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_notification_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notification_dedupe_key")),
    )
    op.create_index("ix_notification_bell", "notification", ["staff_id", "id"], unique=False, postgresql_where=sa.text("medium = 'bell'"))
    op.create_index("ix_notification_created_at", "notification", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_notification_customer_id"), "notification", ["customer_id"], unique=False)
    op.create_index(
        "ix_notification_due", "notification", ["next_attempt_at"], unique=False, postgresql_where=sa.text("next_attempt_at IS NOT NULL")
    )
    op.create_index(
        "ix_notification_given_up",
        "notification",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'unknown') AND dismissed_at IS NULL"),
    )
    op.create_index(
        "ix_notification_handed_at",
        "notification",
        ["handed_at"],
        unique=False,
        postgresql_where=sa.text("medium = 'sms' AND handed_at IS NOT NULL"),
    )
    op.create_index("ix_notification_state", "notification", ["state", "created_at", "id"], unique=False)
    op.create_index(
        "ix_notification_ticket_id", "notification", ["ticket_id", "id"], unique=False, postgresql_where=sa.text("ticket_id IS NOT NULL")
    )
    op.create_index(
        "ix_notification_unread",
        "notification",
        ["staff_id", "id"],
        unique=False,
        postgresql_where=sa.text("medium = 'bell' AND read_at IS NULL"),
    )
    op.create_index(
        "ix_notification_provider_id",
        "notification",
        ["provider", "provider_id"],
        unique=False,
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )
    op.execute(_MOVE)
    op.execute(_COUNT_ON.format(table="notification"))
    op.drop_table("sms_message")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
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
    op.execute(_MOVE_BACK)
    op.execute(_COUNT_ON.format(table="sms_message"))
    op.drop_index("ix_notification_provider_id", table_name="notification", postgresql_where=sa.text("provider_id IS NOT NULL"))
    op.drop_index("ix_notification_unread", table_name="notification", postgresql_where=sa.text("medium = 'bell' AND read_at IS NULL"))
    op.drop_index("ix_notification_ticket_id", table_name="notification", postgresql_where=sa.text("ticket_id IS NOT NULL"))
    op.drop_index("ix_notification_state", table_name="notification")
    op.drop_index(
        "ix_notification_handed_at", table_name="notification", postgresql_where=sa.text("medium = 'sms' AND handed_at IS NOT NULL")
    )
    op.drop_index(
        "ix_notification_given_up",
        table_name="notification",
        postgresql_where=sa.text("state IN ('failed', 'unknown') AND dismissed_at IS NULL"),
    )
    op.drop_index("ix_notification_due", table_name="notification", postgresql_where=sa.text("next_attempt_at IS NOT NULL"))
    op.drop_index(op.f("ix_notification_customer_id"), table_name="notification")
    op.drop_index("ix_notification_created_at", table_name="notification")
    op.drop_index("ix_notification_bell", table_name="notification", postgresql_where=sa.text("medium = 'bell'"))
    op.drop_table("notification")
    op.drop_index(op.f("ix_push_token_staff_id"), table_name="push_token")
    op.drop_index(op.f("ix_push_token_customer_id"), table_name="push_token")
    op.drop_table("push_token")
    op.drop_index("uq_contact_preference_customer", table_name="contact_preference", postgresql_where=sa.text("customer_id IS NOT NULL"))
    op.drop_index("uq_contact_preference_address", table_name="contact_preference", postgresql_where=sa.text("address_mac IS NOT NULL"))
    op.drop_table("contact_preference")
    op.drop_index("uq_notification_template_active", table_name="notification_template", postgresql_where=sa.text("is_active"))
    op.drop_table("notification_template")
    op.drop_index("ix_delivery_report_waiting", table_name="delivery_report", postgresql_where=sa.text("outcome = 'waiting'"))
    op.drop_table("delivery_report")
