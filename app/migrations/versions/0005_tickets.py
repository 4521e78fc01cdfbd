"""tickets have a conversation, a history and clocks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent")  # a trusted one
    op.create_table(
        "business_calendar",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("timezone", sa.String(length=60), nullable=False),
        sa.Column("spans", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("holidays_of", sa.String(length=2), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_business_calendar")),
        sa.UniqueConstraint("name", name=op.f("uq_business_calendar_name")),
    )
    op.create_table(
        "sla_policy",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_policy")),
        sa.UniqueConstraint("name", name=op.f("uq_sla_policy_name")),
        sa.UniqueConstraint("position", name=op.f("uq_sla_policy_position")),
    )
    op.create_table(
        "team",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
        sa.UniqueConstraint("name", name=op.f("uq_team_name")),
    )
    op.create_table(
        "team_member",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("skills", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_on_duty", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_team_member_staff_id_staff")),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_team_member_team_id_team")),
        sa.PrimaryKeyConstraint("team_id", "staff_id", name=op.f("pk_team_member")),
    )
    op.create_index(op.f("ix_team_member_staff_id"), "team_member", ["staff_id"], unique=False)
    op.create_table(
        "calendar_day",
        sa.Column("calendar_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["calendar_id"], ["business_calendar.id"], name=op.f("fk_calendar_day_calendar_id_business_calendar")),
        sa.PrimaryKeyConstraint("calendar_id", "day", name=op.f("pk_calendar_day")),
    )
    op.create_table(
        "sla_policy_version",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("policy_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("calendar", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("first_response_seconds", sa.Integer(), nullable=True),
        sa.Column("next_response_seconds", sa.Integer(), nullable=True),
        sa.Column("resolution_seconds", sa.Integer(), nullable=True),
        sa.Column("pauses", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["policy_id"], ["sla_policy.id"], name=op.f("fk_sla_policy_version_policy_id_sla_policy")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_policy_version")),
        sa.UniqueConstraint("policy_id", "version", name=op.f("uq_sla_policy_version_policy_id_version")),
    )
    op.create_table(
        "sla_step",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "clock",
            sa.Enum("first_response", "next_response", "resolution", name="slaclock", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_to", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_sla_step_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_step")),
        sa.UniqueConstraint("ticket_id", "clock", "round", "step", name=op.f("uq_sla_step_ticket_id_clock_round_step")),
    )
    op.create_index("ix_sla_step_at", "sla_step", ["at"], unique=False)
    op.create_table(
        "ticket_event",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_event_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_event")),
    )
    op.create_index("ix_ticket_event_kind_at", "ticket_event", ["kind", "at"], unique=False)
    op.create_index("ix_ticket_event_ticket_id", "ticket_event", ["ticket_id", "id"], unique=False)
    op.create_table(
        "ticket_label",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "suggested",
            sa.Enum(
                "connectivity",
                "slow-speed",
                "payment",
                "voucher",
                "account-access",
                "coverage-installation",
                "device-setup",
                "complaint-staff",
                "general-question",
                name="suggested",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column(
            "category",
            sa.Enum(
                "connectivity",
                "slow-speed",
                "payment",
                "voucher",
                "account-access",
                "coverage-installation",
                "device-setup",
                "complaint-staff",
                "general-question",
                name="category",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_ticket_label_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_label_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_label")),
    )
    op.create_index("ix_ticket_label_at", "ticket_label", ["at"], unique=False)
    op.create_table(
        "ticket_message",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("customer", "reply", "note", "system", name="messagekind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "channel", sa.Enum("portal", "incident", name="channel", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_ticket_message_staff_id_staff")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_message_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_message")),
    )
    op.create_index("ix_ticket_message_ticket_id", "ticket_message", ["ticket_id", "created_at", "id"], unique=False)
    op.create_table(
        "ticket_search",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_search_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_search")),
    )
    op.create_index(
        "ix_ticket_search_names", "ticket_search", ["names"], unique=False, postgresql_using="gin", postgresql_ops={"names": "gin_trgm_ops"}
    )
    op.create_index("ix_ticket_search_words", "ticket_search", ["words"], unique=False, postgresql_using="gin")
    op.add_column("ticket", sa.Column("subject", sa.String(length=200), server_default="", nullable=False))
    op.add_column("ticket", sa.Column("site_id", sa.BigInteger(), nullable=True))
    op.add_column("ticket", sa.Column("team_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_ticket_team_id_team"), "ticket", "team", ["team_id"], ["id"])
    op.add_column("ticket", sa.Column("access_point_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "ticket",
        sa.Column(
            "hold_reason",
            sa.Enum(
                "part", "third_party", "site_access", "outage", name="holdreason", native_enum=False, create_constraint=True, length=32
            ),
            nullable=True,
        ),
    )
    op.add_column(
        "ticket",
        sa.Column(
            "priority",
            sa.Enum("low", "normal", "high", "urgent", name="priority", native_enum=False, create_constraint=True, length=32),
            server_default="normal",
            nullable=False,
        ),
    )
    op.add_column(
        "ticket",
        sa.Column(
            "category",
            sa.Enum(
                "connectivity",
                "slow-speed",
                "payment",
                "voucher",
                "account-access",
                "coverage-installation",
                "device-setup",
                "complaint-staff",
                "general-question",
                name="category",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
    )
    op.add_column("ticket", sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False))
    op.add_column("ticket", sa.Column("last_customer_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("last_reply_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("reopened_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("ticket", sa.Column("sla_policy_version_id", sa.BigInteger(), nullable=True))
    op.add_column("ticket", sa.Column("first_response_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("first_responded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("next_response_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("resolution_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("sla_next_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("breached_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("change_number", sa.Integer(), server_default="0", nullable=False))
    op.alter_column("ticket", "channel", existing_type=sa.String(length=16), type_=sa.String(length=32), existing_nullable=False)
    op.create_check_constraint(op.f("ck_ticket_channel"), "ticket", "channel IN ('portal', 'incident')")
    op.drop_constraint(op.f("ck_ticket_ticketstate"), "ticket", type_="check")
    op.create_check_constraint(
        op.f("ck_ticket_ticketstate"), "ticket", "state IN ('new', 'open', 'pending', 'on_hold', 'resolved', 'closed')"
    )
    op.create_check_constraint(op.f("ck_ticket_held_for_a_reason"), "ticket", "(hold_reason IS NOT NULL) = (state = 'on_hold')")
    op.drop_index(op.f("ix_ticket_open"), table_name="ticket", postgresql_where=sa.text("state <> 'closed'"))
    op.create_index(op.f("ix_ticket_access_point_id"), "ticket", ["access_point_id"], unique=False)
    op.create_index(op.f("ix_ticket_site_id"), "ticket", ["site_id"], unique=False)
    op.create_index("ix_ticket_sla_next_at", "ticket", ["sla_next_at"], unique=False, postgresql_where=sa.text("sla_next_at IS NOT NULL"))
    op.create_index(
        "ix_ticket_undone",
        "ticket",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"),
    )
    op.create_index(
        "ix_ticket_undone_assignee",
        "ticket",
        ["assignee_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"),
    )
    op.create_index(
        "ix_ticket_undone_team",
        "ticket",
        ["team_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"),
    )
    op.create_index(
        "ix_ticket_undone_due",
        "ticket",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"),
    )
    op.create_index("ix_ticket_updated_at", "ticket", ["updated_at", "id"], unique=False)
    op.create_foreign_key(op.f("fk_ticket_access_point_id_access_point"), "ticket", "access_point", ["access_point_id"], ["id"])
    op.create_foreign_key(op.f("fk_ticket_site_id_site"), "ticket", "site", ["site_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_ticket_sla_policy_version_id_sla_policy_version"), "ticket", "sla_policy_version", ["sla_policy_version_id"], ["id"]
    )

    _tell_what_was()
    op.execute(
        "CREATE TRIGGER ticket_event_append_only BEFORE UPDATE OR DELETE ON ticket_event FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def _tell_what_was() -> None:
    """Tickets from before have their report as the first message, and their beginning as the history; their text is found."""
    op.execute("UPDATE ticket SET updated_at = created_at, last_customer_at = created_at")
    op.execute("""
        INSERT INTO ticket_event (ticket_id, at, actor, kind, data)
        SELECT id, created_at, 'migration', 'created',
               jsonb_build_object('channel', channel, 'priority', 'normal', 'category', NULL, 'customer_id', customer_id)
        FROM ticket
    """)
    op.execute("""
        INSERT INTO ticket_message (ticket_id, kind, channel, author, body, created_at)
        SELECT id, CASE channel WHEN 'incident' THEN 'system' ELSE 'customer' END, channel, 'customer', body, created_at FROM ticket
    """)
    op.execute("""
        INSERT INTO ticket_search (ticket_id, words, names)
        SELECT id, to_tsvector('simple', unaccent(body)), lower(concat_ws(' ', reference, client_mac, replace(client_mac, ':', '')))
        FROM ticket
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE ticket SET state = 'closed' WHERE state = 'resolved'")
    op.execute("UPDATE ticket SET state = 'new' WHERE state IN ('open', 'pending', 'on_hold')")
    op.drop_constraint(op.f("ck_ticket_held_for_a_reason"), "ticket", type_="check")
    op.drop_constraint(op.f("ck_ticket_ticketstate"), "ticket", type_="check")
    op.create_check_constraint(op.f("ck_ticket_ticketstate"), "ticket", "state IN ('new', 'closed')")
    op.drop_constraint(op.f("ck_ticket_channel"), "ticket", type_="check")
    op.drop_constraint(op.f("fk_ticket_sla_policy_version_id_sla_policy_version"), "ticket", type_="foreignkey")
    op.drop_constraint(op.f("fk_ticket_site_id_site"), "ticket", type_="foreignkey")
    op.drop_constraint(op.f("fk_ticket_access_point_id_access_point"), "ticket", type_="foreignkey")
    op.drop_index("ix_ticket_updated_at", table_name="ticket")
    op.drop_index("ix_ticket_undone_team", table_name="ticket", postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"))
    op.drop_index("ix_ticket_undone_due", table_name="ticket", postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"))
    op.drop_index(
        "ix_ticket_undone_assignee", table_name="ticket", postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')")
    )
    op.drop_index("ix_ticket_undone", table_name="ticket", postgresql_where=sa.text("state IN ('new', 'open', 'pending', 'on_hold')"))
    op.drop_index("ix_ticket_sla_next_at", table_name="ticket", postgresql_where=sa.text("sla_next_at IS NOT NULL"))
    op.drop_index(op.f("ix_ticket_site_id"), table_name="ticket")
    op.drop_index(op.f("ix_ticket_access_point_id"), table_name="ticket")
    op.create_index(
        op.f("ix_ticket_open"),
        "ticket",
        ["assignee_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.alter_column("ticket", "channel", existing_type=sa.String(length=32), type_=sa.String(length=16), existing_nullable=False)
    op.drop_column("ticket", "change_number")
    op.drop_column("ticket", "breached_at")
    op.drop_column("ticket", "sla_next_at")
    op.drop_column("ticket", "due_at")
    op.drop_column("ticket", "resolution_due_at")
    op.drop_column("ticket", "next_response_due_at")
    op.drop_column("ticket", "first_responded_at")
    op.drop_column("ticket", "first_response_due_at")
    op.drop_column("ticket", "sla_policy_version_id")
    op.drop_column("ticket", "reopened_count")
    op.drop_column("ticket", "closed_at")
    op.drop_column("ticket", "resolved_at")
    op.drop_column("ticket", "last_reply_at")
    op.drop_column("ticket", "last_customer_at")
    op.drop_column("ticket", "updated_at")
    op.drop_column("ticket", "category")
    op.drop_column("ticket", "priority")
    op.drop_column("ticket", "hold_reason")
    op.drop_column("ticket", "access_point_id")
    op.drop_constraint(op.f("fk_ticket_team_id_team"), "ticket", type_="foreignkey")
    op.drop_column("ticket", "team_id")
    op.drop_column("ticket", "site_id")
    op.drop_column("ticket", "subject")
    op.drop_index("ix_ticket_search_words", table_name="ticket_search", postgresql_using="gin")
    op.drop_index("ix_ticket_search_names", table_name="ticket_search", postgresql_using="gin", postgresql_ops={"names": "gin_trgm_ops"})
    op.drop_table("ticket_search")
    op.drop_index("ix_ticket_message_ticket_id", table_name="ticket_message")
    op.drop_table("ticket_message")
    op.drop_index("ix_ticket_label_at", table_name="ticket_label")
    op.drop_table("ticket_label")
    op.drop_index("ix_ticket_event_ticket_id", table_name="ticket_event")
    op.drop_index("ix_ticket_event_kind_at", table_name="ticket_event")
    op.drop_table("ticket_event")
    op.drop_index("ix_sla_step_at", table_name="sla_step")
    op.drop_table("sla_step")
    op.drop_table("sla_policy_version")
    op.drop_table("calendar_day")
    op.drop_index(op.f("ix_team_member_staff_id"), table_name="team_member")
    op.drop_table("team_member")
    op.drop_table("team")
    op.drop_table("sla_policy")
    op.drop_table("business_calendar")
    op.execute("DROP EXTENSION IF EXISTS unaccent")
