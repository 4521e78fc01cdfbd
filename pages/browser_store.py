"""What a browser's session keeps (who is logged in, light or dark), shared by every console process.

NiceGUI would keep it in files of one machine, read once, or in Redis with two connections for each visitor, logged in or not. Here it is
one sealed value in Redis, found by a keyed hash of the browser's name: a copy of Redis opens nothing. A page reads it when it opens, so
another process may have changed it meanwhile. Nothing is written for who never logged in.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import anyio.to_thread
import structlog
from nicegui import app, background_tasks
from nicegui.persistence import PersistentDict
from nicegui.storage import USER_PREFIX, Storage

from app import keys, redis
from app.errors import Unavailable

# Longer than the cookie that names the browser (14 days after its last use).
_LASTS_SECONDS = 30 * 86400
_PURPOSE = "console-browser"
log = structlog.get_logger(__name__)


class BrowserStore(PersistentDict):
    """The values of one browser, as this process knows them."""

    def __init__(self, name: str) -> None:
        self._keys = tuple(f"console-browser:{mac}" for mac in keys.keyed_macs(_PURPOSE, name))
        self._is_taking_in, self._is_unsaved = False, False
        self._one_at_a_time = asyncio.Lock()
        super().__init__(data={}, on_change=self._changed)

    async def initialize(self) -> None:
        """Called by NiceGUI at a browser's first request here. Without Redis it stays unread, and `reload` tells."""
        try:
            await self.reload()
        except Unavailable:
            log.info("console.browser_unread")

    def initialize_sync(self) -> None:
        """Only the storage that all browsers share is read like that, and this is not it."""

    async def reload(self) -> bool:
        """Take in what other processes wrote; whether anything is other than it was. Raises Unavailable without Redis."""
        try:
            await self.save()
            values = await anyio.to_thread.run_sync(self._read)
        except redis.Away:
            raise Unavailable("The session store is not answering. Try again in a minute.") from None
        if self._is_unsaved or values == dict(self):
            # Or changed while it was read: what was read is the older.
            return False
        self._is_taking_in = True
        try:
            self.clear()
            self.update(values)
        finally:
            self._is_taking_in = False
        return True

    async def save(self) -> None:
        """Wait until Redis holds what stands here. Raises what `redis.Away` names."""
        async with self._one_at_a_time:
            while self._is_unsaved:
                self._is_unsaved = False
                try:
                    await anyio.to_thread.run_sync(self.write, dict(self))
                except redis.Away:
                    self._is_unsaved = True
                    raise

    def _read(self) -> dict[str, Any]:
        found = cast("list[bytes | None]", redis.client().mget(self._keys))
        return next((_opened(one) for one in found if one is not None), {})

    def write(self, values: dict[str, Any]) -> None:
        """Put these values into Redis. Raises what `redis.Away` names."""
        client = redis.client()
        if values:
            client.set(self._keys[0], keys.seal_json(_PURPOSE, values), ex=_LASTS_SECONDS)
        if gone := self._keys[1:] if values else self._keys:
            client.delete(*gone)

    def _changed(self) -> None:
        if not self._is_taking_in:
            self._is_unsaved = True
            background_tasks.create(self._save_quietly(), name="console browser")

    async def _save_quietly(self) -> None:
        try:
            await self.save()
        except redis.Away:
            # It is tried again when a page opens. Without Redis nobody is logged in anyway.
            log.info("console.browser_unsaved")

    async def close(self) -> None:
        """NiceGUI drops it when no page of this browser is left here."""
        await self._save_quietly()


def _opened(sealed: bytes) -> dict[str, Any]:
    try:
        return keys.unseal_json(_PURPOSE, sealed.decode())
    except (keys.BadSeal, UnicodeDecodeError):
        return {}


def install() -> None:
    """Have NiceGUI keep `app.storage.user` here. Before it serves; doing it twice changes nothing."""
    Storage._create_persistent_dict = staticmethod(_make)  # type: ignore[method-assign]


_make_other = Storage._create_persistent_dict


def _make(id: str) -> PersistentDict:
    return BrowserStore(id.removeprefix(USER_PREFIX)) if id.startswith(USER_PREFIX) else _make_other(id)


def own() -> BrowserStore:
    """The store of the browser that asks."""
    store = app.storage.user
    assert isinstance(store, BrowserStore)
    return store
