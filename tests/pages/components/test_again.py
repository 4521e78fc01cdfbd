"""What an open page does again and again, until it is left."""

from __future__ import annotations

import asyncio

import pytest
from nicegui import background_tasks, ui
from nicegui.testing import User

from pages.components.again import again_every
from services.accounts.models import Role
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until

pytestmark = pytest.mark.usefixtures("shop")


async def test_it_is_done_again_and_ends_with_the_page(user: User, sign_in: SignIn) -> None:
    done: list[int] = []

    async def act() -> None:
        done.append(len(done))
        ui.label(f"Done {len(done)} times")

    await sign_in(Role.ROOT)
    client = user.client
    assert client is not None
    with client.content:
        again_every(0.01, act)
    await until(lambda: len(done) > 2)
    await user.should_see("Done 3 times")
    client.delete()
    await asyncio.sleep(0.05)
    count = len(done)
    await asyncio.sleep(0.05)
    assert len(done) == count
    assert [task for task in background_tasks.running_tasks if "every 0.01 s" in task.get_name()] == []


async def test_a_failure_is_said_and_does_not_end_it(user: User, sign_in: SignIn, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    async def act() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("the first time")

    await sign_in(Role.ROOT)
    client = user.client
    assert client is not None
    with client.content:
        again_every(0.01, act, at_once=True)
    await until(lambda: len(done) > 2)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["the first time"]
    caplog.clear()
