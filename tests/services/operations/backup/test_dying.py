"""A restore that is killed: before its swap nothing has changed, after it the next command ends what was left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import failpoints, redis
from app.clock import utc_now
from app.db import transaction
from services.audit import service as audit
from services.audit.verify import HEADS_FILE, record_head, verify
from services.operations.backup import restoring
from services.operations.backup.making import Made
from tests.services.operations.backup.conftest import ACTOR, databases_of

PROJECT = Path(__file__).parents[4]
_DIES = """
import os, signal, sys
from pathlib import Path
from app import failpoints
import app.tables
failpoints.boundary = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == sys.argv[2] else None
from app.clock import utc_now
from services.accounts.permissions import Permission, Principal
from services.operations.backup import restoring
actor = Principal(kind="cli", id=1, name="tester", permissions=frozenset(Permission))
say = lambda line: os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] == "loaded" else None
restoring.restore(Path(sys.argv[1]), actor=actor, clock=utc_now, force=True, keep_old=False, say=say)
"""


def die_at(made: Made, where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(made.path), where], cwd=PROJECT, env=os.environ, capture_output=True, timeout=120
    )
    assert done.returncode == -9, done.stderr.decode()


@pytest.fixture
def changed(made: Made, data_dir: Path) -> Made:
    """Since the back-up somebody was renamed, and the audit went on and was recorded outside."""
    with transaction() as session:
        session.execute(sa.text("UPDATE staff SET name = 'Since then'"))
        audit.record(session, ACTOR, "staff.change", target=("staff", 1), now=utc_now())
        record_head(session, file=data_dir / HEADS_FILE, now=utc_now())
    return made


def is_restored(data_dir: Path) -> bool:
    """Whether the state of the back-up stands, whole; else that of before must, whole."""
    with transaction() as session:
        is_old = session.execute(sa.text("SELECT count(*) FROM staff WHERE name = 'Since then'")).scalar_one() == 0
        actions = session.execute(sa.text("SELECT action FROM audit_entry ORDER BY id")).scalars().all()
        assert ("backup.restore" in actions) is is_old
        assert ("staff.change" in actions) is not is_old
        assert verify(session, recorded_heads=data_dir / HEADS_FILE).broken is None
    return is_old


def put_away(data_dir: Path, database: sa.Engine) -> bool:
    return (
        not list(data_dir.glob(".restore-*"))
        and not (data_dir / "restore.json").exists()
        and databases_of(database) == {"inet", "postgres"}
    )


@pytest.mark.parametrize("where", ["loaded", "restore.ready"])
def test_killed_before_the_swap_nothing_has_changed(changed: Made, where: str, data_dir: Path, database: sa.Engine) -> None:
    die_at(changed, where)
    assert not is_restored(data_dir)
    assert _until(lambda: not restoring.recover() and put_away(data_dir, database))
    assert not is_restored(data_dir)


def test_killed_after_the_swap_the_next_command_ends_it(changed: Made, data_dir: Path, database: sa.Engine) -> None:
    die_at(changed, "restore.swapped")
    assert (data_dir / "restore.json").exists()
    redis.client().set("of-rows-that-are-no-more", "1")
    assert _until(restoring.recover)
    assert redis.client().get("of-rows-that-are-no-more") is None
    assert is_restored(data_dir)
    kept = databases_of(database) - {"inet", "postgres"}
    assert len(kept) == 1  # what was there before is nobody's leftover
    with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{kept.pop()}"'))
    assert put_away(data_dir, database)


def test_told_to_stop_just_after_the_swap_it_ends_what_belongs_to_it(
    changed: Made, data_dir: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(boundary: str) -> None:
        if boundary == "restore.swapped":
            raise SystemExit(143)

    monkeypatch.setattr(failpoints, "boundary", told)
    with pytest.raises(SystemExit):
        restoring.restore(changed.path, actor=ACTOR, clock=utc_now, force=True)
    assert is_restored(data_dir)
    (kept,) = databases_of(database) - {"inet", "postgres"}
    with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{kept}"'))
    assert put_away(data_dir, database)


def test_a_file_that_turns_out_to_be_damaged_at_its_end_changes_nothing(changed: Made, data_dir: Path, database: sa.Engine) -> None:
    data = changed.path.read_bytes()
    changed.path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(restoring.BackupFailed):
        restoring.restore(changed.path, actor=ACTOR, clock=utc_now, force=True)
    assert not is_restored(data_dir)
    assert put_away(data_dir, database)


def _until(done: Callable[[], bool]) -> bool:
    """The killed one's connection, and with it its lock, ends a moment after it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.1)
    return False
