"""Alembic's environment: the URL comes from the settings, the tables from `app.tables`."""

from __future__ import annotations

from alembic import context

from app.db import engine
from app.tables import metadata


def run() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        context.configure(connection=given, target_metadata=metadata, compare_type=True, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    with engine().connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()


run()
