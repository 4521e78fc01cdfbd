"""A direct look at PostgreSQL and Redis for probes of the platform: cached, one question at a time, never waited for longer than a moment.

The question runs in a thread of its own. Not in the pool that requests use: while PostgreSQL swallows everything, that pool is full of
requests which wait for it, and the answer "PostgreSQL is away" must still come.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Generic, TypeVar

import redis
import sqlalchemy as sa
import structlog

from app.clock import utc_now
from app.settings import Settings, get_settings
from services.integrations import clients
from services.operations.health import breakers, own
from services.operations.health.parts import POSTGRESQL, REDIS, TABLES
from services.operations.health.reading import Ground, Reading, connected, degraded, down, first_line, well
from services.operations.health.standing import Look, Sight, overall, probes_look, read, seen, tables_look, worst
from services.operations.models import HealthState

T = TypeVar("T")
log = structlog.get_logger(__name__)
FRESH_SECONDS, FRESH_FAILURE_SECONDS = 4.0, 0.5
PATIENCE_SECONDS = 1.0
AWAY = (sa.exc.SQLAlchemyError, redis.RedisError, OSError)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """`value` is what was last told, also when it is away by now; `trouble` says why it is not well, `since` from when on."""

    value: T | None
    trouble: str
    latency_ms: int
    since: datetime | None = None


@dataclass
class _Flight:
    began: float
    future: Future[None]


class Watched(Generic[T]):
    """Something that is asked over and over. However many want to know, one question is under way at a time."""

    def __init__(
        self, ask: Callable[[], T], *, patience_seconds: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._patience, self._clock = ask, patience_seconds, clock
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        self._answer: Answer[T] | None = None
        self._answered_at = 0.0
        self.questions = 0

    async def now(self) -> Answer[T]:
        """The newest answer, or after `patience_seconds` that there is none."""
        if (known := self._fresh()) is not None:
            return known
        flight = self._take_off()
        left = self._patience - (self._clock() - flight.began)
        if left > 0:
            await asyncio.wait([asyncio.wrap_future(flight.future)], timeout=left)
        if flight.future.done() and self._answer is not None:
            return self._answer
        waited = self._clock() - flight.began
        before = self._answer
        return Answer(
            before.value if before else None,
            "does not answer",
            int(waited * 1000),
            (before.since if before else None) or utc_now(),
        )

    def _fresh(self) -> Answer[T] | None:
        answer = self._answer
        if answer is None:
            return None
        lasts = FRESH_FAILURE_SECONDS if answer.trouble else FRESH_SECONDS
        return answer if self._clock() - self._answered_at < lasts else None

    def _take_off(self) -> _Flight:
        with self._lock:
            if self._flight is None or self._flight.future.done():
                self._flight = _Flight(self._clock(), Future())
                self.questions += 1
                threading.Thread(target=self._fly, args=[self._flight], name="health look", daemon=True).start()
            return self._flight

    def _fly(self, flight: _Flight) -> None:
        value, trouble = None, ""
        try:
            value = self._ask()
        except AWAY as error:
            trouble = first_line(error)
        except Exception as error:
            log.exception("health.look_broke")
            trouble = type(error).__name__
        before = self._answer
        if trouble:
            value = before.value if before else None
        since = ((before.since if before else None) or utc_now()) if trouble else None
        self._answer = Answer(value, trouble, int((self._clock() - flight.began) * 1000), since)
        self._answered_at = self._clock()
        flight.future.set_result(None)


@dataclass(frozen=True)
class View:
    """Everything as this process sees it, within a moment."""

    state: HealthState
    looks: tuple[Look, ...]
    at: datetime

    def of(self, name: str) -> Look:
        return next(look for look in self.looks if look.name == name)


class Lookout:
    """What one process sees of PostgreSQL and Redis."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self.postgresql = Watched(self._ask_postgresql, clock=clock)
        self.redis = Watched(self._ask_redis, clock=clock)

    async def look(self) -> View:
        """Never takes longer than PATIENCE_SECONDS, and next to nothing when it was asked lately."""
        postgresql, server = await asyncio.gather(self.postgresql.now(), self.redis.now())
        now = utc_now()
        sight = postgresql.value
        looks = {look.name: look for look in (sight.looks if sight else _unknown())}
        looks[POSTGRESQL] = _direct(looks[POSTGRESQL], postgresql, now=now)
        looks[REDIS] = _direct(looks[REDIS], server, now=now)
        if sight is not None:
            looks[TABLES] = tables_look(looks[TABLES], sight.behind, now=now)
        looks["probes"] = probes_look(sight.probed_at if sight else None, now=now)
        for sour in _soured():
            look = looks[sour.name]
            if look.state is not HealthState.DOWN:
                looks[sour.name] = seen(look, degraded(sour.detail, ""), now=now)
        told = tuple(looks.values())
        return View(overall(told), told, now)

    async def can_serve(self) -> tuple[bool, dict[str, HealthState]]:
        """Whether this process can answer requests, and why not. Redis may be away."""
        postgresql, server = await asyncio.gather(self.postgresql.now(), self.redis.now())
        behind = postgresql.value.behind if postgresql.value else ""
        states = {
            POSTGRESQL: HealthState.DOWN if postgresql.trouble else HealthState.OK,
            TABLES: HealthState.DOWN if behind else HealthState.OK,
            REDIS: HealthState.DEGRADED if server.trouble else HealthState.OK,
        }
        return worst(states.values()) is not HealthState.DOWN, states

    def _ask_postgresql(self) -> Sight:
        now = utc_now()
        with connected(self._settings.database_url) as connection:
            is_standby = connection.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one()
            if is_standby:
                raise sa.exc.OperationalError("", None, OSError("read-only"))
            behind = own.behind(connection)
            if behind:
                # The tables of what follows may not be there yet.
                return Sight(_unknown(), None, behind)
            return read(connection, now=now)

    def _ask_redis(self) -> None:
        reading = own.redis_server(Ground(self._settings, utc_now()))
        if not reading.ok:
            raise OSError(reading.said)


def _unknown() -> tuple[Look, ...]:
    from services.operations.health.parts import PARTS

    return tuple(Look(part.name, part.title, part.importance, None, "not looked at yet") for part in PARTS)


def _direct(look: Look, answer: Answer[T], *, now: datetime) -> Look:
    if answer.trouble:
        reading: Reading = down(answer.trouble, look.advice)
        return seen(look, reading, now=now, latency_ms=answer.latency_ms, since=answer.since)
    if look.state is HealthState.DEGRADED:
        return look
    return seen(look, well(look.said if look.state is HealthState.OK else "answers"), now=now, latency_ms=answer.latency_ms)


def _soured() -> list[breakers.BreakerState]:
    """Without building a client for it: one that was never used has nothing to tell."""
    if not clients.outside.cache_info().currsize:
        return []
    return [one for one in breakers.states(clients.outside()) if one.state is not HealthState.OK]


@lru_cache(maxsize=4)
def _lookout(database_url: str, redis_url: str) -> Lookout:
    return Lookout(get_settings())


def lookout() -> Lookout:
    """Of this process, for the settings of this moment."""
    settings = get_settings()
    return _lookout(settings.database_url, settings.redis_url)
