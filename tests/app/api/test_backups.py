"""Back-ups over JSON: which there are, and one more."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app import redis
from app.clock import utc_now
from app.db import transaction
from app.direct import direct_engine
from services.accounts.models import Role
from services.operations.backup.making import LOCK
from services.operations.backup_models import Backup, BackupState
from tests.app.api.asking import Api, Headers, refusal

PATH = "/api/v1/backups"


@pytest.fixture
def root(api: Api) -> Headers:
    redis.client().delete("rq:queue:bulk")
    return api.staff(Role.ROOT)


def test_the_newest_come_first_with_what_they_hold(api: Api, root: Headers) -> None:
    now = utc_now()
    content = {"rows": {"payment": 12}, "files": {"files": 3, "missing": 1}}
    with transaction() as session:
        for number, state in enumerate((BackupState.VERIFIED, BackupState.FAILED, BackupState.RUNNING)):
            held = content if state is BackupState.VERIFIED else {}
            session.add(Backup(state=state, file_name=f"{number}.inetbackup", started_at=now + timedelta(hours=number), content=held))
    found = api.every(PATH, root, limit=2)
    assert [(item["state"], item["payments"], item["files_missing"]) for item in found] == [
        ("running", None, None),
        ("failed", None, None),
        ("verified", 12, 1),
    ]


def test_one_is_asked_for_once_under_a_key_and_not_while_one_is_made(api: Api, root: Headers) -> None:
    for _ in range(2):
        assert api.http.post(PATH, headers=root | {"Idempotency-Key": "one-more-now"}).status_code == 202
    assert redis.client().llen("rq:queue:bulk") == 1
    with direct_engine() as direct, direct.connect() as other:
        other.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        refusal(api.http.post(PATH, headers=root), 409, "backup_under_way")


def test_who_may_not_neither_reads_nor_asks(api: Api) -> None:
    care = api.staff(Role.CUSTOMER_CARE)
    refusal(api.http.get(PATH, headers=care), 403)
    refusal(api.http.post(PATH, headers=care), 403)
