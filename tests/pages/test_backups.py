"""The page of back-ups: what there is, how things stand, one more."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import Session, select

from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.operations.backup_models import Backup, BackupState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, toasted, until

PATH = "/console/backups"
CONTENT = {"rows": {"payment": 1234}, "files": {"files": 7, "missing": 2}}


@pytest.fixture
def some(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        builders.a_staff(session, Role.ROOT, now=now)
        at = now - timedelta(hours=3)
        session.add(
            Backup(state=BackupState.FAILED, file_name="one.inetbackup", started_at=at - timedelta(hours=1), content={}, error="Full.")
        )
        session.add(
            Backup(
                state=BackupState.VERIFIED,
                file_name="two.inetbackup",
                started_at=at,
                snapshot_at=at,
                verified_at=at,
                size_bytes=48_210_944,
                content=CONTENT,
            )
        )


@pytest.mark.usefixtures("some")
async def test_each_says_what_it_holds_and_how_it_ended(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open(PATH)
    await until(lambda: len(table(user, "backups").rows) == 2)
    newest, older = table(user, "backups").rows
    assert (newest["file"], newest["size"], newest["held"]) == ("two.inetbackup", "46 MB", "1,234 payments, 7 files")
    assert newest["said"] == "2 files that rows speak of were missing."
    assert older["said"] == "Full."
    await user.should_see("The newest proven one is of 3 h ago.")


@pytest.mark.usefixtures("some")
async def test_whoever_may_has_one_made(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open(PATH)
    user.find(marker="make-backup").click()
    await until(toasted(user, "A worker begins it. It stands below in a moment, and is proven some minutes later."))
    assert await in_transaction(_audited) == ["backup.make"]


def _audited(session: Session) -> list[str]:
    return list(session.exec(select(AuditEntry.action).where(AuditEntry.target_type == "backup")).all())
