"""Back-ups by schedule: a process of its own begins when one is due, and only one at a time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs import backups
from services.accounts.models import Role
from services.operations.backup_models import Backup, BackupState
from tests.pages import builders


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """This process's own, gone afterwards."""
    yield get_settings().data_dir
    shutil.rmtree(get_settings().data_dir, ignore_errors=True)


def rows() -> list[Backup]:
    with transaction() as session:
        return list(session.exec(select(Backup).order_by(col(Backup.id))).all())


def test_one_that_is_due_is_made_by_a_process_of_its_own_and_is_then_not_due(database: sa.Engine, data_dir: Path) -> None:
    with transaction() as session:
        builders.a_staff(session, Role.ROOT, now=utc_now() - timedelta(hours=2))
    backups.sweep()
    backups.sweep()
    backups.make_now("root@inet.test")  # it goes on, and is what was asked for
    deadline = time.monotonic() + 120
    while not rows() or rows()[0].ended_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (row,) = rows()
    assert (row.state, row.asked_by, row.error) == (BackupState.VERIFIED, "scheduler", "")
    assert (data_dir / "backups" / row.file_name).stat().st_size == row.size_bytes
    backups.sweep()
    assert len(rows()) == 1
