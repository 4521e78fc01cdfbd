"""All registered routers, as this process knows them: read in one statement, and anew once Redis names another edition of the list.

So ten thousand polling routers cost PostgreSQL nothing, and a new key, a new router or a removed one counts within a poll or a moment.
"""

from __future__ import annotations

import asyncio
import time

from sqlmodel import Session

from app import redis
from app.db import in_transaction
from app.hot import Batcher
from services.access import busy, gateways
from services.access.gateways import RouterIdentity

# How old the list may get while Redis says nothing: it is away, or was emptied and not filled again yet.
_UNTOLD_SECONDS = 5.0
# Reading the list takes at most about a third of a process's time, however fast it changes.
_REST_OF_LOADS = 2.0


class KnownRouters:
    """The list of one process, and which edition it is."""

    def __init__(self) -> None:
        self._identities: dict[str, RouterIdentity] = {}
        self._edition = b""
        self._loaded_at = float("-inf")
        self._load_seconds = 0.0
        self._loading: asyncio.Task[None] | None = None

    def get(self, slug: str) -> RouterIdentity | None:
        """What this process believes at this moment; nobody is asked."""
        return self._identities.get(slug)

    async def find(self, slug: str) -> RouterIdentity | None:
        """What is true now, as far as Redis knows of changes."""
        try:
            edition = await _edition("")
        except redis.Away:
            edition = b""
        await self.heed(edition)
        if not edition and slug not in self._identities:
            # Nobody can tell whether it is new: a router that was just registered must not be a stranger because Redis is away.
            await self._read_anew()
        return self._identities.get(slug)

    def is_edition(self, edition: bytes) -> bool:
        """Whether the list is of this edition; an empty one says that nobody knows, which is believed for seconds."""
        if not edition:
            return time.monotonic() - self._loaded_at < _UNTOLD_SECONDS
        return edition == self._edition

    async def heed(self, edition: bytes) -> None:
        """Read the list anew unless it is of this edition. Whoever waits shares one reading that began after they asked."""
        if self.is_edition(edition):
            return
        if self._loading is not None and not self._loading.done():
            await asyncio.shield(self._loading)
            if self.is_edition(edition):
                return
        await self._read_anew()

    async def _read_anew(self) -> None:
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    async def _load(self) -> None:
        rest = self._loaded_at + _REST_OF_LOADS * self._load_seconds - time.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)
        began = time.monotonic()
        self._edition, self._identities = await in_transaction(_read)
        self._loaded_at = time.monotonic()
        self._load_seconds = self._loaded_at - began


def _read(session: Session) -> tuple[bytes, dict[str, RouterIdentity]]:
    # The edition first: what changes while the list is read has another one.
    try:
        edition = redis.client().get(busy.EDITION)
    except redis.Away:
        edition = None
    return edition if isinstance(edition, bytes) else b"", gateways.router_identities(session)


async def _ask_redis(batch: list[str]) -> list[bytes]:
    found = await redis.async_client().get(busy.EDITION)
    return [found if isinstance(found, bytes) else b""] * len(batch)


_edition: Batcher[str, bytes] = Batcher(_ask_redis)
known_routers = KnownRouters()
