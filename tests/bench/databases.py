"""Databases of a benchmark's own, beside the running product's."""

from __future__ import annotations

import os

import sqlalchemy as sa


def empty_database(name: str) -> str:
    """One with the product's tables; answers its address, with the password. From now on it is this process's own."""
    from app import db, migrate
    from app.settings import get_settings

    url = sa.make_url(os.environ["INET_DATABASE_URL"])
    engine = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    os.environ["INET_DATABASE_URL"] = url.set(database=name).render_as_string(hide_password=False)
    get_settings.cache_clear()
    db.dispose()
    migrate.upgrade()
    return os.environ["INET_DATABASE_URL"]
