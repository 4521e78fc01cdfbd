"""an expansion as a release would bring it: a column, an index beside the traffic, and rows filled in sets"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.script import ScriptDirectory

from app import expanding, migrate

revision = "drill1"
# After whatever the release under drill has as its newest.
down_revision = ScriptDirectory.from_config(migrate.config()).get_current_head()
branch_labels = None
depends_on = None


def upgrade() -> None:
    expanding.add_column("payment", sa.Column("drill_note", sa.String(length=40), nullable=True))
    expanding.create_index("ix_payment_drill_note", "payment", ["drill_note", "id"])
    expanding.backfill("payment", "drill_note = 'seen ' || id", "drill_note IS NULL", at_once=20)
    expanding.add_check("ck_payment_drill_note_seen", "payment", "drill_note IS NULL OR drill_note LIKE 'seen %'")


def downgrade() -> None:
    op.drop_column("payment", "drill_note")
