"""Whether what the product stands on answers, each probed with its latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session

from app import redis
from app.db import Begin
from app.outbound import CircuitBreaker
from services.integrations.clients import Outside

State = Literal["ok", "degraded", "down"]


@dataclass(frozen=True)
class Probe:
    name: str
    state: State
    latency_ms: int
    detail: str = ""


def dependencies(begin: Begin) -> list[Probe]:
    """PostgreSQL, without which nothing works, and Redis, without which it works slower."""
    return [_probe("postgresql", lambda: _ask_postgresql(begin), "down"), _probe("redis", _ask_redis, "degraded")]


def integrations(outside: Outside) -> list[Probe]:
    """The state of the outside services as the circuit breakers of this process see it: asking them here would be one more load."""
    breakers = {
        "wave": outside.wave.breaker,
        "portabilling": getattr(outside.portabilling, "breaker", None),
        "openwisp": outside.openwisp.breaker if outside.openwisp else None,
    }
    return [_of_breaker(name, breaker) for name, breaker in breakers.items() if isinstance(breaker, CircuitBreaker)]


def _of_breaker(name: str, breaker: CircuitBreaker) -> Probe:
    seen = breaker.snapshot()
    state: State = "ok" if seen.state == "closed" else "degraded"
    return Probe(name, state, 0, "" if state == "ok" else f"not answering; tried again in {seen.retry_in_seconds:.0f} s")


def _probe(name: str, ask: Callable[[], object], when_away: State) -> Probe:
    started = time.perf_counter()
    try:
        ask()
    except (sa.exc.SQLAlchemyError, *redis.Away):
        return Probe(name, when_away, int((time.perf_counter() - started) * 1000), "does not answer")
    return Probe(name, "ok", int((time.perf_counter() - started) * 1000))


def _ask_postgresql(begin: Begin) -> None:
    with begin() as session:
        _select_one(session)


def _select_one(session: Session) -> None:
    session.execute(sa.text("SELECT 1"))


def _ask_redis() -> None:
    redis.client().ping()
