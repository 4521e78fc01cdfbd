"""One of everything, committed: built once in a while, and copied by the database for the tests in between."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from app.clock import utc_now
from app.db import transaction
from tests.pages import builders

# Routers that polled four seconds ago must still count as alive.
_KEPT_FOR = timedelta(seconds=10)
_SCHEMA = "shop"


class Shop:
    """Builds `a_whole_shop` in this process's empty database. Building takes a quarter of a second, copying a hundredth."""

    def __init__(self) -> None:
        self._built_at: datetime | None = None
        self._copying = ""

    def open(self, engine: sa.Engine) -> None:
        """Commit the shop; its rows are of this moment, give or take a few seconds."""
        now = utc_now()
        if self._built_at is not None and now - self._built_at < _KEPT_FOR:
            with engine.begin() as connection:
                # The copied rows have been checked and noted by triggers once.
                connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
                connection.execute(sa.text(self._copying))
            return
        with transaction() as session:
            builders.a_whole_shop(session, now=now, payments_of_each=1)
        self._keep(engine)
        self._built_at = now

    def _keep(self, engine: sa.Engine) -> None:
        from app.tables import metadata

        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE"))
            connection.execute(sa.text(f"CREATE SCHEMA {_SCHEMA}"))
            held = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in metadata.tables)
            tables = list(connection.scalars(sa.text(held)))
            for table in tables:
                connection.execute(sa.text(f'CREATE TABLE {_SCHEMA}."{table}" AS TABLE "{table}"'))
            counters = sa.text("SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL")
            counts = [f"PERFORM setval('\"{name}\"', {value});" for name, value in connection.execute(counters)]
        copies = [f'INSERT INTO "{table}" SELECT * FROM {_SCHEMA}."{table}" ON CONFLICT DO NOTHING;' for table in tables]
        self._copying = f"DO $$ BEGIN {' '.join(copies + counts)} END $$"
