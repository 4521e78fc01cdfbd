"""Whether a pooler stands between us and PostgreSQL, and whether the settings know of it."""

from __future__ import annotations

import sqlalchemy as sa

from app.settings import Settings
from services.operations.health.reading import Reading, connected, down, first_line, well


def stands_between(url: str) -> bool:
    """A pooler makes up the process number that it tells a client who connects; the server knows its own. Raises SQLAlchemyError."""
    with connected(url) as connection:
        driver = connection.connection.driver_connection
        told = driver.info.backend_pid if driver is not None else 0
        return bool(told != connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())


def pooler(settings: Settings) -> Reading:
    """Prepared statements, session locks and settings of a session go wrong behind a pooler that nobody reckoned with."""
    try:
        is_there = stands_between(settings.database_url)
        leads_to_one = bool(settings.database_direct_url) and stands_between(settings.database_direct_url)
    except sa.exc.SQLAlchemyError as error:
        return down(f"not known: {first_line(error)}", "Correct INET_DATABASE_DIRECT_URL, or the way to PostgreSQL from here.")
    if is_there and not settings.database_is_pooled:
        return down("one stands before PostgreSQL, and the settings do not say so", "Set INET_DATABASE_IS_POOLED=true.")
    if leads_to_one:
        said = "INET_DATABASE_DIRECT_URL leads to a pooler as well"
        return down(said, "Let it name PostgreSQL itself: migrations and back-ups need one connection to the end.")
    if is_there and not settings.database_direct_url:
        said = "one stands before PostgreSQL, and migrations and back-ups have no other way"
        return down(said, "Set INET_DATABASE_DIRECT_URL to PostgreSQL itself.")
    if settings.database_is_pooled and not is_there:
        return well(
            "none is there, though INET_DATABASE_IS_POOLED says so", "Harmless; without the setting, statements are prepared and faster."
        )
    return well("one stands before PostgreSQL, as the settings say" if is_there else "none")
