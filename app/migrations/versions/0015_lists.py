"""lists of the console: the columns each person wishes to see"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every log-in behind a table lock
    op.create_table(
        "list_columns",
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_list_columns_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", "page", name=op.f("pk_list_columns")),
    )


def downgrade() -> None:
    op.drop_table("list_columns")
