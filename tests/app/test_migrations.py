"""Migrations and models are one: whoever changes a table without a migration is told here."""

from __future__ import annotations

from alembic import command

from app import db, migrate


def test_the_migrations_make_exactly_the_tables_of_the_models(servers: None) -> None:
    assert migrate.check() == []


def test_every_migration_can_be_undone_and_done_again(servers: None) -> None:
    with db.engine().connect() as connection:
        command.downgrade(migrate.config(connection), "base")
        connection.commit()
    migrate.upgrade()
    assert migrate.check() == []
