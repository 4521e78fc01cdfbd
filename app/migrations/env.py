"""Alembic's environment: `app/migrate.py` hands in the connection, `app.tables` the tables. Each migration is a transaction of its own."""

from __future__ import annotations

from typing import Any

from alembic import context

from app.tables import metadata

_OPTIONS: dict[str, Any] = {
    "target_metadata": metadata,
    "compare_type": True,
    "compare_server_default": True,
    # One that fails takes only itself back, and one that waits for a lock holds none of those before it.
    "transaction_per_migration": True,
}


def run() -> None:
    if context.is_offline_mode():  # the statements alone, for the test that reads them
        context.configure(dialect_name="postgresql", literal_binds=True, output_buffer=context.config.output_buffer, **_OPTIONS)
    else:
        context.configure(connection=context.config.attributes["connection"], **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


run()
