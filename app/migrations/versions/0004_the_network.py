"""the network"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")  # trusted ones: the database's owner may
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "compensation_rule",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minimum_seconds", sa.Integer(), nullable=False),
        sa.Column("cap_seconds", sa.Integer(), nullable=False),
        sa.Column("any_access_point", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint("cap_seconds > 0", name=op.f("ck_compensation_rule_cap_positive")),
        sa.CheckConstraint("minimum_seconds >= 0", name=op.f("ck_compensation_rule_minimum_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compensation_rule")),
        sa.UniqueConstraint("valid_from", name=op.f("uq_compensation_rule_valid_from")),
    )
    op.create_table(
        "discovery_run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "done",
                "not_configured",
                "unreachable",
                "refused",
                "malformed",
                "incomplete",
                "sudden_loss",
                name="checkoutcome",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("vanished", sa.Integer(), nullable=False),
        sa.Column("returned", sa.Integer(), nullable=False),
        sa.Column("examples", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discovery_run")),
    )
    op.create_index("ix_discovery_run_started_at", "discovery_run", ["started_at", "id"], unique=False)
    op.create_table(
        "network_alarm",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "openwisp_unreachable",
                "openwisp_refused",
                "sudden_loss",
                "access_point_vanished",
                "gateway_silent",
                "two_pollers",
                "monitoring_absent",
                name="alarmkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_alarm")),
    )
    op.create_index("ix_network_alarm_started_at", "network_alarm", ["started_at", "id"], unique=False)
    op.create_index(
        "uq_network_alarm_open", "network_alarm", ["kind", "subject"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "network_check",
        sa.Column(
            "kind", sa.Enum("discovery", "health", name="checkkind", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "done",
                "not_configured",
                "unreachable",
                "refused",
                "malformed",
                "incomplete",
                "sudden_loss",
                name="checkoutcome",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures_in_a_row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_network_check")),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "resolved", "false_alarm", name="incidentstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=4000), nullable=True),
        sa.CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name=op.f("ck_incident_resolved_means_resolved_at")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_incident_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sa.UniqueConstraint("reference", name=op.f("uq_incident_reference")),
    )
    op.create_index("ix_incident_site_id_resolved_at", "incident", ["site_id", "resolved_at"], unique=False)
    op.create_index(
        "ix_incident_to_tell",
        "incident",
        ["resolved_at"],
        unique=False,
        postgresql_where=sa.text("state = 'resolved' AND told_at IS NULL"),
    )
    op.create_index("ix_incident_started_at", "incident", ["started_at", "id"], unique=False)
    op.create_index(
        "uq_incident_open_site", "incident", ["site_id"], unique=True, postgresql_where=sa.text("state = 'open' AND site_id IS NOT NULL")
    )
    op.create_table(
        "access_point",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("organization", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("firmware", sa.String(length=120), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "site_set_by",
            sa.Enum("discovery", "staff", name="site_set_by", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("gateway_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "gateway_set_by",
            sa.Enum("discovery", "staff", name="gateway_set_by", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("discovered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("vanished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "reported",
            sa.Enum(
                "online", "degraded", "offline", "unknown", "retired", name="reported", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_online_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "health",
            sa.Enum(
                "online", "degraded", "offline", "unknown", "retired", name="health", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("health_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "candidate",
            sa.Enum(
                "online",
                "degraded",
                "offline",
                "unknown",
                "retired",
                name="candidate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("candidate_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(candidate IS NULL) = (candidate_since IS NULL)", name=op.f("ck_access_point_candidate_since")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_access_point_gateway_id_gateway")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_access_point_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_point")),
        sa.UniqueConstraint("external_id", name=op.f("uq_access_point_external_id")),
    )
    op.create_index("ix_access_point_candidate", "access_point", ["id"], unique=False, postgresql_where=sa.text("candidate IS NOT NULL"))
    op.create_index(op.f("ix_access_point_gateway_id"), "access_point", ["gateway_id"], unique=False)
    op.create_index("ix_access_point_health", "access_point", ["health", "name", "id"], unique=False)
    op.create_index("ix_access_point_mac", "access_point", ["mac"], unique=False)
    op.create_index(
        "ix_access_point_name_part", "access_point", ["name"], unique=False, postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}
    )
    op.create_index(
        "ix_access_point_vanished_at", "access_point", ["vanished_at"], unique=False, postgresql_where=sa.text("vanished_at IS NOT NULL")
    )
    op.create_index("ix_access_point_name", "access_point", ["name", "id"], unique=False)
    op.create_index(
        "ix_access_point_not_online",
        "access_point",
        ["id"],
        unique=False,
        postgresql_where=sa.text("reported <> 'online' AND vanished_at IS NULL"),
    )
    op.create_index(op.f("ix_access_point_site_id"), "access_point", ["site_id"], unique=False)
    op.create_table(
        "incident_notice",
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_incident_notice_customer_id_customer")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_notice_incident_id_incident")),
        sa.PrimaryKeyConstraint("incident_id", "customer_id", name=op.f("pk_incident_notice")),
    )
    op.create_table(
        "health_change",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("access_point_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "before",
            sa.Enum(
                "online", "degraded", "offline", "unknown", "retired", name="before", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column(
            "after",
            sa.Enum(
                "online", "degraded", "offline", "unknown", "retired", name="after", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["access_point_id"], ["access_point.id"], name=op.f("fk_health_change_access_point_id_access_point")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_change")),
    )
    op.create_index("ix_health_change_access_point_id_at", "health_change", ["access_point_id", "at"], unique=False)
    op.create_index("ix_health_change_at", "health_change", ["at"], unique=False)
    op.create_table(
        "health_month",
        sa.Column("access_point_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("online_seconds", sa.Integer(), nullable=False),
        sa.Column("degraded_seconds", sa.Integer(), nullable=False),
        sa.Column("offline_seconds", sa.Integer(), nullable=False),
        sa.Column("unknown_seconds", sa.Integer(), nullable=False),
        sa.Column("retired_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("EXTRACT(day FROM month) = 1", name=op.f("ck_health_month_first_of_month")),
        sa.ForeignKeyConstraint(["access_point_id"], ["access_point.id"], name=op.f("fk_health_month_access_point_id_access_point")),
        sa.PrimaryKeyConstraint("access_point_id", "month", name=op.f("pk_health_month")),
    )
    op.create_table(
        "health_period",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("access_point_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "online", "degraded", "offline", "unknown", "retired", name="state", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ended_at IS NULL OR ended_at > started_at", name=op.f("ck_health_period_ends_after_start")),
        sa.ForeignKeyConstraint(["access_point_id"], ["access_point.id"], name=op.f("fk_health_period_access_point_id_access_point")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_period")),
    )
    op.create_index("ix_health_period_ended_at", "health_period", ["ended_at"], unique=False)
    op.create_index(
        "uq_health_period_open", "health_period", ["access_point_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("uq_health_period_started_at", "health_period", ["access_point_id", "started_at"], unique=True)
    op.create_table(
        "incident_member",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("access_point_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["access_point_id"], ["access_point.id"], name=op.f("fk_incident_member_access_point_id_access_point")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_member_incident_id_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_member")),
    )
    op.create_index("ix_incident_member_access_point_id", "incident_member", ["access_point_id", "started_at"], unique=False)
    op.create_index("ix_incident_member_incident_id", "incident_member", ["incident_id", "id"], unique=False)
    op.create_index(
        "uq_incident_member_down", "incident_member", ["access_point_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "compensation",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("entitlement_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("lost_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lost_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("worth_bututs", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("entitlement_id"), "="),
            (sa.text("tstzrange(lost_from, lost_until, '[)')"), "&&"),
            using="gist",
            name="ex_compensation_once",
        ),
        sa.CheckConstraint("lost_until > lost_from", name=op.f("ck_compensation_lost_something")),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_compensation_gives_something")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_compensation_customer_id_customer")),
        sa.ForeignKeyConstraint(["entitlement_id"], ["entitlement.id"], name=op.f("fk_compensation_entitlement_id_entitlement")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_compensation_incident_id_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compensation")),
    )
    op.create_index("ix_compensation_created_at", "compensation", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_compensation_customer_id"), "compensation", ["customer_id"], unique=False)
    op.create_index("ix_compensation_incident_id", "compensation", ["incident_id", "id"], unique=False)
    op.create_table(
        "outage_pause",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("entitlement_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("gateway_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_outage_pause_ends_after_start")),
        sa.ForeignKeyConstraint(["entitlement_id"], ["entitlement.id"], name=op.f("fk_outage_pause_entitlement_id_entitlement")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_outage_pause_gateway_id_gateway")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_outage_pause_incident_id_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage_pause")),
    )
    op.create_index(
        "ix_outage_pause_gateway_open", "outage_pause", ["gateway_id"], unique=False, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_outage_pause_incident_id", "outage_pause", ["incident_id", "id"], unique=False)
    op.create_index("uq_outage_pause_open", "outage_pause", ["entitlement_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "deauth_order",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("gateway_id", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_deauth_order_gateway_id_gateway")),
        sa.ForeignKeyConstraint(["grant_id"], ["access_grant.id"], name=op.f("fk_deauth_order_grant_id_access_grant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deauth_order")),
    )
    op.create_index("ix_deauth_order_gateway_id", "deauth_order", ["gateway_id", "id"], unique=False)
    op.create_index("uq_deauth_order_open", "deauth_order", ["gateway_id", "mac"], unique=True, postgresql_where=sa.text("done_at IS NULL"))
    op.create_index("ix_access_session_gateway_id_ended_at", "access_session", ["gateway_id", "ended_at"], unique=False)
    op.drop_index(op.f("ix_access_session_gateway_id"), table_name="access_session")
    op.add_column("access_session", sa.Column("live_bytes_down", sa.BigInteger(), nullable=True))
    op.add_column("access_session", sa.Column("live_bytes_up", sa.BigInteger(), nullable=True))
    op.add_column("access_session", sa.Column("live_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("entitlement", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket", sa.Column("incident_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_ticket_incident_id_incident"), "ticket", "incident", ["incident_id"], ["id"])
    op.create_index(op.f("ix_ticket_incident_id"), "ticket", ["incident_id"], unique=False)
    op.create_index("ix_ticket_gateway_id", "ticket", ["gateway_id", "created_at"], unique=False)
    op.add_column("gateway", sa.Column("mac", sa.String(length=17), nullable=True))
    op.add_column("gateway", sa.Column("poll_seconds", sa.Integer(), server_default="10", nullable=False))
    op.add_column("gateway", sa.Column("faskey_next_sealed", sa.String(length=255), nullable=True))
    op.add_column("gateway", sa.Column("faskey_next_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("gateway", sa.Column("faskey_rotated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("gateway", sa.Column("agent_key_sealed", sa.String(length=255), nullable=True))
    op.add_column("gateway", sa.Column("agent_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("gateway", sa.Column("agent_clients", sa.Integer(), nullable=True))
    op.add_column("gateway", sa.Column("agent_counter", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_gateway_mac"), "gateway", ["mac"], unique=False)
    op.add_column("site", sa.Column("external_id", sa.String(length=64), nullable=True))
    op.add_column("site", sa.Column("address", sa.String(length=200), nullable=True))
    op.add_column("site", sa.Column("latitude", sa.Float(), nullable=True))
    op.add_column("site", sa.Column("longitude", sa.Float(), nullable=True))
    op.create_unique_constraint(op.f("uq_site_external_id"), "site", ["external_id"])
    op.create_check_constraint(op.f("ck_site_whole_position"), "site", "(latitude IS NULL) = (longitude IS NULL)")
    op.create_check_constraint(op.f("ck_site_position_on_earth"), "site", "latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_site_position_on_earth"), "site", type_="check")
    op.drop_constraint(op.f("ck_site_whole_position"), "site", type_="check")
    op.drop_constraint(op.f("uq_site_external_id"), "site", type_="unique")
    op.drop_column("site", "longitude")
    op.drop_column("site", "latitude")
    op.drop_column("site", "address")
    op.drop_column("site", "external_id")
    op.drop_index(op.f("ix_gateway_mac"), table_name="gateway")
    op.drop_column("gateway", "agent_counter")
    op.drop_column("gateway", "agent_clients")
    op.drop_column("gateway", "agent_seen_at")
    op.drop_column("gateway", "agent_key_sealed")
    op.drop_column("gateway", "faskey_rotated_at")
    op.drop_column("gateway", "faskey_next_at")
    op.drop_column("gateway", "faskey_next_sealed")
    op.drop_column("gateway", "poll_seconds")
    op.drop_column("gateway", "mac")
    op.drop_index("ix_ticket_gateway_id", table_name="ticket")
    op.drop_index(op.f("ix_ticket_incident_id"), table_name="ticket")
    op.drop_constraint(op.f("fk_ticket_incident_id_incident"), "ticket", type_="foreignkey")
    op.drop_column("ticket", "incident_id")
    op.drop_column("entitlement", "paused_at")
    op.drop_column("access_session", "live_at")
    op.create_index(op.f("ix_access_session_gateway_id"), "access_session", ["gateway_id"], unique=False)
    op.drop_index("ix_access_session_gateway_id_ended_at", table_name="access_session")
    op.drop_column("access_session", "live_bytes_up")
    op.drop_column("access_session", "live_bytes_down")
    op.drop_index("uq_deauth_order_open", table_name="deauth_order", postgresql_where=sa.text("done_at IS NULL"))
    op.drop_index("ix_deauth_order_gateway_id", table_name="deauth_order")
    op.drop_table("deauth_order")
    op.drop_index("uq_outage_pause_open", table_name="outage_pause", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_outage_pause_incident_id", table_name="outage_pause")
    op.drop_index("ix_outage_pause_gateway_open", table_name="outage_pause", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("outage_pause")
    op.drop_index("ix_compensation_incident_id", table_name="compensation")
    op.drop_index(op.f("ix_compensation_customer_id"), table_name="compensation")
    op.drop_index("ix_compensation_created_at", table_name="compensation")
    op.drop_table("compensation")
    op.drop_index("uq_incident_member_down", table_name="incident_member", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_incident_member_incident_id", table_name="incident_member")
    op.drop_index("ix_incident_member_access_point_id", table_name="incident_member")
    op.drop_table("incident_member")
    op.drop_index("uq_health_period_started_at", table_name="health_period")
    op.drop_index("uq_health_period_open", table_name="health_period", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_health_period_ended_at", table_name="health_period")
    op.drop_table("health_period")
    op.drop_table("health_month")
    op.drop_index("ix_health_change_at", table_name="health_change")
    op.drop_index("ix_health_change_access_point_id_at", table_name="health_change")
    op.drop_table("health_change")
    op.drop_table("incident_notice")
    op.drop_index(op.f("ix_access_point_site_id"), table_name="access_point")
    op.drop_index(
        "ix_access_point_not_online", table_name="access_point", postgresql_where=sa.text("reported <> 'online' AND vanished_at IS NULL")
    )
    op.drop_index("ix_access_point_name", table_name="access_point")
    op.drop_index("ix_access_point_mac", table_name="access_point")
    op.drop_index("ix_access_point_health", table_name="access_point")
    op.drop_index(op.f("ix_access_point_gateway_id"), table_name="access_point")
    op.drop_index("ix_access_point_candidate", table_name="access_point", postgresql_where=sa.text("candidate IS NOT NULL"))
    op.drop_index("ix_access_point_vanished_at", table_name="access_point", postgresql_where=sa.text("vanished_at IS NOT NULL"))
    op.drop_index("ix_access_point_name_part", table_name="access_point", postgresql_using="gin")
    op.drop_table("access_point")
    op.drop_index("uq_incident_open_site", table_name="incident", postgresql_where=sa.text("state = 'open' AND site_id IS NOT NULL"))
    op.drop_index("ix_incident_started_at", table_name="incident")
    op.drop_index("ix_incident_to_tell", table_name="incident", postgresql_where=sa.text("state = 'resolved' AND told_at IS NULL"))
    op.drop_index("ix_incident_site_id_resolved_at", table_name="incident")
    op.drop_table("incident")
    op.drop_table("network_check")
    op.drop_index("uq_network_alarm_open", table_name="network_alarm", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_network_alarm_started_at", table_name="network_alarm")
    op.drop_table("network_alarm")
    op.drop_index("ix_discovery_run_started_at", table_name="discovery_run")
    op.drop_table("discovery_run")
    op.drop_table("compensation_rule")
    op.execute("DROP EXTENSION IF EXISTS pg_trgm")
    op.execute("DROP EXTENSION IF EXISTS btree_gist")
