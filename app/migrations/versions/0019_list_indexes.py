"""who is online, whose session is over and which vouchers are owed a step, each found in the order of its list by an index of its own"""

from __future__ import annotations

from app import expanding

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_RUNNING, _ENDED, _OWED = "ended_at IS NULL", "ended_at IS NOT NULL", "porta_next_attempt_at IS NOT NULL"


def upgrade() -> None:
    expanding.create_index("ix_access_session_running", "access_session", ["started_at", "id"], where=_RUNNING)
    expanding.create_index("ix_access_session_running_ends", "access_session", ["ends_at", "id"], where=_RUNNING)
    expanding.create_index("ix_access_session_ended", "access_session", ["started_at", "id"], where=_ENDED)
    expanding.create_index("ix_voucher_owed", "voucher", ["created_at", "id"], where=_OWED)


def downgrade() -> None:
    expanding.drop_index("ix_voucher_owed", "voucher")
    expanding.drop_index("ix_access_session_ended", "access_session")
    expanding.drop_index("ix_access_session_running_ends", "access_session")
    expanding.drop_index("ix_access_session_running", "access_session")
