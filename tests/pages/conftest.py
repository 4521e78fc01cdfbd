"""A simulated browser on NiceGUI's application with the console's pages and nothing else, against the real database and Redis."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nicegui import background_tasks
from nicegui.elements.mixins.disableable_element import DisableableElement
from nicegui.storage import Storage
from nicegui.testing import User, user_simulation
from nicegui.testing.user_interaction import UserInteraction

from app.clock import utc_now
from services.accounts.models import Role
from tests.pages import builders
from tests.shop import Shop

# A machine that is busy with the rest of the suite may stand still for a moment (0.1 s each).
_RETRIES = 200
SignIn = Callable[[Role], Coroutine[None, None, None]]


@pytest.fixture
def now() -> datetime:
    return utc_now()


@pytest.fixture
def shop(database: sa.Engine, shop_builder: Shop) -> None:
    """One of everything, committed: the pages work in threads with transactions of their own."""
    shop_builder.open(database)


@pytest.fixture
async def user(
    database: sa.Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[User]:
    """Fails the test on any logged error, as a person would notice one."""
    monkeypatch.setattr(Storage, "path", tmp_path)
    _be_patient(monkeypatch)
    async with user_simulation() as simulated:
        import pages

        pages.register()
        _keep_what_was_loaded()
        yield simulated
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


def _be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a person does: look for longer than a moment, and press a button that is still busy once it is free again."""
    for look in (User.should_see, User.should_not_see):
        monkeypatch.setitem(look.__kwdefaults__, "retries", _RETRIES)  # type: ignore[arg-type]
    click = UserInteraction.click

    def click_when_free(what: UserInteraction[Any]) -> UserInteraction[Any]:
        if any(not isinstance(one, DisableableElement) or one.enabled for one in what.elements):
            return click(what)
        background_tasks.create(_click_later(what, click))
        return what

    monkeypatch.setattr(UserInteraction, "click", click_when_free)


async def _click_later(what: UserInteraction[Any], click: Callable[[UserInteraction[Any]], object]) -> None:
    for _ in range(_RETRIES):
        await asyncio.sleep(0.05)
        if all(one.is_deleted for one in what.elements):
            return
        if any(isinstance(one, DisableableElement) and one.enabled for one in what.elements):
            click(what)
            return


@cache
def _keep_what_was_loaded() -> None:
    """Once: what the first page test imported stays as well, and need not be walked at the garbage collections around each later one."""
    gc.collect()
    gc.freeze()


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
