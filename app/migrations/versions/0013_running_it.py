"""running it: jobs and processes as they fare, errors in groups, health over time, back-ups, clean-up"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # New tables alone; what stands is changed by 0014, where each change is a transaction of its own.
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "backup",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("running", "made", "verified", "failed", name="backupstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("release", sa.String(length=80), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup")),
    )
    op.create_index("ix_backup_started_at", "backup", ["started_at", "id"], unique=False)
    op.create_table(
        "clean_up",
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_removed", sa.Integer(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_clean_up")),
    )
    op.create_table(
        "health_sample",
        sa.Column("part", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("ok", "degraded", "down", "off", name="healthstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("part", "at", name=op.f("pk_health_sample")),
    )
    op.create_index("ix_health_sample_at", "health_sample", ["at"], unique=False)
    op.create_table(
        "job_failure",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.String(length=120), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retried_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_failure")),
    )
    op.create_index("ix_job_failure_failed_at", "job_failure", ["failed_at", "id"], unique=False)
    op.create_index("ix_job_failure_job", "job_failure", ["job", "failed_at"], unique=False)
    op.create_table(
        "job_hour",
        sa.Column("job", sa.String(length=120), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("total_ms", sa.BigInteger(), nullable=False),
        sa.Column("longest_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job", "hour", name=op.f("pk_job_hour")),
    )
    op.create_index("ix_job_hour_hour", "job_hour", ["hour"], unique=False)
    op.create_table(
        "periodic_job",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("run_slot", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "last_outcome",
            sa.Enum("done", "failed", name="runoutcome", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("last_ms", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.Column("failures_in_a_row", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.String(length=120), nullable=False),
        sa.Column("pause_reason", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_periodic_job")),
    )
    op.create_table(
        "running_process",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("web", "console", "worker", "scheduler", name="processkind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("host", sa.String(length=120), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("release", sa.String(length=80), nullable=False),
        sa.Column("serves", sa.String(length=120), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_running_process")),
    )
    op.create_index("ix_running_process_beat_at", "running_process", ["beat_at"], unique=False)
    op.create_table(
        "error_group",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("process", sa.String(length=20), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_release", sa.String(length=80), nullable=False),
        sa.Column("last_release", sa.String(length=80), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "resolved", "ignored", name="errorstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("assignee_id", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.String(length=120), nullable=False),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("example", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["assignee_id"], ["staff.id"], name=op.f("fk_error_group_assignee_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_error_group")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_error_group_fingerprint")),
    )
    op.create_index(op.f("ix_error_group_assignee_id"), "error_group", ["assignee_id"], unique=False)
    op.create_index("ix_error_group_last_at", "error_group", ["last_at", "id"], unique=False)
    op.create_index("ix_error_group_state", "error_group", ["state", "last_at"], unique=False)
    op.create_table(
        "error_hour",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["error_group.id"], name=op.f("fk_error_hour_group_id_error_group"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "hour", name=op.f("pk_error_hour")),
    )
    op.create_index("ix_error_hour_hour", "error_hour", ["hour"], unique=False)
    op.create_table(
        "retention_period",
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_retention_period")),
    )
    op.create_table(
        "erasure_request",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("asked", "done", "called_off", name="erasurestate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "channel",
            sa.Enum("desk", "phone", "letter", "mail", name="erasurechannel", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "proof",
            sa.Enum(
                "identity_card",
                "called_back",
                "signed_letter",
                "knows_purchases",
                name="erasureproof",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("gives_up_time", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decided_by_id <> asked_by_id OR state <> 'done'", name=op.f("ck_erasure_request_four_eyes")),
        sa.CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name=op.f("ck_erasure_request_decided_means_decided_at")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["staff.id"], name=op.f("fk_erasure_request_asked_by_id_staff")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_erasure_request_customer_id_customer")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["staff.id"], name=op.f("fk_erasure_request_decided_by_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_request")),
    )
    op.create_index(op.f("ix_erasure_request_customer_id"), "erasure_request", ["customer_id"], unique=False)
    op.create_index("ix_erasure_request_state", "erasure_request", ["state", "asked_at", "id"], unique=False)
    op.create_index(
        "uq_erasure_request_asked", "erasure_request", ["customer_id"], unique=True, postgresql_where=sa.text("state = 'asked'")
    )


def downgrade() -> None:
    op.drop_table("erasure_request")
    op.drop_table("retention_period")
    op.drop_index("ix_error_hour_hour", table_name="error_hour")
    op.drop_table("error_hour")
    op.drop_index("ix_error_group_state", table_name="error_group")
    op.drop_index("ix_error_group_last_at", table_name="error_group")
    op.drop_index(op.f("ix_error_group_assignee_id"), table_name="error_group")
    op.drop_table("error_group")
    op.drop_index("ix_running_process_beat_at", table_name="running_process")
    op.drop_table("running_process")
    op.drop_table("periodic_job")
    op.drop_index("ix_job_hour_hour", table_name="job_hour")
    op.drop_table("job_hour")
    op.drop_index("ix_job_failure_job", table_name="job_failure")
    op.drop_index("ix_job_failure_failed_at", table_name="job_failure")
    op.drop_table("job_failure")
    op.drop_index("ix_health_sample_at", table_name="health_sample")
    op.drop_table("health_sample")
    op.drop_table("clean_up")
    op.drop_index("ix_backup_started_at", table_name="backup")
    op.drop_table("backup")
