"""The pages of the product's own errors."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import col, select

from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.operations import errors
from services.operations.error_models import ErrorGroup, ErrorState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, toasted, until
from tests.services.operations.faults_made import a_fault


@pytest.fixture
def some(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in (Role.SYSTEM_ADMIN, Role.CUSTOMER_CARE):
            builders.a_staff(session, role, now=now)
        errors.record(session, [a_fault("a", times=3, at=now - timedelta(hours=3)), a_fault("b", at=now)], now=now)


async def the_newest() -> ErrorGroup:
    def find(session: object) -> ErrorGroup:
        with transaction() as own:
            return own.exec(select(ErrorGroup).order_by(col(ErrorGroup.last_at).desc()).limit(1)).one()

    return await in_transaction(find)


@pytest.mark.usefixtures("some")
async def test_open_ones_are_listed_and_one_is_read_assigned_noted_and_resolved(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/errors")
    await user.should_see("1–2 of 2", retries=50)
    assert {row["kind"] for row in table(user, "errors").rows} == {"KeyError"}
    one = await the_newest()
    await user.open(f"/console/errors/{one.id}")
    for words in ("KeyError", "absorb", "'currency'", "jobs.payments.sweep", "story-0001", "Somebody has to look into it"):
        await user.should_see(words)

    user.find(marker="note").click()
    user.find(marker="note-text").type("A currency was missing.")
    user.find(marker="keep-note").click()
    await until(toasted(user, "Kept."))
    user.find(marker="resolve").click()
    await until(toasted(user, "Resolved."))
    assert (await the_newest()).state is ErrorState.RESOLVED
    await user.open(f"/console/errors/{one.id}")
    await user.should_see("A currency was missing.")
    await user.should_see(marker="reopen")
    await user.open("/console/errors")
    await user.should_see("1–1 of 1", retries=50)


@pytest.mark.usefixtures("some")
async def test_who_may_not_see_them_does_not(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/errors")
    await user.should_see(marker="not-allowed")
