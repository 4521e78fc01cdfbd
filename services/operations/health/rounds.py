"""A round: every part is probed at once, within a bounded time, and what was found is kept.

There is one round a minute in the whole installation, whoever asks for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.db import Begin
from app.events import publish
from app.settings import Settings
from services.integrations.clients import Outside
from services.network import alarms
from services.network.alarm_models import AlarmKind
from services.operations.health import breakers
from services.operations.health.parts import PARTS, PROBES
from services.operations.health.reading import Ground, Part, Reading, degraded, down
from services.operations.models import HealthSample, HealthState

log = structlog.get_logger(__name__)
EVERY_SECONDS = 60
PATIENCE_SECONDS = 20.0
ALARM_AFTER = 3
# Samples that lie further apart than this are not in a row: nobody looked in between.
_IN_A_ROW = timedelta(seconds=EVERY_SECONDS * (ALARM_AFTER + 2))
_DETAIL_LENGTH = 300
_FAULT = "Tell who maintains INET: its own probe broke, see the log."


@dataclass(frozen=True)
class Probed:
    """One part's reading. `latency_ms` is None where nothing was asked that answers."""

    part: Part
    reading: Reading
    latency_ms: int | None


def probe_all(ground: Ground, *, parts: Sequence[Part] = PARTS, patience_seconds: float = PATIENCE_SECONDS) -> list[Probed]:
    """Probe all at once, in threads of their own: what hangs is left behind, told as down, and ends by its own time-outs."""
    found: dict[str, Probed] = {}

    def probe(part: Part) -> None:
        found[part.name] = probe_one(part, ground)

    threads = [threading.Thread(target=probe, args=[part], name=f"probe {part.name}", daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience_seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = down(f"did not answer within {patience_seconds:.0f} s", "See whether it and the way to it are overloaded.")
    return [found.get(part.name) or Probed(part, late, int(patience_seconds * 1000)) for part in parts]


def probe_one(part: Part, ground: Ground) -> Probed:
    """A probe that breaks is a reading too: one broken probe must not hide the others."""
    started = time.perf_counter()
    try:
        reading = part.probe(ground)
    except Exception as error:
        log.exception("health.probe_broke", part=part.name)
        reading = degraded(f"not known: the probe broke ({type(error).__name__})", _FAULT)
    return Probed(part, reading, int((time.perf_counter() - started) * 1000) if part.is_asked else None)


def run_round(
    begin: Begin,
    settings: Settings,
    outside: Outside | None,
    *,
    clock: Callable[[], datetime],
    parts: Sequence[Part] = PARTS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> list[Probed]:
    """Probe everything and keep it. Nothing happens in a minute that was probed already: two rounds at once ask nobody twice."""
    now = clock()
    with begin() as session:
        if not _claim(session, now=now):
            return []
    started = time.perf_counter()
    found = probe_all(Ground(settings, now), parts=parts, patience_seconds=patience_seconds)
    if outside is not None:
        found = [breakers.soured(probed, outside) for probed in found]
    took_ms = int((time.perf_counter() - started) * 1000)
    with begin() as session:
        keep(session, found, now=now, took_ms=took_ms)
    return found


def minute_of(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(second=0, microsecond=0)


def _claim(session: Session, *, now: datetime) -> bool:
    row = {"part": PROBES, "at": minute_of(now), "state": HealthState.OK, "latency_ms": None, "detail": ""}
    claimed = session.execute(insert(HealthSample).values(row).on_conflict_do_nothing().returning(col(HealthSample.part)))
    return claimed.one_or_none() is not None


def keep(session: Session, found: Iterable[Probed], *, now: datetime, took_ms: int = 0) -> None:
    """Write one sample of each part, raise and end the alarms, and tell open pages."""
    found = list(found)
    rows = [
        {"part": one.part.name, "at": now, "state": one.reading.state, "latency_ms": one.latency_ms, "detail": detail_of(one.reading)}
        for one in found
    ]
    session.execute(insert(HealthSample).values(rows).on_conflict_do_nothing())
    session.execute(
        sa.update(HealthSample)
        .where(col(HealthSample.part) == PROBES, col(HealthSample.at) == minute_of(now))
        .values(latency_ms=took_ms)
        .execution_options(synchronize_session=False)
    )
    _tell(session, found, now=now)
    publish(session, "health", None)


def detail_of(reading: Reading) -> str:
    """What was said, and on a second line what to do."""
    return (f"{reading.said}\n{reading.advice}" if reading.advice else reading.said)[:_DETAIL_LENGTH]


def _tell(session: Session, found: Sequence[Probed], *, now: datetime) -> None:
    told = {one.part.name: one for one in found if one.part.has_alarm}
    bad = _bad_in_a_row(session, [name for name, one in told.items() if one.reading.state is HealthState.DOWN], now=now)
    messages = {name: f"{told[name].part.title}: {told[name].reading.said}. {told[name].part.means}" for name in bad}
    alarms.raise_alarms(session, AlarmKind.PART_DOWN, messages, now=now)
    over = [name for name, one in told.items() if one.reading.state is not HealthState.DOWN]
    alarms.end_alarms(session, AlarmKind.PART_DOWN, over, now=now)
    files = next((one for one in found if one.part.name == "files"), None)
    if files is None:
        return
    if files.reading.ok:
        alarms.end_alarm(session, AlarmKind.DISK_LOW, "", now=now)
    else:
        alarms.raise_alarm(session, AlarmKind.DISK_LOW, "", f"{files.reading.said}. {files.reading.advice}", now=now)


def _bad_in_a_row(session: Session, names: Sequence[str], *, now: datetime) -> list[str]:
    """Those whose newest samples are all down: one that is lost on the way is no outage."""
    if not names:
        return []
    newest = sa.text(
        "SELECT wanted.part FROM unnest(CAST(:names AS text[])) AS wanted (part), LATERAL ("
        " SELECT count(*) AS samples, bool_and(state = 'down') AS is_down FROM ("
        "  SELECT state FROM health_sample WHERE health_sample.part = wanted.part AND at > :since ORDER BY at DESC LIMIT :wanted"
        " ) AS last) AS judged WHERE samples >= :wanted AND is_down"
    )
    return list(session.execute(newest, {"names": list(names), "since": now - _IN_A_ROW, "wanted": ALARM_AFTER}).scalars())
