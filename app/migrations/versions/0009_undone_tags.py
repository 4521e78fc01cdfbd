"""lists that do not grow: what is undone by its tag, and combinations of filters, each along one index in the order of what is due"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UNDONE = "state IN ('new', 'open', 'pending', 'on_hold')"
_NARROWED = {
    "ix_ticket_narrowed": ["due_at", "id", "state", "team_id", "priority", "category", "channel", "language", "site_id", "assignee_id"],
    "ix_ticket_narrowed_team": [
        "team_id",
        "due_at",
        "id",
        "state",
        "priority",
        "category",
        "channel",
        "language",
        "site_id",
        "assignee_id",
    ],
}
# FOR SHARE: whoever changes the ticket meanwhile is waited for, or waits, so that one of the two sees what the other wrote.
_FUNCTIONS = f"""
CREATE FUNCTION ticket_tag_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT {_UNDONE}, due_at INTO NEW.is_undone, NEW.due_at FROM ticket WHERE id = NEW.ticket_id FOR SHARE;
    NEW.is_undone := coalesce(NEW.is_undone, false);
    RETURN NEW;
END $$;
CREATE FUNCTION ticket_tag_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ticket_tag SET is_undone = NEW.{_UNDONE}, due_at = NEW.due_at WHERE ticket_id = NEW.id;
    RETURN NULL;
END $$;
"""  # noqa: S608 - a constant


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.add_column("ticket_tag", sa.Column("is_undone", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("ticket_tag", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_FUNCTIONS)
    op.execute("CREATE TRIGGER ticket_tag_begins BEFORE INSERT ON ticket_tag FOR EACH ROW EXECUTE FUNCTION ticket_tag_begins()")
    op.execute(
        "CREATE TRIGGER ticket_tag_follows AFTER UPDATE OF state, due_at ON ticket FOR EACH ROW"
        " WHEN (OLD.state <> NEW.state OR OLD.due_at IS DISTINCT FROM NEW.due_at) EXECUTE FUNCTION ticket_tag_follows()"
    )
    known = f"UPDATE ticket_tag SET is_undone = ticket.{_UNDONE}, due_at = ticket.due_at FROM ticket WHERE id = ticket_id"  # noqa: S608 - a constant
    op.execute(known)
    op.create_index(
        "ix_ticket_tag_undone", "ticket_tag", ["tag", "due_at", "ticket_id"], unique=False, postgresql_where=sa.text("is_undone")
    )
    for name, columns in _NARROWED.items():
        op.create_index(name, "ticket", columns, unique=False, postgresql_where=sa.text(_UNDONE))


def downgrade() -> None:
    for name in reversed(_NARROWED):
        op.drop_index(name, table_name="ticket", postgresql_where=sa.text(_UNDONE))
    op.drop_index("ix_ticket_tag_undone", table_name="ticket_tag", postgresql_where=sa.text("is_undone"))
    op.execute("DROP TRIGGER ticket_tag_follows ON ticket")
    op.execute("DROP TRIGGER ticket_tag_begins ON ticket_tag")
    op.execute("DROP FUNCTION ticket_tag_follows()")
    op.execute("DROP FUNCTION ticket_tag_begins()")
    op.drop_column("ticket_tag", "due_at")
    op.drop_column("ticket_tag", "is_undone")
