"""Making a back-up: proven by restoring it, one at a time, and nothing is left of one that fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from app.direct import direct_engine, direct_url
from app.settings import get_settings
from services.operations.backup import checking, databases, files
from services.operations.backup.errors import BackupFailed, BackupRunning, Damaged, NotProven, Refuted, WrongKey
from services.operations.backup.making import ENDING, LOCK, Made, directory, make
from services.operations.backup.programs import Programs, programs_for
from services.operations.backup_models import Backup, BackupState
from services.tickets.intake_models import Attachment
from tests.services.operations.backup.conftest import PICTURE, attach, databases_of

PROJECT = Path(__file__).parents[4]


def rows() -> list[Backup]:
    with transaction() as session:
        return list(session.exec(select(Backup).order_by(col(Backup.id))).all())


def inet(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def test_a_back_up_is_proven_by_restoring_it_and_its_row_says_so(business: Path, database: sa.Engine) -> None:
    made = make(transaction, clock=utc_now)
    (row,) = rows()
    assert row.state is BackupState.VERIFIED
    assert (row.file_name, row.size_bytes, row.sha256) == (made.path.name, made.path.stat().st_size, made.sha256)
    assert row.snapshot_at is not None
    assert row.verified_at is not None
    assert row.content["rows"]["payment"] == 15
    assert row.content["files"] == {"files": 3, "bytes": len(PICTURE) + 5 + _heads_size(), "gone": 0, "missing": 0, "named": []}
    assert row.content["audit"][0] == 2
    assert made.path.stat().st_mode & 0o077 == 0
    assert [path.name for path in directory().iterdir()] == [made.path.name]
    assert databases_of(database) == {"inet", "postgres"}


def _heads_size() -> int:
    return (get_settings().data_dir / "audit-heads.txt").stat().st_size


def test_nothing_in_the_file_can_be_read(made: Made) -> None:
    data = made.path.read_bytes()
    assert b"+220" not in data
    assert PICTURE[:64] not in data
    assert os.environ["INET_SECRET_KEY"].encode() not in data


def test_a_file_is_whole_or_is_said_not_to_be(made: Made) -> None:
    assert checking.check(made.path).files["files"] == 3
    data = made.path.read_bytes()
    made.path.write_bytes(data[:-7])
    with pytest.raises(Damaged):
        checking.check(made.path)
    made.path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    with pytest.raises(Damaged):
        checking.check(made.path)


def test_another_secret_key_is_told_apart_from_damage(made: Made) -> None:
    done = inet("restore", str(made.path), "--check", INET_SECRET_KEY="another-secret-another-secret-another")
    assert done.returncode == 1
    assert "sealed with another key" in done.stderr
    assert done.stderr.count("\n") == 1
    again = inet(
        "restore", str(made.path), "--check", INET_SECRET_KEY="another-" * 5, INET_SECRET_KEY_PREVIOUS=os.environ["INET_SECRET_KEY"]
    )
    assert again.returncode == 0, again.stderr
    assert "whole and unchanged" in again.stdout


def test_a_key_of_its_own_opens_without_the_secret_key_but_says_what_stays_closed(business: Path, tmp_path: Path) -> None:
    own = "a-key-for-back-ups-alone-and-no-other-thing"
    done = inet("backup", "--to", str(tmp_path / "one.inetbackup"), "--no-verify", INET_BACKUP_KEY=own)
    assert done.returncode == 0, done.stderr
    with pytest.raises(WrongKey, match="INET_BACKUP_KEY"):
        checking.check(tmp_path / "one.inetbackup")
    said = inet("restore", str(tmp_path / "one.inetbackup"), "--check", INET_BACKUP_KEY=own, INET_SECRET_KEY="another-" * 5)
    assert said.returncode == 0, said.stderr
    assert "need another INET_SECRET_KEY" in said.stdout


def test_a_file_that_was_lost_before_is_named_and_one_deleted_meanwhile_is_not(business: Path, data_dir: Path, tmp_path: Path) -> None:
    with transaction() as session:
        gone = attach(session, data_dir, b"gone" * 50, now=utc_now())
    business.unlink()
    with direct_engine() as direct, direct.execution_options(isolation_level="REPEATABLE READ").connect() as snapshot:
        snapshot.execute(sa.text("SELECT 1"))
        files.hold_references(snapshot)
        snapshot.commit()
        with transaction() as session:
            session.execute(sa.delete(Attachment).where(col(Attachment.file).like(f"%{gone.name}")))
        gone.unlink()
        copied = files.copy(snapshot, data_dir, lambda _: None, head=1)
    assert (copied.missing, copied.gone) == (1, 1)
    assert copied.named == [f"attachments/{business.parent.name}/{business.name}"]


def test_only_one_is_made_at_a_time(business: Path) -> None:
    with direct_engine() as direct, direct.connect() as other:
        other.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        with pytest.raises(BackupRunning):
            make(transaction, clock=utc_now)
    assert rows() == []


def test_a_full_disk_leaves_an_error_and_a_row_and_nothing_else(business: Path, tmp_path: Path) -> None:
    limited = f"ulimit -f 100; exec {sys.executable} -m app.cli backup --to {tmp_path / 'there'}"
    done = subprocess.run(["bash", "-c", limited], cwd=PROJECT, env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "could not be written" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "there").iterdir()) == []
    (row,) = rows()
    assert row.state is BackupState.FAILED
    assert row.error.startswith("Writing it failed")


def test_what_a_killed_one_has_left_is_put_away_by_the_next(business: Path, database: sa.Engine, data_dir: Path) -> None:
    """Killed while pg_dump runs and waits for a table that somebody holds: then nothing is finished for certain."""
    holder = database.connect()
    holder.execute(sa.text("LOCK TABLE webhook_event IN ACCESS EXCLUSIVE MODE"))
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "backup"], cwd=PROJECT, env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while not list(directory().glob(f"*{ENDING}.part")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        holder.rollback()
        holder.close()
    assert [row.state for row in rows()] == [BackupState.RUNNING]
    with databases.maintenance(direct_url()) as connection:
        databases.create_like(connection, "inet", databases.beside("inet", "scratch", utc_now()))
        databases.create_like(connection, "inet", "inet_scratched")
    _until_unlocked(database)
    made = make(transaction, clock=utc_now)
    assert [row.state for row in rows()] == [BackupState.FAILED, BackupState.VERIFIED]
    assert [path.name for path in directory().iterdir()] == [made.path.name]
    assert databases_of(database) == {"inet", "postgres", "inet_scratched"}
    with databases.maintenance(direct_url()) as connection:
        databases.drop(connection, "inet_scratched")


def _until_unlocked(database: sa.Engine) -> None:
    deadline = time.monotonic() + 30
    with database.connect() as connection:
        while connection.execute(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def reader(business: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Back-ups are made by somebody who may read everything and make nothing."""
    with databases.maintenance(direct_url()) as connection:
        connection.execute(sa.text("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data"))
    as_reader = sa.make_url(direct_url()).set(username="reader").render_as_string(hide_password=False)
    monkeypatch.setenv("INET_DATABASE_DIRECT_URL", as_reader)
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()
    with databases.maintenance(direct_url()) as connection:
        connection.execute(sa.text("DROP ROLE reader"))


@pytest.mark.usefixtures("reader")
def test_where_no_database_may_be_made_a_server_of_our_own_stands_in(data_dir: Path) -> None:
    assert make(transaction, clock=utc_now).is_verified
    assert not list(data_dir.glob("backup-scratch-*"))


@pytest.mark.usefixtures("reader")
def test_one_that_could_not_be_proven_is_kept_and_said_to_be_so(data_dir: Path) -> None:
    now = utc_now()
    (data_dir / f"backup-scratch-{now:%Y%m%d%H%M%S}").write_text("in the way of the server of our own")
    with pytest.raises(NotProven, match="kept, but not proven"):
        make(transaction, clock=lambda: now)
    (row,) = rows()
    assert (row.state, row.ended_at) == (BackupState.MADE, now)
    assert row.error
    assert checking.check(directory() / row.file_name).files["files"] == 3


def _programs() -> Programs:
    return programs_for(18)


def test_a_restored_row_that_differs_is_noticed(business: Path, data_dir: Path) -> None:
    made = make(transaction, clock=utc_now, verify=False)
    made.content["payments"]["served"][1] += 1
    with (
        databases.scratch(direct_url(), data_dir, same_server=True, now=utc_now()) as url,
        pytest.raises(Refuted, match="payments of served"),
    ):
        checking.prove(made.path, url, _programs(), expected=made.content)


def test_nothing_is_overwritten(business: Path, tmp_path: Path) -> None:
    (tmp_path / "one.inetbackup").write_text("mine")
    with pytest.raises(BackupFailed, match="there already"):
        make(transaction, clock=utc_now, to=tmp_path / "one.inetbackup")
    assert (tmp_path / "one.inetbackup").read_text() == "mine"


def test_every_folder_that_the_product_keeps_files_in_is_known_here() -> None:
    """Whoever keeps files below the data directory says here whether a back-up takes them along."""
    taken = {folder.name for folder in files.FOLDERS} | {"audit-heads.txt"}
    left_out = {
        "console",
        "wsdl",
        "log",
        "metrics",
        "backups",
        "postgres",
        "valkey",
        "sandbox",
        "secret.key",
        "running.json",
        "restore.json",
        "sandbox.sqlite3",
    }
    used = set()
    for folder in ("app", "services", "jobs", "pages", "portal", "mobile"):
        for path in (PROJECT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            names = dict(re.findall(r"^(\w+) = \"([\w.-]+)\"$", text, re.MULTILINE)) | {"HEADS_FILE": "audit-heads.txt"}
            for quoted, named in re.findall(r"data_dir(?:\.resolve\(\))? / (?:f?\"([\w.-]+)\"|(\w+))", text):
                used.add(quoted or names.get(named, named))
    assert used - taken - left_out - {"folder", "f", "name"} == set()


def test_time_stands_in_the_name_and_a_folder_may_have_a_dot_in_its(business: Path, tmp_path: Path) -> None:
    now = utc_now() - timedelta(days=400)
    made = make(transaction, clock=lambda: now, to=tmp_path / "portal.example.gm", verify=False)
    assert made.path == (tmp_path / "portal.example.gm" / f"inet-{now:%Y%m%d-%H%M%S}.inetbackup").resolve()
    (row,) = rows()
    assert row.content["folder"] == str(made.path.parent)
