"""Opens and closes pages of one console process, and keeps some open while news comes in."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import cycle, islice
from typing import Any

import httpx
import orjson
import redis.asyncio

from app.events import CHANNEL
from tests.drill.console.browser import Open
from tests.drill.console.process import Reach
from tests.drill.console.seen import BLOCKS, Cost, Seen

TOPICS = ("payments", "tickets", "sessions", "vouchers", "notifications", "bell", "incidents")
_AT_ONCE, _EVENTS_A_SECOND = 4, 2.0
_WARM, _COPIES, _POINTS = 2, 8, 9
# The console writes down what it sees every third of a second.
_WRITTEN_SECONDS = 0.5
# A closed page's timer notices it when it wakes.
_SLOWEST_TIMER_SECONDS, _PATIENCE_SECONDS = 65.0, 150.0


class Soak:
    def __init__(self, seen: Seen, reach: Reach) -> None:
        self._seen, self._reach = seen, reach

    async def run(self, *, opens: int, consoles: int, minutes: float) -> None:
        async with httpx.AsyncClient(timeout=120) as http:
            self._http = http
            # Blocks of memory are counted from the half on.
            self._seen.open_at_first = {what: count for what, count in self._seen.told().open.items() if what != BLOCKS}
            await self._warm_up()
            await self._look_at_each()
            await self._open_and_close(opens)
            await self._keep_open(consoles, minutes)
            await self._all_closed()
            await self._forgotten()
            self._seen.points.append((opens + consoles, self._seen.memory_mb))

    def _page(self, path: str, tab: str = "") -> Open:
        return Open(self._http, self._reach.address, path, self._reach.cookie, tab)

    async def _warm_up(self) -> None:
        """What is made once, at the first visit of a page, is no cost of the page."""
        for path in islice(cycle(self._reach.paths), _WARM * len(self._reach.paths)):
            async with self._page(path):
                pass
        await self._all_closed()

    async def _look_at_each(self) -> None:
        """Every page a few times, and all of them open at once: no page takes the memory that another has given back."""
        async with AsyncExitStack() as stack:
            for path in self._reach.paths:
                before, since, took = self._seen.memory_mb, time.monotonic(), list[float]()
                computed = self._seen.cpu_seconds
                for _ in range(_COPIES):
                    began = time.monotonic()
                    page = await stack.enter_async_context(self._page(path))
                    took.append(time.monotonic() - began)
                await asyncio.sleep(_WRITTEN_SECONDS)
                cpu_ms = (self._seen.cpu_seconds - computed) / _COPIES * 1000
                kb = (self._seen.memory_mb - before) / _COPIES * 1024
                held = self._seen.told().held_ms(since, time.monotonic())
                self._seen.costs.append(Cost(path, kb, page.size / 1024, cpu_ms, statistics.median(took) * 1000, held))
                print(f"  {path:<34} {kb:6.0f} KB   loop held at most {held:.0f} ms", flush=True)
        await self._all_closed()

    async def _open_and_close(self, opens: int) -> None:
        step = max(1, opens // (_POINTS - 1))
        for done in range(0, opens + 1, step):
            if done:
                await self._some(step)
                await self._all_closed()
            self._seen.points.append((done, mb := self._seen.memory_mb))
            print(f"  {done:>6} opened and closed   {mb:7.1f} MB   loop held at most {self._seen.told().longest_ms:.0f} ms", flush=True)
            if BLOCKS not in self._seen.open_at_first and done >= opens // 2:
                # What is made once is made: statements, connections and what they have prepared. Timers of closed pages wake.
                await asyncio.sleep(_SLOWEST_TIMER_SECONDS)
                self._seen.open_at_first[BLOCKS] = self._seen.told().open[BLOCKS]

    async def _some(self, count: int) -> None:
        paths: Iterator[str] = islice(cycle(self._reach.paths), count)

        async def one_after_another() -> None:
            tab = str(uuid.uuid4())
            for path in paths:
                async with self._page(path, tab):
                    pass

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(one_after_another())

    async def _keep_open(self, consoles: int, minutes: float) -> None:
        client: Any = redis.asyncio.Redis.from_url(self._reach.redis_url)
        async with AsyncExitStack() as stack:
            held = [await stack.enter_async_context(self._page(path)) for path in islice(cycle(self._reach.paths), consoles)]
            print(f"  {consoles:>6} open at once   {self._seen.memory_mb:.1f} MB", flush=True)
            until, said_at, topics = time.monotonic() + minutes * 60, time.monotonic(), cycle(TOPICS)
            while time.monotonic() < until:
                await client.publish(CHANNEL, orjson.dumps({"topic": next(topics), "id": 1}))
                await asyncio.sleep(1 / _EVENTS_A_SECOND)
                mb = self._seen.memory_mb
                if time.monotonic() - said_at > 60:
                    said_at = time.monotonic()
                    held_ms = self._seen.told().longest_ms
                    print(f"  {consoles:>6} open, with news   {mb:.1f} MB   loop held at most {held_ms:.0f} ms", flush=True)
            self._seen.received = sum(one.received for one in held)
        await client.aclose()

    async def _all_closed(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while pages := self._seen.told().open["pages"]:
            assert time.monotonic() < deadline, f"{pages} pages are left"
            await asyncio.sleep(_WRITTEN_SECONDS)

    async def _forgotten(self) -> None:
        """Until nothing of the closed pages is left, or too much time has gone, which the findings then tell."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._seen.left_over():
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_WRITTEN_SECONDS)
