"""Rate limits in Redis: each named once, with what it counts by and what it does when Redis is away (product.md, "Rate limits").

Two ways to count. `count` asks Redis at every try and is exact: for what is worth guessing. `allow` is for the generous limits of busy
addresses: it takes tries from Redis in portions that grow with use, all questions of one moment in one round trip, so that it costs a
request next to nothing. A portion is never larger than what was used before it, so a limit counts at most twice what really came.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import structlog
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import ConnectionPool
from redis.exceptions import NoScriptError

from app import redis
from app.errors import TooMany, Unavailable
from app.hot import Batcher
from app.settings import get_settings

log = structlog.get_logger(__name__)
_CLOSED_SECONDS = 10
# How long a generous limit does not ask a Redis that did not answer: each question would cost its time-out.
_AWAY_SECONDS = 1.0
_FEWEST_KEPT, _MOST_KEPT = 512, 20_000
_REPEATS_SECONDS = 600
_LARGEST_PORTION = 20


@dataclass(frozen=True)
class Limit:
    """`allowed` in the notation of the limits library ("5 per minute"). Tight ones close when Redis is away, the rest open."""

    name: str
    allowed: str
    is_tight: bool = False

    @property
    def item(self) -> RateLimitItem:
        return _item(self.allowed)


Asked = tuple[Limit, tuple[str, ...]]
V = TypeVar("V")


class _Kept(dict[Asked, V]):
    """What this process remembers for a moment. What is over is dropped as new things come, at a cost that does not grow with them."""

    def __init__(self, is_over: Callable[[V, float], bool]) -> None:
        super().__init__()
        self._is_over, self._tidy_at = is_over, _FEWEST_KEPT

    def keep(self, asked: Asked, value: V) -> V:
        if len(self) >= self._tidy_at:
            now = time.monotonic()
            for one in [one for one, kept in self.items() if self._is_over(kept, now)]:
                del self[one]
            if len(self) >= _MOST_KEPT:
                self.clear()
            self._tidy_at = min(max(_FEWEST_KEPT, 2 * len(self)), _MOST_KEPT)
        self[asked] = value
        return value


# Limits that were seen to be open: what another process counts within this moment may slip past, what this one counts may not.
_OPEN_SECONDS = 1.0
_open_until = _Kept[float](lambda until, now: until <= now)


@lru_cache(maxsize=64)
def _item(allowed: str) -> RateLimitItem:
    return parse(allowed)


@lru_cache(maxsize=1)
def _limiter_on(pool: ConnectionPool) -> SlidingWindowCounterRateLimiter:
    url = get_settings().redis_url
    # The library names a connection over a socket file differently from redis-py.
    uri = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return SlidingWindowCounterRateLimiter(RedisStorage(uri, connection_pool=pool))


def _limiter() -> SlidingWindowCounterRateLimiter:
    return _limiter_on(redis.client().connection_pool)


def forget() -> None:
    """Drop the connection and what this process holds of the generous limits (tests, changed settings)."""
    global _away_until
    _limiter_on.cache_clear()
    _purses.clear()
    _open_until.clear()
    _away_until = 0.0


def count(limit: Limit, *who: str, cost: int = 1) -> None:
    """Count one try by `who`, or `cost`. Raises TooMany with the seconds to wait, or Unavailable for a tight limit without Redis."""
    _open_until.pop((limit, who), None)
    try:
        if _limiter().hit(limit.item, limit.name, *who, cost=cost):
            return
        wait = _wait(limit, who)
    except redis.Away:
        _refuse_if_tight(limit)
        return
    raise TooMany(wait)


def count_once(limit: Limit, key: str, *who: str) -> None:
    """`count`, but a repeat under the same `key` within ten minutes is free: a phone that lost the answer asks again."""
    try:
        mark = f"limits-once:{hashlib.sha256(repr((limit.name, who, key)).encode()).hexdigest()}"
        is_new = redis.client().set(mark, 1, nx=True, ex=_REPEATS_SECONDS)
    except redis.Away:
        is_new = True
    if not is_new:
        return
    try:
        count(limit, *who)
    except TooMany:
        redis.client().delete(mark)
        raise


def is_spent(limit: Limit, *who: str) -> bool:
    """Whether the next try would be refused; nothing is counted. False without Redis, or Unavailable for a tight limit."""
    return are_spent([(limit, who)])[0]


def are_spent(asked: Sequence[Asked]) -> list[bool]:
    """`is_spent` of several in one round trip, or in none where each was seen to be open within the last second."""
    now = time.monotonic()
    unsure = [one for one in asked if _open_until.get(one, 0.0) <= now]
    try:
        full = set(_full_of(unsure, _run_for_all([_asking(*one) for one in unsure]))) if unsure else set()
    except redis.Away:
        for limit, _ in unsure:
            _refuse_if_tight(limit)
        return [False] * len(asked)
    return [one in full for one in asked]


def _full_of(asked: Sequence[Asked], windows: Sequence[list[Any]]) -> list[Asked]:
    """Which are spent; the others are remembered as open for a moment."""
    full = [one for one, window in zip(asked, windows, strict=True) if _is_full(one[0].item, window)]
    until = time.monotonic() + _OPEN_SECONDS
    for one in asked:
        _open_until.keep(one, 0.0 if one in full else until)
    return full


def _is_full(item: RateLimitItem, window: list[Any]) -> bool:
    """The library's own reckoning: what was counted in this window, and of the last one the share that still counts."""
    before, before_ends_in_ms, now = int(window[0] or 0), max(0, int(window[1] or 0)), int(window[2] or 0)
    return before * before_ends_in_ms / 1000 / item.get_expiry() + now >= item.amount


def refuse_spent(limit: Limit, *who: str) -> None:
    """Refuse who has used up `limit`; nothing is counted. Raises TooMany, or Unavailable for a tight limit without Redis."""
    if is_spent(limit, *who):
        raise TooMany(_wait(limit, who))


def note(limit: Limit, *who: str) -> None:
    """Count something that has happened and can no longer be refused, such as a failure."""
    note_all([(limit, who)])


def note_all(noted: Sequence[Asked]) -> None:
    """`note` of several in one round trip, which also tells how they stand now."""
    try:
        answers = _run_for_all([*(_counting(*one) for one in noted), *(_asking(*one) for one in noted)])
        _full_of(noted, answers[len(noted) :])
    except redis.Away:
        log.warning("limit.not_counted", limits=sorted({limit.name for limit, _ in noted}))


@dataclass(frozen=True)
class _Run:
    """One of the library's scripts for one counter."""

    script: bytes
    current: str
    arguments: tuple[int, ...]


def _asking(limit: Limit, who: tuple[str, ...]) -> _Run:
    return _Run(RedisStorage.SCRIPT_SLIDING_WINDOW, _window_key(limit.item.key_for(limit.name, *who)), (limit.item.get_expiry(),))


def _counting(limit: Limit, who: tuple[str, ...]) -> _Run:
    item = limit.item
    return _Run(
        RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW, _window_key(item.key_for(limit.name, *who)), (item.amount, item.get_expiry(), 1)
    )


def _run_for_all(runs: Sequence[_Run]) -> list[Any]:
    """In order, in one round trip."""
    try:
        return _run_loaded(runs)
    except NoScriptError:  # Redis was restarted or emptied
        for script in {run.script for run in runs}:
            redis.client().script_load(script)
        return _run_loaded(runs)


def _run_loaded(runs: Sequence[_Run]) -> list[Any]:
    pipeline = redis.client().pipeline(transaction=False)
    for run in runs:
        pipeline.evalsha(_sha(run.script), 2, f"{run.current}/-1", run.current, *map(str, run.arguments))
    return list(pipeline.execute())


@lru_cache(maxsize=8)
def _sha(script: bytes) -> str:
    return hashlib.sha1(script, usedforsecurity=False).hexdigest()


def _window_key(key: str) -> str:
    """Where the library keeps the window that runs; the one before it has `/-1` at its end."""
    return f"{RedisStorage.PREFIX}:{{{key}}}"


def _wait(limit: Limit, who: tuple[str, ...]) -> int:
    window = _limiter().get_window_stats(limit.item, limit.name, *who)
    return max(1, math.ceil(window.reset_time - time.time()))


def _refuse_if_tight(limit: Limit) -> None:
    if limit.is_tight:
        raise Unavailable(
            "This is closed for a moment, because tries cannot be counted. Try again in a minute.", retry_after=_CLOSED_SECONDS
        ) from None
    log.warning("limit.not_counted", limit=limit.name)


# --- generous limits, on the event loop


@dataclass
class _Purse:
    """Tries of one caller that this process has taken from Redis and not yet used, or the time until which there are none."""

    left: int = 0
    portion: int = 1
    good_until: float = 0.0
    closed_until: float = 0.0

    def is_over(self, now: float) -> bool:
        return self.good_until <= now and self.closed_until <= now


_purses = _Kept[_Purse](_Purse.is_over)
_away_until = 0.0


async def allow(limit: Limit, *who: str) -> None:
    """Let one request of a busy address pass, or raise TooMany. Open while Redis is away; never blocks the event loop."""
    now = time.monotonic()
    purse = _purses.get((limit, who))
    if purse is None:
        # Kept while Redis is asked for it.
        purse = _purses.keep((limit, who), _Purse(good_until=now + _AWAY_SECONDS))
    if purse.closed_until > now:
        raise TooMany(math.ceil(purse.closed_until - now))
    if purse.left > 0 and purse.good_until > now:
        purse.left -= 1
        return
    await _refill(purse, limit, who, now)


async def _refill(purse: _Purse, limit: Limit, who: tuple[str, ...], now: float) -> None:
    global _away_until
    if _away_until > now:
        return
    item = limit.item
    key = item.key_for(limit.name, *who)
    portion = purse.portion
    try:
        is_granted = await _take((key, item.amount, item.get_expiry(), portion))
    except redis.Away:
        _away_until = now + _AWAY_SECONDS
        log.warning("limit.not_counted", limit=limit.name)
        return
    if is_granted:
        purse.left += portion - 1
        purse.good_until = now + item.get_expiry()
        purse.portion = min(portion * 2, max(1, item.amount // _LARGEST_PORTION))
    elif portion > 1:
        purse.portion = 1
        await _refill(purse, limit, who, now)
    else:
        # A second's grace: the counter moves on, and asking it again for every refused request would be the attack's own work.
        purse.closed_until = now + max(1.0, item.get_expiry() / item.amount)
        raise TooMany(math.ceil(purse.closed_until - now))


_Take = tuple[str, int, int, int]
_script_sha = ""


async def _ask_redis(batch: list[_Take]) -> list[bool]:
    """The library's own sliding window, for many callers in one round trip."""
    global _script_sha
    if not _script_sha:
        _script_sha = await redis.async_client().script_load(RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW)
    try:
        return await _run_script(batch)
    except NoScriptError:  # Redis was restarted
        await redis.async_client().script_load(RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW)
        return await _run_script(batch)


async def _run_script(batch: list[_Take]) -> list[bool]:
    pipeline = redis.async_client().pipeline(transaction=False)
    for key, amount, seconds, portion in batch:
        current = _window_key(key)
        pipeline.evalsha(_script_sha, 2, f"{current}/-1", current, str(amount), str(seconds), str(portion))
    return [bool(granted) for granted in await pipeline.execute()]


_take: Batcher[_Take, bool] = Batcher(_ask_redis)
