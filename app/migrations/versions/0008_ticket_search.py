"""finding tickets: the words that were said, for typing errors; and what the list and the board are narrowed by"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UNDONE = "state IN ('new', 'open', 'pending', 'on_hold')"
_NARROWED = {"category": "category", "priority": "priority", "channel": "channel", "language": "language", "site": "site_id"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.create_table(
        "ticket_word",
        sa.Column("word", sa.String(length=40), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_ticket_word")),
    )
    op.create_index(
        "ix_ticket_word_word_part", "ticket_word", ["word"], unique=False, postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}
    )
    for name, column in _NARROWED.items():
        op.create_index(f"ix_ticket_undone_{name}", "ticket", [column, "due_at", "id"], unique=False, postgresql_where=sa.text(_UNDONE))
    op.create_index(
        "ix_ticket_client_mac", "ticket", ["client_mac", "id"], unique=False, postgresql_where=sa.text("client_mac IS NOT NULL")
    )
    op.create_index("ix_ticket_state_due", "ticket", ["state", "due_at", "id"], unique=False, postgresql_where=sa.text(_UNDONE))
    op.create_index(
        "ix_ticket_done",
        "ticket",
        ["state", "updated_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('resolved', 'closed')"),
    )


def downgrade() -> None:
    op.drop_index("ix_ticket_done", table_name="ticket", postgresql_where=sa.text("state IN ('resolved', 'closed')"))
    op.drop_index("ix_ticket_state_due", table_name="ticket", postgresql_where=sa.text(_UNDONE))
    op.drop_index("ix_ticket_client_mac", table_name="ticket", postgresql_where=sa.text("client_mac IS NOT NULL"))
    for name in reversed(_NARROWED):
        op.drop_index(f"ix_ticket_undone_{name}", table_name="ticket", postgresql_where=sa.text(_UNDONE))
    op.drop_index("ix_ticket_word_word_part", table_name="ticket_word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"})
    op.drop_table("ticket_word")
