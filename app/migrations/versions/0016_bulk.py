"""acting on many rows at once: each wish, and what became of each row"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WAIVERS = {
    "rewrite in one go": "a row for each time somebody changed many tickets at once, of use for ten minutes; the audit keeps what was done"
}
_SECOND = ("asked", "agreed", "declined")
_STATES = ("waiting", "done", "same", "refused", "undone", "kept")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every log-in behind a table lock
    op.create_table(
        "bulk_operation",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("answers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("second", sa.Enum(*_SECOND, name="second", native_enum=False, create_constraint=True, length=32), nullable=True),
        sa.Column("second_by", sa.String(length=254), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_operation")),
        sa.UniqueConstraint("made_by", "key", name=op.f("uq_bulk_operation_made_by_key")),
    )
    op.create_index("ix_bulk_operation_created_at", "bulk_operation", ["created_at"])
    op.create_index(
        "ix_bulk_operation_undo_until", "bulk_operation", ["made_by", "undo_until"], postgresql_where=sa.text("undone_at IS NULL")
    )
    op.create_index(
        "ix_bulk_operation_second",
        "bulk_operation",
        ["page", "id"],
        postgresql_where=sa.text("second IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_table(
        "bulk_row",
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("state", sa.Enum(*_STATES, name="state", native_enum=False, create_constraint=True, length=32), nullable=False),
        sa.Column("said", sa.String(length=500), nullable=False),
        sa.Column("kept", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["bulk_operation.id"], name=op.f("fk_bulk_row_operation_id_bulk_operation"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operation_id", "place", name=op.f("pk_bulk_row")),
    )
    op.create_index("ix_bulk_row_at", "bulk_row", ["at"])
    # What tickets had of this by themselves could be taken back for ten minutes, and stands in the audit. The table's check still takes
    # the word: the release before may run beside this one for a while.
    op.execute("DELETE FROM ticket_operation WHERE kind = 'bulk'")


def downgrade() -> None:
    op.drop_table("bulk_row")
    op.drop_table("bulk_operation")
