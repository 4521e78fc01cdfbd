"""`inet migrate` on a database of its own: it gives way to traffic, begins again where it died, and says where it stands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import migrate
from app.children import spawn
from app.clock import utc_now
from app.direct import PoolerInTheWay, direct_engine, direct_url, with_database
from app.settings import get_settings
from app.unprivileged import step_down
from services.operations.backup import databases
from tests.conftest import free_port

PROJECT = Path(__file__).parents[2]
EXPANSION = PROJECT / "tests/drill/upgrading"


@pytest.fixture(scope="module")
def url(servers: None) -> Iterator[str]:
    """A database with this release's tables and no rows."""
    name = databases.beside("inet", "migrating", utc_now())
    with databases.maintenance(direct_url()) as connection:
        databases.create_like(connection, "inet", name)
    found = with_database(direct_url(), name)
    migrate.upgrade(url=found)
    yield found
    with databases.maintenance(direct_url()) as connection:
        databases.drop(connection, name)


def has_column(url: str) -> bool:
    with direct_engine(url) as engine:
        return any(column["name"] == "drill_note" for column in sa.inspect(engine).get_columns("payment"))


def test_one_that_does_not_get_its_lock_changes_nothing_and_says_who_may_hold_it(url: str) -> None:
    with direct_engine(url) as engine, engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE payment IN ROW EXCLUSIVE MODE"))
        with pytest.raises(migrate.MigrationBlocked) as refused:
            migrate.upgrade("heads", url=url, also=EXPANSION, tries=1)
    assert not has_column(url)
    said = str(refused.value)
    assert "Migration drill1 (an expansion" in said
    assert "the oldest open transaction is" in said
    assert "\n" not in said


def test_one_that_gave_way_is_tried_again_and_may_be_run_twice(url: str) -> None:
    with direct_engine(url) as engine, engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE payment IN ROW EXCLUSIVE MODE"))
        waited: list[float] = []

        def others_pass(seconds: float) -> None:
            waited.append(seconds)
            holder.rollback()

        migrate.upgrade("heads", url=url, also=EXPANSION, pause=others_pass)
    assert len(waited) == 1
    assert has_column(url)
    with direct_engine(url) as engine, engine.begin() as connection:
        # As one that died before its end was noted, with an index that was half built.
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{migrate.standing().newest}'"))
        connection.execute(sa.text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_payment_drill_note'::regclass"))
    migrate.upgrade("heads", url=url, also=EXPANSION)
    with direct_engine(url) as engine, engine.connect() as connection:
        valid = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_payment_drill_note'::regclass")
        assert connection.execute(valid).scalar_one()
    assert migrate.standing(url=url, also=EXPANSION).missing == ()


def test_a_database_of_a_newer_release_is_left_alone(url: str) -> None:
    migrate.upgrade("heads", url=url, also=EXPANSION)
    assert migrate.standing(url=url).is_newer
    with pytest.raises(migrate.NewerDatabase, match="newer release"):
        migrate.upgrade(url=url)


def test_an_older_database_is_told_what_it_lacks(servers: None) -> None:
    name = databases.beside("inet", "older", utc_now())
    with databases.maintenance(direct_url()) as connection:
        databases.create_like(connection, "inet", name)
    older = with_database(direct_url(), name)
    try:
        migrate.upgrade("0011", url=older)
        command = [sys.executable, "-m", "app.cli", "migrate", "--check"]
        done = subprocess.run(
            command, cwd=PROJECT, env=os.environ | {"INET_DATABASE_URL": older}, capture_output=True, text=True, timeout=60
        )
    finally:
        with databases.maintenance(direct_url()) as connection:
            databases.drop(connection, name)
    assert done.returncode == 1
    assert done.stdout.startswith("missing: migration 0012 (cheaper batches")
    assert f"needs migration {migrate.standing().newest}, the database has 0011: run `inet migrate`" in done.stdout


def test_a_pooler_that_is_known_to_be_one_is_not_migrated_through(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INET_DATABASE_IS_POOLED", "true")
    get_settings.cache_clear()
    try:
        with pytest.raises(PoolerInTheWay, match="INET_DATABASE_DIRECT_URL"):
            migrate.upgrade()
        monkeypatch.setenv("INET_DATABASE_DIRECT_URL", os.environ["INET_DATABASE_URL"])
        get_settings.cache_clear()
        migrate.upgrade()
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


@pytest.fixture
def pooler(servers: None, tmp_path: Path) -> Iterator[str]:
    """PgBouncer in transaction mode before this process's server, of which the settings say nothing."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("pgbouncer is not installed (`make servers` fetches it)")
    parsed, port = sa.make_url(direct_url()), free_port()
    tmp_path.chmod(0o755)
    (tmp_path / "users").write_text('"inet" ""\n')
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={parsed.query['host']} port={parsed.query['port']} user=inet\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\nauth_file = {tmp_path / 'users'}\npool_mode = transaction\n"
        "ignore_startup_parameters = options\nquery_wait_timeout = 5\nserver_connect_timeout = 3\n"
    )
    identity, _ = step_down(tmp_path, Path(program))
    process = spawn([program, "-q", str(configuration)], parent_death_signal=signal.SIGKILL, identity=identity)
    found = f"postgresql+psycopg://inet@127.0.0.1:{port}/inet"
    try:
        for _ in range(50):
            try:
                with sa.create_engine(found, poolclass=sa.NullPool).connect():
                    break
            except sa.exc.OperationalError:
                time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait()


def test_a_pooler_of_which_nobody_told_is_found_out(pooler: str) -> None:
    with pytest.raises(PoolerInTheWay):
        migrate.upgrade(url=pooler)
