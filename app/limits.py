"""Rate limits in Redis: each named once, with what it counts by and what it does when Redis is away (product.md, "Rate limits")."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache

import structlog
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app import redis
from app.errors import TooMany, Unavailable
from app.settings import get_settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Limit:
    """`allowed` in the notation of the limits library ("5 per minute"). Tight ones close when Redis is away, the rest open."""

    name: str
    allowed: str
    is_tight: bool = False

    @property
    def item(self) -> RateLimitItem:
        return _item(self.allowed)


@lru_cache(maxsize=64)
def _item(allowed: str) -> RateLimitItem:
    return parse(allowed)


@lru_cache(maxsize=1)
def _limiter() -> SlidingWindowCounterRateLimiter:
    url = get_settings().redis_url
    # The library names a connection over a socket file differently from redis-py.
    uri = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return SlidingWindowCounterRateLimiter(RedisStorage(uri, connection_pool=redis.client().connection_pool))


def forget() -> None:
    """Drop the connection (tests, changed settings)."""
    _limiter.cache_clear()


def count(limit: Limit, *who: str) -> None:
    """Count one try by `who`. Raises TooMany with the seconds to wait, or Unavailable for a tight limit without Redis."""
    try:
        if _limiter().hit(limit.item, limit.name, *who):
            return
        window = _limiter().get_window_stats(limit.item, limit.name, *who)
    except redis.Away:
        if limit.is_tight:
            raise Unavailable("This is closed for a moment, because tries cannot be counted. Try again in a minute.") from None
        log.warning("limit.not_counted", limit=limit.name)
        return
    raise TooMany(max(1, math.ceil(window.reset_time - time.time())))
