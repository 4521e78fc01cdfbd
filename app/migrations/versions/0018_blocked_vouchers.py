"""blocked vouchers are few among millions, and a view of the list: found by an index of their own"""

from __future__ import annotations

from app import expanding

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    expanding.create_index("ix_voucher_blocked", "voucher", ["created_at", "id"], where="state = 'blocked'")


def downgrade() -> None:
    expanding.drop_index("ix_voucher_blocked", "voucher")
