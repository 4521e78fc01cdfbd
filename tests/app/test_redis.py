"""A Redis that swallows everything costs each process one time-out in a while, not one for each question."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis as library

from app import redis
from app.settings import get_settings


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never answers, as a server behind a cut cable looks to who is connected already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with silent_server() as port:
        monkeypatch.setenv("INET_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        get_settings.cache_clear()
        redis.forget()
        yield
    redis.forget()
    get_settings.cache_clear()


@pytest.mark.usefixtures("silent")
def test_after_one_time_out_further_questions_are_refused_at_once() -> None:
    with pytest.raises(library.TimeoutError):
        redis.client().get("a")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(redis.Away):
            redis.client().get("a")
        with pytest.raises(redis.Away), redis.client().pipeline() as pipeline:
            pipeline.get("a").get("b").execute()
    assert time.monotonic() - began < 0.5


@pytest.mark.usefixtures("silent")
async def test_an_event_loop_learns_it_too() -> None:
    with pytest.raises(library.TimeoutError):
        await redis.async_client().get("a")
    began = time.monotonic()
    with pytest.raises(redis.Away):
        await redis.async_client().get("a")
    assert time.monotonic() - began < 0.5
    await redis.close_async()
