"""Bring the database to this release's tables, or say what differs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from app.db import engine

_HERE = Path(__file__).parent / "migrations"


def config(connection: sa.Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(_HERE))
    made.set_main_option("path_separator", "os")
    if connection is not None:
        made.attributes["connection"] = connection
    return made


def upgrade(to: str = "head") -> None:
    """Run what is missing. Two at once wait for each other (advisory lock), so several hosts may start together."""
    with engine().connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(4658201)"))
        connection.commit()
        try:
            command.upgrade(config(connection), to)
            connection.commit()
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(4658201)"))
            connection.commit()


def check() -> list[str]:
    """What differs between the database and the models, one line each; empty when they are in step."""
    from app.tables import metadata

    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
