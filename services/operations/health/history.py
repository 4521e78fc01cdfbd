"""How the parts fared over a day or a week, in buckets that PostgreSQL makes: a week is some hundred thousand samples."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.operations.models import HealthState


@dataclass(frozen=True)
class Range:
    """`width` of a bucket, so that a strip has about a hundred of them."""

    name: str
    title: str
    length: timedelta
    width: timedelta
    # Open pages are drawn anew each minute; ten of them need not count a week ten times.
    kept_seconds: float


RANGES = {
    "day": Range("day", "24 hours", timedelta(hours=24), timedelta(minutes=15), 30.0),
    "week": Range("week", "7 days", timedelta(days=7), timedelta(hours=2), 180.0),
}
_ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bucket:
    """What the samples of a while said. Latencies are None where nothing was measured."""

    start: datetime
    samples: int
    degraded: int
    down: int
    latency_ms: int | None
    worst_latency_ms: int | None

    @property
    def state(self) -> HealthState:
        """The worst that was seen: half a minute in two hours is shown all the same."""
        return HealthState.DOWN if self.down else HealthState.DEGRADED if self.degraded else HealthState.OK


@dataclass(frozen=True)
class Fared:
    """One part over the range; buckets without a sample are absent."""

    buckets: tuple[Bucket, ...] = ()
    bad_at: datetime | None = None

    @property
    def uptime(self) -> float | None:
        """The share of samples that were not down, 0 to 1; None without any. A degraded part is up."""
        samples = sum(bucket.samples for bucket in self.buckets)
        return 1 - sum(bucket.down for bucket in self.buckets) / samples if samples else None

    @property
    def latency_ms(self) -> int | None:
        """The mean over the range."""
        measured = [(bucket.latency_ms, bucket.samples) for bucket in self.buckets if bucket.latency_ms is not None]
        whole = sum(samples for _, samples in measured)
        return round(sum(latency * samples for latency, samples in measured) / whole) if whole else None


@dataclass(frozen=True)
class History:
    range: Range
    start: datetime
    end: datetime
    parts: Mapping[str, Fared]

    def of(self, part: str) -> Fared:
        return self.parts.get(part, Fared())


BUCKETS = sa.text(
    "SELECT part, date_bin(:width, at, :origin) AS start, count(*) AS samples,"
    " count(*) FILTER (WHERE state = 'degraded') AS degraded, count(*) FILTER (WHERE state = 'down') AS down,"
    " avg(latency_ms)::int AS latency_ms, max(latency_ms) AS worst_latency_ms,"
    " max(at) FILTER (WHERE state IN ('degraded', 'down')) AS bad_at"
    " FROM health_sample WHERE at >= :start AND at < :end AND state <> 'off' GROUP BY 1, 2 ORDER BY 1, 2"
)
_lock = threading.Lock()
_kept: dict[tuple[str, str], tuple[float, History]] = {}


def history(session: Session, *, actor: Principal, wanted: Range, now: datetime) -> History:
    """Of every part in the range that ends now. Needs HEALTH_READ. May be `kept_seconds` old."""
    actor.require(Permission.HEALTH_READ)
    key = (wanted.name, str(session.get_bind().engine.url))
    # One at a time: many pages that open at once count the week once.
    with _lock:
        held = _kept.get(key)
        if (
            held is not None
            and time.monotonic() - held[0] < wanted.kept_seconds
            and abs(now - held[1].end) < timedelta(seconds=wanted.kept_seconds)
        ):
            return held[1]
        found = count(session, wanted=wanted, now=now)
        _kept[key] = (time.monotonic(), found)
        return found


def forget() -> None:
    """Count anew at the next call."""
    _kept.clear()


def count(session: Session, *, wanted: Range, now: datetime) -> History:
    start = _bin(now - wanted.length, wanted.width) + wanted.width
    parts: dict[str, list[Bucket]] = defaultdict(list)
    bad_at: dict[str, datetime] = {}
    rows = session.execute(BUCKETS, {"width": wanted.width, "origin": _ORIGIN, "start": start, "end": now + timedelta(seconds=1)})
    for row in rows:
        parts[row.part].append(Bucket(row.start, row.samples, row.degraded, row.down, row.latency_ms, row.worst_latency_ms))
        if row.bad_at is not None:
            bad_at[row.part] = row.bad_at
    return History(wanted, start, now, {part: Fared(tuple(buckets), bad_at.get(part)) for part, buckets in parts.items()})


def _bin(at: datetime, width: timedelta) -> datetime:
    return _ORIGIN + (at - _ORIGIN) // width * width
