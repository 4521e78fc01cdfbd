"""Which gateways fell silent, and under which address two routers poll: one look at all of them, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session, col

from app import redis
from services.access import busy
from services.access.gateways import silent_after
from services.access.models import Gateway
from services.listing import pick
from services.network.alarm_models import AlarmKind
from services.network.alarms import end_alarms_except, raise_alarms

# When Redis was emptied, what PostgreSQL was told last is up to half a minute old, and the workers themselves have just come back.
AFTER_FLUSH = timedelta(minutes=2)
# A router that polls 1.6 times as often as it was told to, for three minutes in a row, is two routers or has another interval.
TOO_OFTEN = 1.6
MINUTES_IN_A_ROW = 3
_WATCHING_SINCE = "fas:watching-since"


@dataclass(frozen=True)
class Watched:
    """One gateway as the watch sees it. `polls` are those of the last three whole minutes, the newest first."""

    slug: str
    name: str
    poll_seconds: int
    last_poll_at: datetime | None
    polls: tuple[int, ...]

    def is_silent(self, *, now: datetime) -> bool:
        return self.last_poll_at is not None and now - self.last_poll_at > silent_after(self.poll_seconds)

    def is_too_often(self, polls: int) -> bool:
        return polls > TOO_OFTEN * 60 / self.poll_seconds


@dataclass(frozen=True)
class Seen:
    """What one look found. `is_certain` is false shortly after Redis was emptied, when nobody is called silent."""

    silent: int
    two_pollers: int
    is_certain: bool


def watch(session: Session, *, now: datetime) -> Seen:
    """Raise and end the alarms of all gateways. Raises redis.RedisError without Redis: then nothing can be told, and nothing changes."""
    is_certain = now - _watching_since(now) >= AFTER_FLUSH
    gateways = _gateways(session, now=now)
    silent = [gateway for gateway in gateways if gateway.is_silent(now=now)]
    if is_certain:
        raise_alarms(session, AlarmKind.GATEWAY_SILENT, {gateway.slug: _silence(gateway) for gateway in silent}, now=now)
    end_alarms_except(session, AlarmKind.GATEWAY_SILENT, [gateway.slug for gateway in silent], now=now)
    doubled = [gateway for gateway in gateways if all(gateway.is_too_often(polls) for polls in gateway.polls)]
    lately = [gateway.slug for gateway in gateways if any(gateway.is_too_often(polls) for polls in gateway.polls)]
    raise_alarms(session, AlarmKind.TWO_POLLERS, {gateway.slug: _doubling(gateway) for gateway in doubled}, now=now)
    end_alarms_except(session, AlarmKind.TWO_POLLERS, lately, now=now)
    return Seen(len(silent) if is_certain else 0, len(doubled), is_certain)


def _watching_since(now: datetime) -> datetime:
    client = redis.client()
    client.set(_WATCHING_SINCE, int(now.timestamp()), nx=True)
    found: Any = client.get(_WATCHING_SINCE)
    return datetime.fromtimestamp(int(found), UTC)


def _gateways(session: Session, *, now: datetime) -> list[Watched]:
    seen = busy.all_last_seen()
    minute = int(now.timestamp()) // 60
    counted = [busy.polls_in_minute(minute - back) for back in range(1, MINUTES_IN_A_ROW + 1)]
    rows = session.execute(pick(Gateway.slug, Gateway.name, Gateway.poll_seconds, Gateway.last_poll_at).order_by(col(Gateway.id))).all()
    return [_watched(row, seen, counted) for row in rows]


def _watched(row: Any, seen: Mapping[str, datetime], counted: Iterable[Mapping[str, int]]) -> Watched:
    slug, name, poll_seconds, kept_at = row
    last = max((at for at in (kept_at, seen.get(slug)) if at is not None), default=None)
    return Watched(slug, name, poll_seconds, last, tuple(minute.get(slug, 0) for minute in counted))


def _silence(gateway: Watched) -> str:
    assert gateway.last_poll_at is not None
    return (
        f"{gateway.name} has not polled since {gateway.last_poll_at:%d %b %H:%M:%S} UTC; every {gateway.poll_seconds} s is usual. "
        "Nobody new can be let in there until it does."
    )


def _doubling(gateway: Watched) -> str:
    return (
        f"{gateway.name} polls well more often than the {60 // gateway.poll_seconds} times a minute that it is set to: "
        "another router was given the same settings, or its poll interval is shorter than the one registered here."
    )
