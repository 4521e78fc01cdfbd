"""tickets belong to people"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every report behind a table lock
    op.add_column("ticket", sa.Column("assignee_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_ticket_assignee_id_staff"), "ticket", "staff", ["assignee_id"], ["id"])
    op.create_index(
        "ix_ticket_assignee_id",
        "ticket",
        ["assignee_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ticket_open",
        "ticket",
        ["assignee_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state <> 'closed'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_ticket_open", table_name="ticket", postgresql_where=sa.text("state <> 'closed'"))
    op.drop_index("ix_ticket_assignee_id", table_name="ticket", postgresql_where=sa.text("assignee_id IS NOT NULL"))
    op.drop_constraint(op.f("fk_ticket_assignee_id_staff"), "ticket", type_="foreignkey")
    op.drop_column("ticket", "assignee_id")
