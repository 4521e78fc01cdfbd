from __future__ import annotations

import asyncio

import pytest

from app.hot import Batcher


async def test_questions_of_one_moment_share_a_round_trip() -> None:
    batches: list[list[int]] = []

    async def ask(batch: list[int]) -> list[int]:
        batches.append(batch)
        await asyncio.sleep(0)
        return [number * 2 for number in batch]

    batcher = Batcher(ask)
    answers = await asyncio.gather(*(batcher(number) for number in range(10)))

    assert answers == [number * 2 for number in range(10)]
    assert len(batches) < 10


async def test_an_error_reaches_everybody_who_asked_and_the_next_batch_works() -> None:
    failing = True

    async def ask(batch: list[int]) -> list[int]:
        if failing:
            raise ConnectionError
        return batch

    batcher = Batcher(ask)
    answers = await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)
    assert all(isinstance(answer, ConnectionError) for answer in answers)

    failing = False
    assert await batcher(3) == 3


async def test_who_stops_waiting_takes_nobody_along() -> None:
    gate = asyncio.Event()

    async def ask(batch: list[int]) -> list[int]:
        await gate.wait()
        return batch

    batcher = Batcher(ask)
    impatient, patient = asyncio.create_task(batcher(1)), asyncio.create_task(batcher(2))
    await asyncio.sleep(0)
    impatient.cancel()
    gate.set()
    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient
