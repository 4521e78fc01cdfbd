"""Who is logged in is the same at each console process, and a copy of Redis tells nobody."""

from __future__ import annotations

import pytest
from nicegui import app as served
from nicegui.testing import User

from app import redis
from pages.browser_store import BrowserStore
from pages.shell import TOKEN
from services.accounts.models import Role
from tests.pages.conftest import SignIn

pytestmark = pytest.mark.usefixtures("shop")


def _elsewhere(user: User) -> BrowserStore:
    """The same browser's store, as another process has it."""
    with user:
        return BrowserStore(str(served.storage.browser["id"]))


def _token(user: User) -> str:
    with user:
        return str(served.storage.user[TOKEN])


async def test_whoever_logs_in_at_one_process_is_logged_in_at_the_others(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    other = _elsewhere(user)
    assert await other.reload()
    assert other[TOKEN] == _token(user)
    assert not await other.reload()


async def test_who_was_logged_out_at_another_process_is_logged_out_here_with_the_next_page(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    other = _elsewhere(user)
    await other.reload()
    other.clear()
    await other.save()
    await user.open("/console/payments")
    await user.should_see(marker="log-in")


async def test_redis_holds_neither_the_browsers_name_nor_the_token(user: User, sign_in: SignIn) -> None:
    await user.open("/console/login")
    assert not list(redis.client().scan_iter("console-browser:*")), "a visitor leaves nothing"
    await sign_in(Role.CUSTOMER_CARE)
    with user:
        name = str(served.storage.browser["id"])
    (key,) = redis.client().scan_iter("console-browser:*")
    assert name.encode() not in key
    assert _token(user).encode() not in (redis.client().get(key) or b"")
    assert 0 < redis.client().ttl(key) <= 30 * 86400
