"""Many small Redis questions of one moment, asked in one round trip: while one batch is on its way, the next gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Collects questions that arrive while a batch is under way. `ask` answers one batch, in its order; its error goes to all of it.

    With `gather_seconds` the first one waits that long for company: many askers who are in no hurry share one round trip then.
    """

    def __init__(self, ask: Callable[[list[Q]], Awaitable[list[A]]], *, gather_seconds: float = 0.0) -> None:
        self._ask, self._gather_seconds = ask, gather_seconds
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def __call__(self, question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            if self._gather_seconds:
                await asyncio.sleep(self._gather_seconds)
            batch, self._waiting = self._waiting, []
            try:
                answers = await self._ask([question for question, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
