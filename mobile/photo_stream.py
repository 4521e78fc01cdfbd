"""The body of a request goes to the disk as it comes: a link that breaks, and a body that comes too slowly, lose nothing that arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, TypeVarTuple

import anyio.to_thread
from anyio.lowlevel import RunVar
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.clock import utc_now
from services.photos.errors import BeyondTheEnd, UploadBusy
from services.photos.receiving import Receiving
from services.photos.storage import store

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
# How long a link may be silent before a newer request of the same phone takes over; so long at least that one waits.
_SILENCE_SECONDS, _PATIENCE_SECONDS, _ASK_EVERY_SECONDS = 1.0, 3.0, 0.1
# A disk that is slow to sync takes no threads from the rest of the product.
_WRITERS = 8
_writers: RunVar[anyio.CapacityLimiter] = RunVar("photo_writers")
# One thread of its own: the C library keeps freed memory for each thread apart, so that photos painted in twenty threads by turns took a
# gigabyte (measured with tests/drill/photos.py).
_painter = ThreadPoolExecutor(1, thread_name_prefix="photo-painter")


async def write(call: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run what writes a photo's bytes or rows in a thread."""
    limiter = _writers.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(_WRITERS)
        _writers.set(limiter)
    return await anyio.to_thread.run_sync(call, *args, limiter=limiter)


async def paint(call: Callable[[], T]) -> T:
    """Run what checks and paints a whole photo, one after another."""
    return await asyncio.get_running_loop().run_in_executor(_painter, copy_context().run, call)


async def insist(call: Callable[[], T], *, public_id: str) -> T:
    """`write` something that needs the photo for itself: the request that has it in hand may be one whose link is dead.

    Raises UploadBusy when that one goes on.
    """
    until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            return await write(call)
        except UploadBusy:
            if asyncio.get_running_loop().time() > until:
                await write(store().forgo, public_id)
                raise
        await asyncio.sleep(_ASK_EVERY_SECONDS)


async def take_in(receive: Receive, receiving: Receiving) -> None:
    """Write the body as it comes, and count what is on the disk, whatever ends it.

    Raises ClientDisconnect when the link broke, BeyondTheEnd for more than was announced, UploadBusy when the link fell silent and a newer
    request waits; and what the edge raises for a body that comes too slowly.
    """
    try:
        is_more = True
        while is_more:
            message = await _next(receive, receiving)
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body, is_more = message.get("body", b""), message.get("more_body", False)
            await _keep(body, receiving)
    finally:
        await write(_count, receiving)


async def _keep(body: bytes, receiving: Receiving) -> None:
    fitting = body[: receiving.left]
    if fitting:
        await write(receiving.take, fitting)
    if len(fitting) < len(body):
        raise BeyondTheEnd
    if receiving.is_due:
        await write(_count, receiving)


def _count(receiving: Receiving) -> None:
    receiving.count(now=utc_now())


async def _next(receive: Receive, receiving: Receiving) -> Message:
    coming = asyncio.ensure_future(receive())
    try:
        while not (await asyncio.wait({coming}, timeout=_SILENCE_SECONDS))[0]:
            if await write(lambda: receiving.is_wanted):
                raise UploadBusy
        return coming.result()
    finally:
        coming.cancel()
