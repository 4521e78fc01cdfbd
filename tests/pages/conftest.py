"""A simulated browser on NiceGUI's application with the console's pages and nothing else, against the real database and Redis."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from nicegui.storage import Storage
from nicegui.testing import User, user_simulation

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from tests.pages import builders

SignIn = Callable[[Role], Coroutine[None, None, None]]


@pytest.fixture
def now() -> datetime:
    return utc_now()


@pytest.fixture
def shop(database: sa.Engine, now: datetime) -> None:
    """One of everything, committed: the pages work in threads with transactions of their own."""
    with transaction() as session:
        builders.a_whole_shop(session, now=now, payments_of_each=1)


@pytest.fixture
async def user(
    database: sa.Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[User]:
    """Fails the test on any logged error, as a person would notice one."""
    monkeypatch.setattr(Storage, "path", tmp_path)
    async with user_simulation() as simulated:
        import pages

        pages.register()
        yield simulated
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def sign_in(user: User) -> SignIn:
    return partial(log_in, user)


async def log_in(user: User, role: Role) -> None:
    """Log in through the form, as a person does."""
    await user.open("/console/login")
    user.find(marker="email").clear().type(builders.email_of(role))
    user.find(marker="password").clear().type(builders.PASSWORD)
    user.find(marker="log-in").click()
    await user.should_see(marker="person", retries=100)
