"""Connections to the Redis-protocol server: doorbell and cache only, so every caller must do without it (design.md, invariant 1)."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio

from app.settings import get_settings

Away = (redis.RedisError, OSError)
_sync: redis.Redis | None = None
_async: redis.asyncio.Redis | None = None


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
    """The event loop's client for the hot questions; one loop per process."""
    global _async
    if _async is None:
        _async = redis.asyncio.Redis.from_url(get_settings().redis_url, socket_connect_timeout=1, socket_timeout=1)
    return _async


def forget() -> None:
    """Drop the clients (tests, and a stopped process)."""
    global _sync, _async
    if _sync is not None:
        _sync.close()
    _sync = _async = None


Reply = Any
