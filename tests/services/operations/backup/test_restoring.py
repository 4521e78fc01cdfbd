"""A restore is everything or nothing, and what it leaves is fit to go on with."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.clock import utc_now
from app.db import transaction
from app.direct import direct_engine, direct_url, with_database
from app.settings import get_settings
from services.audit.verify import HEADS_FILE, record_head, verify
from services.operations.backup import databases, restoring
from services.operations.backup.errors import BackupFailed, BackupRunning, RestoreRefused
from services.operations.backup.making import Made, make
from services.operations.backup.target import look
from services.payments.clearing.queries import verify_books
from tests.services.operations.backup.conftest import ACTOR, PICTURE, attach, databases_of


def count(table: str) -> int:
    with transaction() as session:
        return int(session.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_what_was_backed_up_comes_back_and_what_came_after_is_gone(business: Path, made: Made, database: sa.Engine, data_dir: Path) -> None:
    payments = count("payment")
    with transaction() as session:
        before = verify_books(session)
        session.execute(sa.text("UPDATE payment SET amount_bututs = amount_bututs + 1"))
        session.execute(sa.text("UPDATE staff SET name = 'Somebody else'"))
        later = attach(session, data_dir, b"later" * 100, now=utc_now())
    business.unlink()
    done = restoring.restore(made.path, actor=ACTOR, clock=utc_now, force=True, keep_old=False)
    assert done.files == 1
    assert business.read_bytes() == PICTURE
    assert later.exists()  # nothing is taken away: it may be the only one
    assert count("payment") == payments
    assert databases_of(database) == {"inet", "postgres"}
    with transaction() as session:
        assert session.execute(sa.text("SELECT count(*) FROM staff WHERE name = 'Somebody else'")).scalar_one() == 0
        assert session.execute(sa.text("SELECT min(session_epoch) FROM staff")).scalar_one() == 1
        assert verify_books(session) == before
        actions = session.execute(sa.text("SELECT action FROM audit_entry ORDER BY id")).scalars().all()
        assert actions == ["package.create", "package.change", "backup.restore", "sync.restart"]
        assert verify(session, recorded_heads=data_dir / HEADS_FILE).broken is None
        assert session.execute(sa.text("SELECT state FROM backup")).scalars().all() == ["verified"]


def test_heads_that_are_newer_than_the_back_up_are_set_aside(business: Path, made: Made, data_dir: Path) -> None:
    with transaction() as session:
        from services.audit import service as audit

        audit.record(session, ACTOR, "package.change", target=("package", "day-1"), now=utc_now())
        record_head(session, file=data_dir / HEADS_FILE, now=utc_now())
    restoring.restore(made.path, actor=ACTOR, clock=utc_now, force=True, keep_old=False)
    with transaction() as session:
        assert verify(session, recorded_heads=data_dir / HEADS_FILE).broken is None
    (aside,) = data_dir.glob("audit-heads.before-*.txt")
    assert len(aside.read_text().splitlines()) == 2


def test_a_database_with_something_in_it_is_not_overwritten_unasked(made: Made, database: sa.Engine) -> None:
    with pytest.raises(RestoreRefused, match="--force"):
        restoring.restore(made.path, actor=ACTOR, clock=utc_now, force=False)
    assert databases_of(database) == {"inet", "postgres"}


def test_a_database_of_somebody_else_is_not_taken_for_an_empty_one(servers: None, database: sa.Engine) -> None:
    name = databases.beside("inet", "others", utc_now())
    url = with_database(direct_url(), name)
    with databases.maintenance(url) as connection:
        databases.create_like(connection, "inet", name)
    try:
        assert look(url).is_empty
        with direct_engine(url) as engine, engine.begin() as connection:
            connection.execute(sa.text("CREATE SCHEMA accounts"))
            connection.execute(sa.text("CREATE TABLE accounts.invoice (id INT)"))
        found = look(url)
        assert not found.is_empty
        assert "1 tables that are none of INET's" in found.words
    finally:
        with databases.maintenance(url) as connection:
            databases.drop(connection, name)


def test_one_of_a_newer_release_is_refused_at_its_first_record(business: Path, tmp_path: Path, database: sa.Engine) -> None:
    with database.begin() as connection:
        known = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    try:
        newer = make(transaction, clock=utc_now, to=tmp_path, verify=False)
    finally:
        with database.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :known"), {"known": known})
    with pytest.raises(BackupFailed, match="newer release"):
        restoring.restore(newer.path, actor=ACTOR, clock=utc_now, force=True)


def test_only_who_owns_the_database_may_replace_it(made: Made, database: sa.Engine) -> None:
    with databases.maintenance(direct_url()) as connection:
        connection.execute(sa.text("CREATE ROLE landlord"))
        connection.execute(sa.text("ALTER DATABASE inet OWNER TO landlord"))
        try:
            with pytest.raises(RestoreRefused, match="belongs to landlord and you are inet"):
                restoring.restore(made.path, actor=ACTOR, clock=utc_now, force=True)
        finally:
            connection.execute(sa.text("ALTER DATABASE inet OWNER TO inet"))
            connection.execute(sa.text("DROP ROLE landlord"))
    assert databases_of(database) == {"inet", "postgres"}


def test_the_database_of_before_is_kept_under_a_name_that_is_said(made: Made, database: sa.Engine) -> None:
    done = restoring.restore(made.path, actor=ACTOR, clock=utc_now, force=True)
    assert done.kept_as is not None
    assert databases_of(database) == {"inet", "postgres", done.kept_as}
    with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{done.kept_as}"'))


def test_files_alone_come_back_where_they_are_missing(business: Path, made: Made) -> None:
    business.unlink()
    assert restoring.restore_files(made.path).files == 1
    assert business.read_bytes() == PICTURE
    assert restoring.restore_files(made.path).files == 0
    assert not list(get_settings().data_dir.glob(".restore-*"))


def test_files_alone_wait_for_a_restore_that_is_under_way(made: Made) -> None:
    with restoring.alone(direct_url()), pytest.raises(BackupRunning):
        restoring.restore_files(made.path)
