"""Python's garbage collector, kept from holding up every open page of a console process.

A full collection walks through everything that is kept, and nothing else of the process runs meanwhile: with fifty open pages 0.7 s. So
what has been kept for a moment is put out of the collector's way, page or not (`gc.freeze`), and a collection walks only through what came
since.

A page needs no collector, because it is taken apart when it is deleted: then each part is freed as soon as nothing holds it. Circles that
are left all the same stay until everything is looked at again: when nobody has had a page open for a while, which is every night, and else
after so many pages that it could be felt.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from nicegui import Client, app, background_tasks
from nicegui.element import Element
from nicegui.elements.timer import Timer
from nicegui.observables import ObservableCollection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import process

_LOOKED_EVERY_SECONDS, _SOON_SECONDS = 0.25, 0.004
# Young and middle collections go on by themselves (Python's own figures); the full ones are made here.
_THRESHOLDS = (700, 10, 1_000_000)
# After so many middle ones, each of about 8,000 new things: some 10 ms. What a transaction works with is full of circles and would be put
# away with the rest while it runs, so that is done in a moment without one.
_MIDDLE_ONES = 4
# It takes half a second.
_NOBODY_SECONDS, _WORTH_PAGES, _AT_LAST_PAGES = 600.0, 100, 20_000


def install() -> None:
    """From the start of the console's loop on."""
    _take_apart_what_is_removed()
    # A simulated browser registers the pages on an application that runs already, and has few of them.
    if not app.is_started:
        app.on_startup(lambda: background_tasks.create(_look(), name="console garbage"))


async def _look() -> None:
    gc.set_threshold(*_THRESHOLDS)
    keeping = Keeping(time.monotonic())
    app.on_delete(lambda _client: keeping.closed())
    while not app.is_stopping:
        await asyncio.sleep(_SOON_SECONDS if keeping.is_due else _LOOKED_EVERY_SECONDS)
        keeping.is_due |= gc.get_count()[2] >= _MIDDLE_ONES
        if keeping.is_time_for_all(has_pages=bool(Client.instances), now=time.monotonic()):
            gc.unfreeze()
            put_aside()
        elif keeping.is_due and not process.pool()[0]:
            keeping.is_due = False
            put_aside()
        elif gc.get_count()[2] >= _MIDDLE_ONES:
            gc.collect()


class LettingGo:
    """Frees a browser's connection when it ends: engineio 4.15 makes a class for each, and a class is a circle that keeps what it names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self._app(scope, receive, send)
        connection = [receive]

        async def heard() -> Message:
            return await connection[0]()

        try:
            await self._app(scope, heard, send)
        finally:
            connection.clear()


@cache
def _take_apart_what_is_removed() -> None:
    """NiceGUI has no call for it: an element is removed by itself, with the part of a page that is drawn anew, or with its page."""
    removed, deleted = Client.remove_elements, Client.delete

    def remove(client: Client, elements: Iterable[Element]) -> None:
        listed = list(elements)
        removed(client, listed)
        # Whoever removes them may have to say something about them yet. Without a loop nobody has, and there is no page.
        with suppress(RuntimeError):
            asyncio.get_running_loop().call_soon(take_apart, listed)

    def delete(client: Client) -> None:
        deleted(client)
        for handlers in (client.delete_handlers, client.connect_handlers, client.disconnect_handlers):
            handlers.clear()

    Client.remove_elements, Client.delete = remove, delete  # type: ignore[assignment, method-assign]


def take_apart(elements: Iterable[Element]) -> None:
    """Let removed elements go, and those who listen to them: whoever still holds one may use it, and nobody hears of it."""
    for element in elements:
        if isinstance(element, Timer):
            # It was cancelled and notices it when it wakes, which may be in a minute.
            element.callback = None
        for named, kept in vars(element).items():
            if isinstance(kept, ObservableCollection):
                kept._change_handlers.clear()
            elif isinstance(kept, list) and named.endswith("_handlers"):
                kept.clear()


def put_aside() -> None:
    """Free what nothing reaches, and walk through the rest no more."""
    gc.collect()
    gc.freeze()


class Keeping:
    """When everything is looked at again. Times are monotonic seconds. `is_due`: what is new waits to be put aside."""

    def __init__(self, now: float) -> None:
        self._used_at, self._pages = now, 0
        self.is_due = False

    def closed(self) -> None:
        """A page was."""
        self._pages += 1

    def is_time_for_all(self, *, has_pages: bool, now: float) -> bool:
        """Whether enough was closed to be worth it, and nobody waits or it could be felt; counts anew from then on."""
        if has_pages:
            self._used_at = now
        is_quiet = now - self._used_at >= _NOBODY_SECONDS
        if self._pages < (_WORTH_PAGES if is_quiet else _AT_LAST_PAGES):
            return False
        self._pages = 0
        return True
