"""Back-ups over time: when one is due, which stay, and the alarm."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.db import transaction
from app.direct import direct_engine
from services.accounts.models import Role
from services.accounts.permissions import Forbidden, Permission, Principal
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.operations.backup import keeping
from services.operations.backup.making import LOCK, directory
from services.operations.backup_models import Backup, BackupState
from tests.conftest import NOON
from tests.pages import builders

S = BackupState
HOUR = timedelta(hours=1)


def a_backup(session: Session, state: BackupState, at: datetime) -> Backup:
    row = Backup(state=state, file_name=f"{at:%d%H%M}.inetbackup", started_at=at, snapshot_at=at, content={})
    session.add(row)
    session.flush()
    return row


def test_the_first_is_due_an_hour_after_the_installation(session: Session) -> None:
    assert not keeping.is_due(session, now=NOON)
    builders.a_staff(session, Role.ROOT, now=NOON)
    assert not keeping.is_due(session, now=NOON + HOUR - timedelta(seconds=1))
    assert keeping.is_due(session, now=NOON + HOUR)


@pytest.mark.parametrize(
    ("state", "hours", "is_due"),
    [
        (S.VERIFIED, 23, False),
        (S.VERIFIED, 24, True),
        (S.FAILED, 0.5, False),
        (S.FAILED, 1, True),
        (S.RUNNING, 0.5, False),
        (S.MADE, 2, True),
    ],
)
def test_one_is_due_a_period_after_a_proven_one_and_an_hour_after_a_failure(
    session: Session, state: BackupState, hours: float, is_due: bool
) -> None:
    a_backup(session, state, NOON)
    assert keeping.is_due(session, now=NOON + hours * HOUR) is is_due


def test_a_failure_does_not_hide_that_the_newest_proven_one_is_fresh(session: Session) -> None:
    a_backup(session, S.VERIFIED, NOON)
    a_backup(session, S.FAILED, NOON + HOUR)
    assert not keeping.is_due(session, now=NOON + 3 * HOUR)


def standing(session: Session) -> list[str]:
    wanted = select(NetworkAlarm.message).where(NetworkAlarm.kind == AlarmKind.BACKUP_OLD, NetworkAlarm.ended_at == None)  # noqa: E711
    return list(session.exec(wanted).all())


def test_the_alarm_stands_from_two_periods_until_the_next_proven_one(session: Session) -> None:
    a_backup(session, S.VERIFIED, NOON)
    a_backup(session, S.MADE, NOON + 40 * HOUR)
    keeping.watch_age(session, now=NOON + 48 * HOUR)
    assert standing(session) == []
    keeping.watch_age(session, now=NOON + 48 * HOUR + timedelta(seconds=1))
    assert standing(session) == ["The newest back-up that was proven by restoring it: of 22 Nov 12:00 UTC."]
    a_backup(session, S.VERIFIED, NOON + 49 * HOUR)
    keeping.watch_age(session, now=NOON + 50 * HOUR)
    assert standing(session) == []


def test_the_newest_proven_ones_stay_and_the_last_one_in_any_case(
    database: sa.Engine, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.settings import get_settings

    monkeypatch.setenv("INET_BACKUP_KEEP", "2")
    get_settings.cache_clear()
    try:
        directory().mkdir(parents=True)
        states = [S.MADE, S.VERIFIED, S.VERIFIED, S.FAILED, S.VERIFIED, S.MADE]
        with transaction() as session:
            for number, state in enumerate(states):
                (directory() / a_backup(session, state, NOON + number * HOUR).file_name).write_text("sealed")
        (directory() / "of-somebody-else.inetbackup").write_text("sealed")
        assert keeping.forget_old(transaction, now=NOON + 10 * HOUR) == 2
        assert keeping.forget_old(transaction, now=NOON + 10 * HOUR) == 0
        kept = sorted(path.name for path in directory().iterdir())
        assert kept == ["221400.inetbackup", "221500.inetbackup", "221600.inetbackup", "221700.inetbackup", "of-somebody-else.inetbackup"]
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_unproven_ones_do_not_fill_the_disk_and_what_lies_elsewhere_is_left_alone(
    database: sa.Engine, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.settings import get_settings

    monkeypatch.setenv("INET_BACKUP_KEEP", "1")
    get_settings.cache_clear()
    try:
        with transaction() as session:
            a_backup(session, S.MADE, NOON - HOUR).content = {"folder": "/mnt/disk"}
            for number in range(3):
                a_backup(session, S.MADE, NOON + number * HOUR)
        assert keeping.forget_old(transaction, now=NOON + 10 * HOUR) == 2
        with transaction() as session:
            kept = select(Backup.file_name).where(Backup.removed_at == None)  # noqa: E711
            assert sorted(session.exec(kept).all()) == ["221100.inetbackup", "221400.inetbackup"]
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_asking_for_one_takes_the_right_to_and_none_that_is_under_way(session: Session) -> None:
    reader = Principal(kind="staff", id=1, name="care@inet.demo", permissions=frozenset({Permission.BACKUPS_READ}))
    with pytest.raises(Forbidden):
        keeping.ask_for_one(session, actor=reader, now=NOON)
    editor = Principal(kind="staff", id=1, name="root@inet.demo", permissions=frozenset(Permission))
    a_backup(session, S.RUNNING, NOON)  # its process was killed: it is in nobody's way
    keeping.ask_for_one(session, actor=editor, now=NOON)
    with direct_engine() as direct, direct.connect() as other:
        other.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        assert keeping.glance(session, actor=editor, now=NOON).is_under_way
        with pytest.raises(keeping.BackupUnderWay):
            keeping.ask_for_one(session, actor=editor, now=NOON)
