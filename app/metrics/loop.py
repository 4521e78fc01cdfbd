"""How late the event loop is: what a blocking call on it costs every browser at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from app import metrics

_EVERY_SECONDS = 0.5


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Look twice a second whether the running loop comes back when it should, as long as the block lasts."""
    task = asyncio.create_task(_watch())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _watch() -> None:
    clock = asyncio.get_running_loop().time
    while True:
        asked = clock()
        await asyncio.sleep(_EVERY_SECONDS)
        metrics.loop_lagged(max(0.0, clock() - asked - _EVERY_SECONDS))
