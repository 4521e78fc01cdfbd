"""News for open pages: one listener per process hears the Redis channel and tells the pages that asked for its topics.

News is a hint (app/events.py): a page that hears nothing is merely older than it could be, so Redis may be away at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextvars import Context, copy_context

import orjson
import redis.asyncio
import structlog
from nicegui import Client, background_tasks, ui

from app.events import CHANNEL
from app.redis import Away
from app.settings import get_settings
from pages.shell import silent_on_refusal

_AT_MOST_EVERY_SECONDS = 1.0
_RETRY_SECONDS = 3.0
log = structlog.get_logger(__name__)


class Subscription:
    """One page's wish to be refreshed. Bursts of news become one refresh a second; news during a refresh makes one more."""

    def __init__(self, client: Client, topics: Collection[str], refresh: Callable[[], Awaitable[None]]) -> None:
        self.topics = frozenset(topics)
        self._client, self._refresh = client, refresh
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
            while self._is_wanted and not self._client.is_deleted:
                self._is_wanted = False
                with self._client, silent_on_refusal():
                    await self._refresh()
                await asyncio.sleep(_AT_MOST_EVERY_SECONDS)
        finally:
            self._is_running = False


class Listener:
    """Reads the channel while any page is open, and connects again whenever Redis went away."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, subscription: Subscription) -> None:
        if self._task is not None and self._task.get_loop() is not asyncio.get_running_loop():
            # The loop of these pages is gone (an application started anew in one process), and they with it.
            self._subscriptions.clear()
            self._task = None
        self._subscriptions.add(subscription)
        if self._task is None or self._task.done():
            self._task = Context().run(background_tasks.create, self._listen(), name="console events")

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
                await asyncio.sleep(_RETRY_SECONDS)

    async def _hear(self) -> None:
        # A connection of its own: the shared client's reads give up after a second, and this one waits for a living.
        client = redis.asyncio.Redis.from_url(get_settings().redis_url, socket_connect_timeout=1)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(CHANNEL)
                while self._subscriptions:
                    message = await channel.get_message(timeout=5.0)
                    if message is not None:
                        self._pass_on(message["data"])
        finally:
            await client.aclose()

    def _pass_on(self, data: bytes) -> None:
        try:
            topic = orjson.loads(data)["topic"]
        except (ValueError, KeyError, TypeError):
            return
        self.tell(topic)


_listener = Listener()


def refresh_on(topics: Collection[str], refresh: Callable[[], Awaitable[None]]) -> None:
    """Have `refresh` called, within about a second, whenever a row of these topics changed, as long as this page is open."""
    client = ui.context.client
    subscription = Subscription(client, topics, refresh)
    _listener.add(subscription)
    client.on_delete(lambda: _listener.remove(subscription))
