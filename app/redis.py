"""Connections to the Redis-protocol server: doorbell and cache only, so every caller must do without it (design.md, invariant 1)."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.retry
from redis.backoff import NoBackoff

from app.settings import get_settings

T = TypeVar("T")

Away = (redis.RedisError, OSError)
HOT_TIMEOUT_SECONDS = 1.0
"""A hot question that Redis does not answer by then is put to PostgreSQL."""
_TIMEOUT_SECONDS = 2.0
# A server that was silent is not asked again for so long.
_SPARED_SECONDS = 2.0
# A peer that is gone without a word: noticed within some twenty seconds by who only waits, and within ten by who has something to say.
_NOTICE_SILENCE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
_sync: redis.Redis | None = None
_async: dict[tuple[asyncio.AbstractEventLoop, str], redis.asyncio.Redis] = {}


class _Silence:
    """What this process knows of a server behind a cable that swallows everything.

    A refused connection costs nothing, so only time-outs count. Without this each of a request's questions would wait for its own.
    """

    def __init__(self) -> None:
        self._spared_until = 0.0

    def check(self) -> None:
        """Raises redis.ConnectionError while the server is spared."""
        if self._spared_until and time.monotonic() < self._spared_until:
            raise redis.ConnectionError("Redis was silent a moment ago")

    def heard(self) -> None:
        self._spared_until = 0.0

    def met(self) -> None:
        self._spared_until = time.monotonic() + _SPARED_SECONDS


_silence = _Silence()


class _Once(redis.retry.Retry):
    """A connection that the server had closed is made anew, once. What timed out is not sent again: it may have been done."""

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, (redis.ConnectionError,))

    def call_with_retry(self, do: Callable[[], T], *args: Any, **kwargs: Any) -> T:
        _silence.check()
        try:
            answer = super().call_with_retry(do, *args, **kwargs)
        except (redis.TimeoutError, TimeoutError):
            _silence.met()
            raise
        _silence.heard()
        return answer


class _OnceAsync(redis.asyncio.retry.Retry):
    """The same on an event loop."""

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, (redis.ConnectionError,))

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        _silence.check()
        try:
            answer = await super().call_with_retry(do, *args, **kwargs)
        except (redis.TimeoutError, TimeoutError):
            _silence.met()
            raise
        _silence.heard()
        return answer


def client() -> redis.Redis:
    """The thread-safe synchronous client. RQ stores binary data, so replies are bytes."""
    global _sync
    if _sync is None:
        _sync = redis.Redis.from_url(get_settings().redis_url, socket_connect_timeout=1, socket_timeout=_TIMEOUT_SECONDS, retry=_Once())
    return _sync


def worker_client() -> redis.Redis:
    """For blocking reads (worker, scheduler), which wait longer than a request ever may."""
    return redis.Redis.from_url(get_settings().redis_url, socket_connect_timeout=1, health_check_interval=30, **_noticing_silence())


def listening_client() -> redis.asyncio.Redis:
    """For the running loop's one who only listens: connected anew by whoever uses it, and closed by them."""
    url = get_settings().redis_url
    return redis.asyncio.Redis.from_url(url, socket_connect_timeout=1, health_check_interval=10, **_noticing_silence())


def _noticing_silence() -> dict[str, Any]:
    if get_settings().redis_url.startswith("unix:"):
        return {}
    # Systems differ in which of these they know.
    known = {getattr(socket, name): value for name, value in _NOTICE_SILENCE.items() if hasattr(socket, name)}
    return {"socket_keepalive": True, "socket_keepalive_options": known}


def async_client() -> redis.asyncio.Redis:
    """The running event loop's client for the hot questions: its connections belong to that loop alone."""
    url = get_settings().redis_url
    key = asyncio.get_running_loop(), url
    if key not in _async:
        _async[key] = redis.asyncio.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=HOT_TIMEOUT_SECONDS, retry=_OnceAsync())
    return _async[key]


async def close_async() -> None:
    """Give the running loop's connections back before the loop ends."""
    loop = asyncio.get_running_loop()
    for key in [key for key in _async if key[0] is loop]:
        await _async.pop(key).aclose()


def forget() -> None:
    """Drop the synchronous client (tests, and a stopped process); `close_async` is for the others, in their loop."""
    global _sync
    _silence.heard()
    if _sync is not None:
        _sync.close()
    _sync = None


Reply = Any
