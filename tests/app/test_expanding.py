"""What a migration may do to a table in use, each step run twice: a migration that died between two of them begins again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import migrate
from app.clock import utc_now
from app.direct import direct_engine, direct_url, with_database
from services.operations.backup import databases

_MIGRATION = '''
"""steps of app/expanding.py"""
import sqlalchemy as sa
from app import expanding
revision, down_revision, branch_labels, depends_on = "steps", {newest!r}, None, None

def upgrade():
    for _ in range(2):
        expanding.add_column("visit", sa.Column("place", sa.String(20)))
        expanding.backfill("visit", "place = 'Banjul'", "place IS NULL", at_once=3)
        expanding.require("visit", "place")
        expanding.add_foreign_key("fk_visit_guest", "visit", "guest_id", "guest")
        expanding.create_index("ix_visit_place", "visit", ["place"], unique=False, where="place <> ''")
        expanding.drop_index("ix_visit_old", "visit")
'''


@pytest.fixture
def url(servers: None) -> Iterator[str]:
    """A database that says it is of this release, with two tables of its own: nine visits, their numbers with gaps."""
    name = databases.beside("inet", "expanding", utc_now())
    found = with_database(direct_url(), name)
    with databases.maintenance(found) as connection:
        databases.create_like(connection, "inet", name)
    with direct_engine(found) as engine, engine.begin() as connection:
        for statement in (
            "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{migrate.standing().newest}')",
            "CREATE TABLE guest (id BIGINT PRIMARY KEY)",
            "INSERT INTO guest VALUES (1)",
            "CREATE TABLE visit (id BIGINT PRIMARY KEY, guest_id BIGINT)",
            "INSERT INTO visit SELECT number * 2, 1 FROM generate_series(1, 9) AS number",
            "CREATE INDEX ix_visit_old ON visit (guest_id)",
        ):
            connection.execute(sa.text(statement))
    yield found
    with databases.maintenance(found) as connection:
        databases.drop(connection, name)


def test_each_step_does_what_it_says_and_may_be_run_twice(url: str, tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(_MIGRATION.format(newest=migrate.standing().newest).lstrip())
    migrate.upgrade("heads", url=url, also=tmp_path)
    with direct_engine(url) as engine:
        seen = sa.inspect(engine)
        place = next(column for column in seen.get_columns("visit") if column["name"] == "place")
        assert not place["nullable"]
        assert [key["constrained_columns"] for key in seen.get_foreign_keys("visit")] == [["guest_id"]]
        assert [index["name"] for index in seen.get_indexes("visit")] == ["ix_visit_place"]
        assert seen.get_check_constraints("visit") == []
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM visit WHERE place = 'Banjul'")).scalar_one() == 9
