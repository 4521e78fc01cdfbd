"""Pages that were left need no garbage collector; when the console looks through everything it keeps, and what it leaves alone else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from nicegui import ui
from nicegui.testing import User
from starlette.types import Message, Receive, Scope, Send

from pages.garbage import Keeping, LettingGo, put_aside
from services.accounts.models import Role
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until

# Of hundreds: timers until they wake, and what a page's own object keeps that is heard by itself.
_MAY_STAY = 20


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    yield
    # What the suite had put aside stays so (tests/pages/conftest.py).
    gc.freeze()


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("path", ["", "/tickets", "/payments", "/vouchers", "/money", "/customers/1", "/reconciliation", "/staff"])
async def test_a_page_that_was_left_is_freed_without_the_collector(user: User, sign_in: SignIn, path: str) -> None:
    await sign_in(Role.ROOT)
    gc.disable()
    try:
        await user.open(f"/console{path}")
        await user.should_see(marker="person")
        left = user.client
        assert left is not None
        await user.open("/console/login")
        elements = [weakref.ref(one) for one in left.elements.values()]
        page = weakref.ref(left)
        left.delete()
        del left
        await until(lambda: page() is None)
        await until(lambda: sum(one() is not None for one in elements) <= _MAY_STAY)
    finally:
        gc.enable()


@pytest.mark.usefixtures("shop")
async def test_what_was_drawn_anew_is_freed_without_the_collector(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    client = user.client
    assert client is not None
    gc.disable()
    try:
        with client.content:
            place = ui.element()
        with place:
            old = [weakref.ref(ui.input("Name", on_change=lambda: place.clear())), weakref.ref(ui.label("Here").classes("soft"))]
        place.clear()
        await until(lambda: [one() for one in old] == [None, None])
    finally:
        gc.enable()


@pytest.mark.parametrize(("kind", "is_freed"), [("websocket", True), ("http", False)])
async def test_a_connection_that_ended_is_freed_though_a_circle_names_it(kind: str, is_freed: bool) -> None:
    class Connection:
        async def receive(self) -> Message:
            return {"type": "said"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        class Kept:
            async def read(self) -> Message:
                return await receive()

        assert await Kept().read() == {"type": "said"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    connection = Connection()
    gone = weakref.ref(connection)
    gc.disable()
    try:
        await LettingGo(app)({"type": kind}, connection.receive, send)
        del connection
        assert (gone() is None) is is_freed
    finally:
        gc.enable()


def test_a_circle_that_was_put_aside_goes_when_all_is_looked_at() -> None:
    circle = Circle()
    gone = weakref.ref(circle)
    put_aside()
    del circle
    put_aside()
    assert gone() is not None
    gc.unfreeze()
    put_aside()
    assert gone() is None


def test_a_young_circle_goes_at_once() -> None:
    gone = weakref.ref(Circle())
    put_aside()
    assert gone() is None


def test_while_pages_are_open_all_is_looked_at_only_after_very_many() -> None:
    keeping = Keeping(0.0)
    for _ in range(19_999):
        keeping.closed()
    assert not keeping.is_time_for_all(has_pages=True, now=1000.0)
    keeping.closed()
    assert keeping.is_time_for_all(has_pages=True, now=1001.0)
    assert not keeping.is_time_for_all(has_pages=True, now=1002.0)


def test_when_nobody_has_been_there_for_ten_minutes_a_hundred_pages_are_worth_it() -> None:
    keeping = Keeping(0.0)
    for _ in range(100):
        keeping.closed()
    assert not keeping.is_time_for_all(has_pages=True, now=100.0)
    assert not keeping.is_time_for_all(has_pages=False, now=699.0)
    assert keeping.is_time_for_all(has_pages=False, now=700.0)


def test_a_quiet_process_in_which_little_was_opened_is_left_alone() -> None:
    keeping = Keeping(0.0)
    keeping.closed()
    assert not keeping.is_time_for_all(has_pages=False, now=10_000.0)
