"""the help desk: what comes in, how it finds people, what they do with it, how it ends"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CHANNELS_BEFORE = "'portal', 'incident'"
_CHANNELS = "'portal', 'mobile', 'email', 'sms', 'phone', 'api', 'incident'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "inbound_count",
        sa.Column(
            "source", sa.Enum("imap", "sms", name="inboundsource", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("theirs", sa.Integer(), nullable=False),
        sa.Column("ours", sa.Integer(), nullable=False),
        sa.Column("last_key", sa.String(length=200), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("source", "place", name=op.f("pk_inbound_count")),
    )
    op.create_table(
        "triage_model",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(length=60), nullable=False),
        sa.Column("file", sa.String(length=200), nullable=True),
        sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("is_in_use", sa.Boolean(), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triage_model")),
        sa.UniqueConstraint("version", name=op.f("uq_triage_model_version")),
    )
    op.create_index("uq_triage_model_in_use", "triage_model", ["is_in_use"], unique=True, postgresql_where=sa.text("is_in_use"))
    op.create_table(
        "correspondent",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("address_mac", sa.String(length=64), nullable=False),
        sa.Column("address_sealed", sa.String(length=600), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_wrote_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_correspondent_customer_id_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correspondent")),
        sa.UniqueConstraint("address_mac", name=op.f("uq_correspondent_address_mac")),
    )
    op.create_index(op.f("ix_correspondent_customer_id"), "correspondent", ["customer_id"], unique=False)
    op.create_table(
        "draft",
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_draft_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", "place", name=op.f("pk_draft")),
    )
    op.create_table(
        "macro",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("text", sa.String(length=4000), nullable=False),
        sa.Column("is_note", sa.Boolean(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("change_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_macro_owner_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_macro")),
        sa.UniqueConstraint("name", name=op.f("uq_macro_name")),
    )
    op.create_index(op.f("ix_macro_owner_id"), "macro", ["owner_id"], unique=False)
    op.create_table(
        "routing_rule",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("skill", sa.String(length=40), nullable=True),
        sa.Column(
            "set_priority",
            sa.Enum("low", "normal", "high", "urgent", name="set_priority", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_routing_rule_team_id_team")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_rule")),
        sa.UniqueConstraint("position", name=op.f("uq_routing_rule_position")),
    )
    op.create_index(op.f("ix_routing_rule_team_id"), "routing_rule", ["team_id"], unique=False)
    op.create_table(
        "saved_view",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_saved_view_owner_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("page", "owner_id", "name", name=op.f("uq_saved_view_page_owner_id_name")),
    )
    op.create_index(op.f("ix_saved_view_owner_id"), "saved_view", ["owner_id"], unique=False)
    op.create_table(
        "inbound_message",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column(
            "source", sa.Enum("imap", "sms", name="inboundsource", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("source_key", sa.String(length=200), nullable=False),
        sa.Column("sender_sealed", sa.String(length=600), nullable=True),
        sa.Column("sender_mac", sa.String(length=64), nullable=True),
        sa.Column("mail_id", sa.String(length=250), nullable=True),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("raw_sealed", sa.Text(), nullable=True),
        sa.Column("raw_file", sa.String(length=200), nullable=True),
        sa.Column("raw_bytes", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "stored", "taken", "ignored", "held", "discarded", name="inboundstate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("handled_by", sa.String(length=254), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_inbound_message_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_message")),
        sa.UniqueConstraint("source", "source_key", name=op.f("uq_inbound_message_source_source_key")),
    )
    op.create_index(
        "ix_inbound_message_held", "inbound_message", ["received_at", "id"], unique=False, postgresql_where=sa.text("state = 'held'")
    )
    op.create_index(
        "ix_inbound_message_mail_id", "inbound_message", ["mail_id"], unique=False, postgresql_where=sa.text("mail_id IS NOT NULL")
    )
    op.create_index("ix_inbound_message_received_at", "inbound_message", ["source", "received_at"], unique=False)
    op.create_index(
        "ix_inbound_message_sender_mac",
        "inbound_message",
        ["sender_mac", "received_at"],
        unique=False,
        postgresql_where=sa.text("sender_mac IS NOT NULL"),
    )
    op.create_index(op.f("ix_inbound_message_ticket_id"), "inbound_message", ["ticket_id"], unique=False)
    op.create_index("ix_inbound_message_waiting", "inbound_message", ["id"], unique=False, postgresql_where=sa.text("state = 'stored'"))
    op.create_table(
        "ticket_link",
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("second_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("first_id < second_id", name=op.f("ck_ticket_link_ordered_pair")),
        sa.ForeignKeyConstraint(["first_id"], ["ticket.id"], name=op.f("fk_ticket_link_first_id_ticket")),
        sa.ForeignKeyConstraint(["second_id"], ["ticket.id"], name=op.f("fk_ticket_link_second_id_ticket")),
        sa.PrimaryKeyConstraint("first_id", "second_id", name=op.f("pk_ticket_link")),
    )
    op.create_index(op.f("ix_ticket_link_second_id"), "ticket_link", ["second_id"], unique=False)
    op.create_table(
        "ticket_operation",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("merge", "split", "bulk", name="operationkind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_ticket_operation_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_operation_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_operation")),
    )
    op.create_index("ix_ticket_operation_ticket_id", "ticket_operation", ["ticket_id", "id"], unique=False)
    op.create_table(
        "ticket_rating",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.String(length=1000), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 5", name=op.f("ck_ticket_rating_score_on_scale")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_rating_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_rating")),
    )
    op.create_index("ix_ticket_rating_at", "ticket_rating", ["at"], unique=False)
    op.create_table(
        "ticket_tag",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_tag_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", "tag", name=op.f("pk_ticket_tag")),
    )
    op.create_index("ix_ticket_tag_tag", "ticket_tag", ["tag", "ticket_id"], unique=False)
    op.create_table(
        "ticket_watcher",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_ticket_watcher_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_watcher_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", "staff_id", name=op.f("pk_ticket_watcher")),
    )
    op.create_index(op.f("ix_ticket_watcher_staff_id"), "ticket_watcher", ["staff_id"], unique=False)
    op.create_table(
        "attachment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=200), nullable=True),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["ticket_message.id"], name=op.f("fk_attachment_message_id_ticket_message")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_attachment_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index("ix_attachment_message_id", "attachment", ["message_id", "id"], unique=False)
    op.create_index("ix_attachment_sha256", "attachment", ["sha256"], unique=False)
    op.create_index(op.f("ix_attachment_ticket_id"), "attachment", ["ticket_id"], unique=False)
    op.add_column("team", sa.Column("is_field", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("team_member", sa.Column("languages", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False))
    op.add_column("team_member", sa.Column("zone_latitude", sa.Float(), nullable=True))
    op.add_column("team_member", sa.Column("zone_longitude", sa.Float(), nullable=True))
    op.add_column("team_member", sa.Column("capacity", sa.Integer(), server_default="20", nullable=False))
    op.add_column("team_member", sa.Column("last_given_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("correspondent_id", sa.BigInteger(), nullable=True))
    op.add_column("ticket", sa.Column("language", sa.String(length=8), nullable=True))
    op.add_column("ticket", sa.Column("close_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("merged_into_id", sa.BigInteger(), nullable=True))
    op.create_index("ix_ticket_close_at", "ticket", ["close_at"], unique=False, postgresql_where=sa.text("close_at IS NOT NULL"))
    op.create_index(
        "ix_ticket_correspondent_id",
        "ticket",
        ["correspondent_id", "id"],
        unique=False,
        postgresql_where=sa.text("correspondent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ticket_merged_into_id", "ticket", ["merged_into_id"], unique=False, postgresql_where=sa.text("merged_into_id IS NOT NULL")
    )
    op.create_foreign_key(op.f("fk_ticket_merged_into_id_ticket"), "ticket", "ticket", ["merged_into_id"], ["id"])
    op.create_foreign_key(op.f("fk_ticket_correspondent_id_correspondent"), "ticket", "correspondent", ["correspondent_id"], ["id"])
    op.add_column("ticket_message", sa.Column("said_in_id", sa.BigInteger(), nullable=True))
    op.add_column("ticket_message", sa.Column("inbound_id", sa.BigInteger(), nullable=True))
    op.add_column("ticket_message", sa.Column("mail_id", sa.String(length=250), nullable=True))
    op.create_index(op.f("ix_ticket_message_inbound_id"), "ticket_message", ["inbound_id"], unique=False)
    op.create_index(
        "ix_ticket_message_mail_id", "ticket_message", ["mail_id"], unique=False, postgresql_where=sa.text("mail_id IS NOT NULL")
    )
    op.create_foreign_key(op.f("fk_ticket_message_inbound_id_inbound_message"), "ticket_message", "inbound_message", ["inbound_id"], ["id"])
    op.create_foreign_key(op.f("fk_ticket_message_said_in_id_ticket"), "ticket_message", "ticket", ["said_in_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_ticket_merged_is_closed"), "ticket", "merged_into_id IS NULL OR (merged_into_id <> id AND state = 'closed')"
    )
    op.create_check_constraint(op.f("ck_team_member_sane_capacity"), "team_member", "capacity BETWEEN 1 AND 200")
    op.create_check_constraint(op.f("ck_team_member_zone_is_whole"), "team_member", "(zone_latitude IS NULL) = (zone_longitude IS NULL)")
    for table in ("ticket", "ticket_message"):
        op.drop_constraint(op.f(f"ck_{table}_channel"), table)
        op.create_check_constraint(op.f(f"ck_{table}_channel"), table, f"channel IN ({_CHANNELS})")


def downgrade() -> None:
    for table in ("ticket", "ticket_message"):
        op.drop_constraint(op.f(f"ck_{table}_channel"), table)
        # The earlier release knows two ways in; what came by another is shown as from the portal.
        op.execute(f"UPDATE {table} SET channel = 'portal' WHERE channel NOT IN ({_CHANNELS_BEFORE})")  # noqa: S608 - of constants
        op.create_check_constraint(op.f(f"ck_{table}_channel"), table, f"channel IN ({_CHANNELS_BEFORE})")
    op.drop_constraint(op.f("ck_team_member_zone_is_whole"), "team_member")
    op.drop_constraint(op.f("ck_team_member_sane_capacity"), "team_member")
    op.drop_constraint(op.f("ck_ticket_merged_is_closed"), "ticket")
    op.drop_constraint(op.f("fk_ticket_message_said_in_id_ticket"), "ticket_message", type_="foreignkey")
    op.drop_constraint(op.f("fk_ticket_message_inbound_id_inbound_message"), "ticket_message", type_="foreignkey")
    op.drop_index("ix_ticket_message_mail_id", table_name="ticket_message", postgresql_where=sa.text("mail_id IS NOT NULL"))
    op.drop_index(op.f("ix_ticket_message_inbound_id"), table_name="ticket_message")
    op.drop_column("ticket_message", "mail_id")
    op.drop_column("ticket_message", "inbound_id")
    op.drop_column("ticket_message", "said_in_id")
    op.drop_constraint(op.f("fk_ticket_correspondent_id_correspondent"), "ticket", type_="foreignkey")
    op.drop_constraint(op.f("fk_ticket_merged_into_id_ticket"), "ticket", type_="foreignkey")
    op.drop_index("ix_ticket_merged_into_id", table_name="ticket", postgresql_where=sa.text("merged_into_id IS NOT NULL"))
    op.drop_index("ix_ticket_correspondent_id", table_name="ticket", postgresql_where=sa.text("correspondent_id IS NOT NULL"))
    op.drop_index("ix_ticket_close_at", table_name="ticket", postgresql_where=sa.text("close_at IS NOT NULL"))
    op.drop_column("ticket", "merged_into_id")
    op.drop_column("ticket", "close_at")
    op.drop_column("ticket", "language")
    op.drop_column("ticket", "correspondent_id")
    op.drop_column("team_member", "last_given_at")
    op.drop_column("team_member", "capacity")
    op.drop_column("team_member", "zone_longitude")
    op.drop_column("team_member", "zone_latitude")
    op.drop_column("team_member", "languages")
    op.drop_column("team", "is_field")
    op.drop_index(op.f("ix_attachment_ticket_id"), table_name="attachment")
    op.drop_index("ix_attachment_sha256", table_name="attachment")
    op.drop_index("ix_attachment_message_id", table_name="attachment")
    op.drop_table("attachment")
    op.drop_index(op.f("ix_ticket_watcher_staff_id"), table_name="ticket_watcher")
    op.drop_table("ticket_watcher")
    op.drop_index("ix_ticket_tag_tag", table_name="ticket_tag")
    op.drop_table("ticket_tag")
    op.drop_index("ix_ticket_rating_at", table_name="ticket_rating")
    op.drop_table("ticket_rating")
    op.drop_index("ix_ticket_operation_ticket_id", table_name="ticket_operation")
    op.drop_table("ticket_operation")
    op.drop_index(op.f("ix_ticket_link_second_id"), table_name="ticket_link")
    op.drop_table("ticket_link")
    op.drop_index("ix_inbound_message_waiting", table_name="inbound_message", postgresql_where=sa.text("state = 'stored'"))
    op.drop_index(op.f("ix_inbound_message_ticket_id"), table_name="inbound_message")
    op.drop_index("ix_inbound_message_sender_mac", table_name="inbound_message", postgresql_where=sa.text("sender_mac IS NOT NULL"))
    op.drop_index("ix_inbound_message_received_at", table_name="inbound_message")
    op.drop_index("ix_inbound_message_mail_id", table_name="inbound_message", postgresql_where=sa.text("mail_id IS NOT NULL"))
    op.drop_index("ix_inbound_message_held", table_name="inbound_message", postgresql_where=sa.text("state = 'held'"))
    op.drop_table("inbound_message")
    op.drop_index(op.f("ix_saved_view_owner_id"), table_name="saved_view")
    op.drop_table("saved_view")
    op.drop_index(op.f("ix_routing_rule_team_id"), table_name="routing_rule")
    op.drop_table("routing_rule")
    op.drop_index(op.f("ix_macro_owner_id"), table_name="macro")
    op.drop_table("macro")
    op.drop_table("draft")
    op.drop_index(op.f("ix_correspondent_customer_id"), table_name="correspondent")
    op.drop_table("correspondent")
    op.drop_index("uq_triage_model_in_use", table_name="triage_model", postgresql_where=sa.text("is_in_use"))
    op.drop_table("triage_model")
    op.drop_table("inbound_count")
