"""What a migration may do to a table that is in use (docs/operations.md, "Upgrade").

Each of these commits for itself, so no table stays locked while another is waited for, and each may be run twice: a migration that dies
between two of them begins again. They belong into a migration of their own, which does nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

_LOCK_TIMEOUT = "SET lock_timeout = '5s'"


def add_column(table: str, column: sa.Column[object]) -> None:
    """A column that old code need not know: it may be empty or has a default of the server's. Takes no time, whatever the table's size."""
    assert column.nullable or column.server_default is not None, "old code writes rows without it"
    with op.get_context().autocommit_block():
        op.execute(_LOCK_TIMEOUT)
        op.add_column(table, column, if_not_exists=True)


def create_index(
    name: str, table: str, columns: Sequence[str | sa.TextClause], *, unique: bool = False, where: str | None = None, using: str = "btree"
) -> None:
    """An index built while rows come and go. What an attempt that died has left is taken away first."""
    with op.get_context().autocommit_block():
        op.execute(_LOCK_TIMEOUT)
        op.execute(
            f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{name}') AND NOT indisvalid)"
            f" THEN DROP INDEX {name}; END IF; END $$"
        )
        # It waits for transactions that began before it, and holds up nobody meanwhile.
        op.execute("SET lock_timeout = 0")
        op.create_index(
            name,
            table,
            list(columns),
            unique=unique,
            if_not_exists=True,
            postgresql_concurrently=True,
            postgresql_using=using,
            postgresql_where=sa.text(where) if where else None,
        )
        op.execute(_LOCK_TIMEOUT)


def drop_index(name: str, table: str) -> None:
    """An index that no running release needs."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
        op.execute(_LOCK_TIMEOUT)


def add_check(name: str, table: str, condition: str) -> None:
    """A check for new rows at once; those that stand are looked through without holding up anybody. `name` is the whole name."""
    with op.get_context().autocommit_block():
        op.execute(_LOCK_TIMEOUT)
        # Both in one statement: there is no moment without a check where one is replaced.
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def add_foreign_key(name: str, table: str, column: str, other: str) -> None:
    """A reference to another table's `id`, in the same two steps."""
    with op.get_context().autocommit_block():
        op.execute(_LOCK_TIMEOUT)
        op.execute(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = '{name}' AND conrelid = '{table}'::regclass)"
            f" THEN ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {other} (id) NOT VALID; END IF; END $$"
        )
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def require(table: str, column: str) -> None:
    """NOT NULL for a column that every running release fills and that is filled in all rows: contracting, a release later."""
    name = f"ck_{table}_{column}_required"
    add_check(name, table, f"{column} IS NOT NULL")
    with op.get_context().autocommit_block():
        # PostgreSQL takes the valid check as the proof and does not read the table again.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")


def backfill(table: str, change: str, which: str, *, at_once: int = 1000) -> None:
    """`UPDATE table SET change WHERE which` by ranges of `id`, each in a transaction of its own, so that no row is locked for long.

    `which` must not hold for a row any more once it was changed: what a run that died has done is then passed over.
    """
    with op.get_context().autocommit_block():
        op.execute(
            f"""DO $$ DECLARE low bigint; high bigint; BEGIN
SELECT min(id), max(id) INTO low, high FROM {table} WHERE {which};
WHILE low <= high LOOP
    UPDATE {table} SET {change} WHERE id >= low AND id < low + {at_once} AND ({which});
    COMMIT;
    low := low + {at_once};
END LOOP; END $$"""  # noqa: S608 - written by us, in a migration
        )
