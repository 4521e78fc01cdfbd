"""How everything stands now: the newest sample of each part, what processes beat, and the one word for all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.permissions import Permission, Principal
from services.operations.health import work
from services.operations.health.parts import BY_NAME, PARTS, PROBES, SCHEDULER, TABLES, WORKERS
from services.operations.health.reading import Importance, Reading, degraded, down, well
from services.operations.health.rounds import EVERY_SECONDS
from services.operations.models import HealthState, ProcessKind, RunningProcess
from services.operations.processes import SILENT_AFTER

# A round that is late by this much is missing.
STALE = timedelta(seconds=3 * EVERY_SECONDS + 20)
# Nobody asks for how many weeks something that is not set up has been missing.
SINCE_AT_MOST = timedelta(days=7)
_GONE = timedelta(minutes=10)
_WORST = (HealthState.OFF, HealthState.OK, HealthState.DEGRADED, HealthState.DOWN)
_BAD = (HealthState.DEGRADED, HealthState.DOWN)


@dataclass(frozen=True)
class Look:
    """How one part stands. `state` is None before it was ever probed; `since` is when it began not to be well."""

    name: str
    title: str
    importance: Importance
    state: HealthState | None
    said: str = ""
    advice: str = ""
    latency_ms: int | None = None
    at: datetime | None = None
    since: datetime | None = None

    @property
    def is_bad(self) -> bool:
        return self.state in _BAD


@dataclass(frozen=True)
class Sight:
    """What PostgreSQL knew when it was asked."""

    looks: tuple[Look, ...]
    probed_at: datetime | None
    behind: str = ""


def overall(looks: Iterable[Look]) -> HealthState:
    """Down when an essential part is, degraded when anything is not well or an essential part is not known, else ok."""
    looks = list(looks)
    if any(look.importance is Importance.ESSENTIAL and look.state is HealthState.DOWN for look in looks):
        return HealthState.DOWN
    if any(look.is_bad or (look.importance is Importance.ESSENTIAL and look.state is None) for look in looks):
        return HealthState.DEGRADED
    return HealthState.OK


def worst(states: Iterable[HealthState | None]) -> HealthState:
    """Of several; what is not known or not set up says nothing."""
    return max((state for state in states if state is not None), key=_WORST.index, default=HealthState.OFF)


_NEWEST = sa.text(
    "SELECT wanted.part, last.at, last.state, last.latency_ms, last.detail,"
    " CASE WHEN last.state IN ('degraded', 'down') THEN ("
    "  SELECT min(at) FROM health_sample AS bad WHERE bad.part = wanted.part AND bad.at > coalesce("
    "   (SELECT max(at) FROM health_sample AS good"
    "    WHERE good.part = wanted.part AND good.state IN ('ok', 'off') AND good.at > :earliest), :earliest)"
    " ) END AS since"
    " FROM unnest(CAST(:names AS text[])) AS wanted (part),"
    " LATERAL (SELECT at, state, latency_ms, detail FROM health_sample WHERE health_sample.part = wanted.part"
    "  ORDER BY at DESC LIMIT 1) AS last"
)


def read(connection: sa.Connection, *, now: datetime) -> Sight:
    """Every part by its newest sample; workers and scheduler by their beats, which are newer. Two short queries."""
    names = [PROBES, *BY_NAME]
    rows = {row.part: row for row in connection.execute(_NEWEST, {"names": names, "earliest": now - SINCE_AT_MOST})}
    looks = [_look(name, rows.get(name)) for name in BY_NAME]
    processes = work.alive(connection)
    beats = {WORKERS: work.judge_workers(processes), SCHEDULER: work.judge_scheduler(processes)}
    looks = [seen(look, beats[look.name], now=now) if look.name in beats else look for look in looks]
    probed = rows.get(PROBES)
    return Sight((*looks, probes_look(probed.at if probed else None, now=now)), probed.at if probed else None)


def _look(name: str, row: sa.Row[tuple[object, ...]] | None) -> Look:
    part = BY_NAME[name]
    if row is None:
        return Look(name, part.title, part.importance, None, "not looked at yet")
    said, _, advice = row.detail.partition("\n")
    return Look(name, part.title, part.importance, HealthState(row.state), said, advice, row.latency_ms, row.at, row.since)


def seen(look: Look, reading: Reading, *, now: datetime, latency_ms: int | None = None, since: datetime | None = None) -> Look:
    """The part as it was seen just now, instead of its sample."""
    began = None if reading.ok else since or (look.since if look.is_bad else None) or now
    return replace(
        look, state=reading.state, said=reading.said, advice=reading.advice, at=now, since=began, latency_ms=latency_ms or look.latency_ms
    )


def probes_look(probed_at: datetime | None, *, now: datetime) -> Look:
    """Whether anybody looks: what is old says nothing of now."""
    advice = "See that a scheduler and a worker of the queue `default` run, and on the jobs page how `probe-parts` fares."
    if probed_at is None:
        reading = degraded("nothing was looked at yet", advice)
    elif now - probed_at > STALE:
        reading = degraded("what is shown is old: nobody looks any more", advice)
    else:
        reading = well(f"every part is looked at every {EVERY_SECONDS} s")
    since = None if reading.ok else probed_at
    return Look(PROBES, "Probes", Importance.IMPORTANT, reading.state, reading.said, reading.advice, None, probed_at, since)


def tables_look(look: Look, behind: str, *, now: datetime) -> Look:
    return seen(look, down(behind, "Run `inet migrate`.") if behind else well("as this release needs them"), now=now)


@dataclass(frozen=True)
class Standing:
    """Everything for people: the word for all of it, each part, and the processes. `clock` is PostgreSQL's, by which they beat."""

    state: HealthState
    looks: tuple[Look, ...]
    processes: tuple[RunningProcess, ...]
    clock: datetime

    @property
    def releases(self) -> tuple[str, ...]:
        """Of the processes that live; more than one while an upgrade is under way, or because one was forgotten."""
        return tuple(sorted({process.release for process in self.processes if self.is_alive(process)}))

    def is_alive(self, process: RunningProcess) -> bool:
        return process.stopped_at is None and self.clock - process.beat_at < SILENT_AFTER


def standing(session: Session, *, actor: Principal, now: datetime) -> Standing:
    """For the console and the API. Needs HEALTH_READ."""
    actor.require(Permission.HEALTH_READ)
    found = read(session.connection(), now=now)
    clock: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return Standing(overall(found.looks), found.looks, _processes(session, clock=clock), clock)


def _processes(session: Session, *, clock: datetime) -> tuple[RunningProcess, ...]:
    """Those that live, and those that fell silent lately without having been stopped."""
    query = sa.select(RunningProcess).where(col(RunningProcess.stopped_at).is_(None), col(RunningProcess.beat_at) > clock - _GONE)
    kinds = list(ProcessKind)
    found = session.execute(query).scalars().all()
    return tuple(sorted(found, key=lambda process: (kinds.index(process.kind), process.host, process.started_at)))


def by_importance(looks: Sequence[Look]) -> Mapping[str, tuple[Look, ...]]:
    """Those that are not well, the worst first, and the others in their own order."""
    order = list(Importance)
    bad = sorted(
        (look for look in looks if look.is_bad), key=lambda look: (look.state is not HealthState.DOWN, order.index(look.importance))
    )
    return {"bad": tuple(bad), "well": tuple(look for look in looks if not look.is_bad)}


PUBLIC = frozenset(part.name for part in PARTS if part.is_public)
__all__ = ["PUBLIC", "STALE", "TABLES", "Look", "Sight", "Standing", "overall", "read", "standing", "worst"]
