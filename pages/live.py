"""News for open pages: one listener per process hears the Redis channel and tells the pages that asked for its topics.

News is a hint (app/events.py): a page that hears nothing is merely older than it could be, so Redis may be away at any time. The page
says so while it is (static/connection.js), and is drawn anew when it is back, for what was said meanwhile nobody repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextvars import Context, copy_context

import orjson
import structlog
from nicegui import Client, background_tasks, ui

from app.events import CHANNEL
from app.redis import Away, listening_client
from pages.shell import silent_on_refusal

_AT_MOST_EVERY_SECONDS = 1.0
# News concerns all open pages in the same moment. Refreshed a few at a time they take turns with whoever is doing something; all at once
# their threads would keep the event loop from its processor, and with it everybody.
_AT_ONCE = 3
_RETRY_SECONDS = 3.0
log = structlog.get_logger(__name__)


class Subscription:
    """One page's wish to be refreshed. Bursts of news become one refresh in so many seconds; news during a refresh makes one more."""

    def __init__(self, client: Client, topics: Collection[str], refresh: Callable[[], Awaitable[None]], at_most_every: float) -> None:
        self.topics, self._pause = frozenset(topics), at_most_every
        self.client, self._refresh = client, refresh
        # Whose page it is stands in the context of the page's making. In that of the one who brings the news, which is another
        # person's, the refresh would act, and show, with that other person's rights.
        self._context = copy_context()
        self._is_wanted, self._is_running = False, False

    def tell(self) -> None:
        self._is_wanted = True
        if not self._is_running:
            self._is_running = True
            self._context.run(background_tasks.create, self._run(), name="console refresh")

    async def _run(self) -> None:
        try:
            while self._is_wanted and not self.client.is_deleted:
                async with _listener.turns:
                    self._is_wanted = False
                    if not self.client.is_deleted:
                        with self.client, silent_on_refusal():
                            await self._refresh()
                await asyncio.sleep(self._pause)
        finally:
            self._is_running = False


class Listener:
    """Reads the channel while any page is open, and connects again whenever Redis went away."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        self.turns = asyncio.Semaphore(_AT_ONCE)

    def add(self, subscription: Subscription) -> None:
        if self._task is not None and self._task.get_loop() is not asyncio.get_running_loop():
            # The loop of these pages is gone (an application started anew in one process), and they with it.
            self._subscriptions.clear()
            self._task, self.turns = None, asyncio.Semaphore(_AT_ONCE)
        self._subscriptions.add(subscription)
        if self._task is None or self._task.done():
            self._task = Context().run(background_tasks.create, self._listen(), name="console events")

    @property
    def count(self) -> int:
        return len(self._subscriptions)

    def remove(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def tell(self, topic: str) -> None:
        for subscription in self._subscriptions:
            if topic in subscription.topics:
                subscription.tell()

    async def _listen(self) -> None:
        while self._subscriptions:
            try:
                await self._hear()
            except Away:
                log.info("console.events_away")
                if not self._is_away:
                    self._is_away = True
                    self._say()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _hear(self) -> None:
        # A connection of its own: the shared client's reads give up after a second, and this one waits for a living.
        client = listening_client()
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(CHANNEL)
                self._is_back()
                while self._subscriptions:
                    message = await channel.get_message(timeout=5.0)
                    if message is not None:
                        self._pass_on(message["data"])
        finally:
            await client.aclose()

    def _is_back(self) -> None:
        if self._is_away:
            self._is_away = False
            self._say()
            for subscription in self._subscriptions:
                subscription.tell()

    def _say(self) -> None:
        for client in {subscription.client for subscription in self._subscriptions}:
            if not client.is_deleted:
                client.run_javascript(f"window.inetNews?.({'false' if self._is_away else 'true'})")

    def _pass_on(self, data: bytes) -> None:
        try:
            topic = orjson.loads(data)["topic"]
        except (ValueError, KeyError, TypeError):
            return
        self.tell(topic)


_listener = Listener()


def refresh_on(topics: Collection[str], refresh: Callable[[], Awaitable[None]], *, at_most_every: float = _AT_MOST_EVERY_SECONDS) -> None:
    """Have `refresh` called whenever a row of these topics changed, as long as this page is open.

    At once after a while without news, then every `at_most_every` seconds at most.
    """
    client = ui.context.client
    subscription = Subscription(client, topics, refresh, at_most_every)
    _listener.add(subscription)
    client.on_delete(lambda: _listener.remove(subscription))


def listening() -> int:
    """How many wishes of open pages this process keeps."""
    return _listener.count
