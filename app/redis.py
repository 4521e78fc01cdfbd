"""Connections to the Redis-protocol server: doorbell and cache only, so every caller must do without it (design.md, invariant 1)."""

from __future__ import annotations

import asyncio
from typing import Any

import redis
import redis.asyncio

from app.settings import get_settings

Away = (redis.RedisError, OSError)
HOT_TIMEOUT_SECONDS = 1.0
"""A hot question that Redis does not answer by then is put to PostgreSQL."""
_sync: redis.Redis | None = None
_async: dict[tuple[asyncio.AbstractEventLoop, str], redis.asyncio.Redis] = {}


def client() -> redis.Redis:
    """The thread-safe synchronous client. RQ stores binary data, so replies are bytes."""
    global _sync
    if _sync is None:
        _sync = redis.Redis.from_url(get_settings().redis_url, socket_connect_timeout=1, socket_timeout=5)
    return _sync


def worker_client() -> redis.Redis:
    """For blocking reads (worker, scheduler), which wait longer than a request ever may."""
    return redis.Redis.from_url(get_settings().redis_url, socket_connect_timeout=1, health_check_interval=30)


def async_client() -> redis.asyncio.Redis:
    """The running event loop's client for the hot questions: its connections belong to that loop alone."""
    url = get_settings().redis_url
    key = asyncio.get_running_loop(), url
    if key not in _async:
        _async[key] = redis.asyncio.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=HOT_TIMEOUT_SECONDS)
    return _async[key]


async def close_async() -> None:
    """Give the running loop's connections back before the loop ends."""
    loop = asyncio.get_running_loop()
    for key in [key for key in _async if key[0] is loop]:
        await _async.pop(key).aclose()


def forget() -> None:
    """Drop the synchronous client (tests, and a stopped process); `close_async` is for the others, in their loop."""
    global _sync
    if _sync is not None:
        _sync.close()
    _sync = None


Reply = Any
