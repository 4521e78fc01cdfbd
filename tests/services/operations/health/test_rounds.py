"""A round of probes: what it writes, whom it warns, and that one minute sees one round."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from app.outbound import CircuitBreaker, Unavailable
from app.settings import get_settings
from services.integrations import clients
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.operations.health import rounds
from services.operations.health.own import CLOCK_BAD, CLOCK_WARN, judge_room
from services.operations.health.parts import BY_NAME, PARTS, PROBES
from services.operations.health.reading import Ground, Importance, Part, Reading, degraded, down, well
from services.operations.health.rounds import Probed, keep, probe_all, run_round
from services.operations.models import HealthSample, HealthState
from tests.conftest import NOON, Sandbox

MINUTE = timedelta(minutes=1)


def part(name: str, probe: Callable[[Ground], Reading]) -> Part:
    return Part(name, name.title(), Importance.IMPORTANT, probe, "It means something.", "Mend it.")


def samples(name: str) -> list[HealthSample]:
    with transaction() as session:
        return list(session.exec(select(HealthSample).where(HealthSample.part == name).order_by(col(HealthSample.at))).all())


def standing(session: Session) -> dict[tuple[AlarmKind, str], str]:
    rows = session.exec(select(NetworkAlarm).where(col(NetworkAlarm.ended_at).is_(None))).all()
    return {(row.kind, row.subject): row.message for row in rows}


def test_a_round_writes_one_sample_of_each_part(database: sa.Engine, sandbox: Sandbox) -> None:
    now = utc_now()
    found = run_round(transaction, get_settings(), clients.outside(), clock=lambda: now)
    states = {one.part.name: one.reading.state for one in found}
    assert set(states) == set(BY_NAME)
    assert {states[name] for name in ("postgresql", "tables", "redis", "wave", "portabilling", "sms", "files", "clock")} == {HealthState.OK}
    assert (states["workers"], states["mail"]) == (HealthState.DOWN, HealthState.OFF)
    with transaction() as session:
        rows = {row.part: row for row in session.exec(select(HealthSample)).all()}
    assert set(rows) == {*BY_NAME, PROBES}
    assert rows["wave"].latency_ms is not None
    assert rows["files"].latency_ms is None
    assert rows["workers"].detail == "none runs\nStart `inet worker`; see its log for why it ended."


def test_two_rounds_at_once_ask_nobody_twice(database: sa.Engine) -> None:
    asked = []
    alone = [part("one", lambda _: asked.append(1) or well("here"))]  # type: ignore[func-returns-value]
    threads = [
        threading.Thread(target=lambda: run_round(transaction, get_settings(), None, clock=lambda: NOON, parts=alone)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    run_round(transaction, get_settings(), None, clock=lambda: NOON + timedelta(seconds=59), parts=alone)
    assert len(asked) == 1
    run_round(transaction, get_settings(), None, clock=lambda: NOON + MINUTE, parts=alone)
    assert len(asked) == 2


def test_a_probe_that_breaks_or_hangs_hides_no_other() -> None:
    gate = threading.Event()

    def breaks(_: Ground) -> Reading:
        raise ZeroDivisionError("with a secret")

    def hangs(_: Ground) -> Reading:
        gate.wait(30)
        return well("late")

    found = probe_all(
        Ground(get_settings(), NOON), parts=[part("a", breaks), part("b", hangs), part("c", lambda _: well("here"))], patience_seconds=2.0
    )
    gate.set()
    assert [one.reading.state for one in found] == [HealthState.DEGRADED, HealthState.DOWN, HealthState.OK]
    assert "secret" not in found[0].reading.said


def test_three_bad_looks_in_a_row_raise_one_alarm_and_a_good_one_ends_it(session: Session) -> None:
    key = (AlarmKind.PART_DOWN, "wave")

    def look(reading: Reading, minute: int) -> None:
        keep(session, [Probed(BY_NAME["wave"], reading, 5)], now=NOON + minute * MINUTE)

    bad = down("does not answer", "wait")
    for minute in (0, 1):
        look(bad, minute)
    assert key not in standing(session)
    look(well("answers"), 2)
    for minute in (3, 4):
        look(bad, minute)
    assert key not in standing(session)
    look(bad, 5)
    assert standing(session)[key].startswith("Wave: does not answer. Nobody can pay.")
    look(bad, 6)
    assert len(standing(session)) == 1
    look(degraded("slow", "wait"), 7)
    assert standing(session) == {}


def test_bad_looks_with_a_long_gap_between_are_not_in_a_row(session: Session) -> None:
    for minute in (0, 1, 60):
        keep(session, [Probed(BY_NAME["wave"], down("no", "wait"), 5)], now=NOON + minute * MINUTE)
    assert standing(session) == {}


def test_a_full_disk_has_an_alarm_of_its_own(session: Session) -> None:
    files = BY_NAME["files"]
    keep(session, [Probed(files, judge_room("/data", 1 << 30, 100 << 30), None)], now=NOON)
    assert "1.0 GB free of 100 GB" in standing(session)[AlarmKind.DISK_LOW, ""]
    keep(session, [Probed(files, judge_room("/data", 50 << 30, 100 << 30), None)], now=NOON + MINUTE)
    assert standing(session) == {}


@pytest.mark.parametrize(
    ("free_gb", "total_gb", "state"),
    [(50, 100, HealthState.OK), (4, 20, HealthState.OK), (4, 100, HealthState.DEGRADED), (0.4, 100, HealthState.DOWN)],
)
def test_room_on_a_disk(free_gb: float, total_gb: int, state: HealthState) -> None:
    assert judge_room("/data", int(free_gb * (1 << 30)), total_gb << 30).state is state


def test_a_part_whose_probe_is_well_while_calls_fail_is_degraded(database: sa.Engine, sandbox: Sandbox) -> None:
    broken = CircuitBreaker("wave", failure_threshold=1)
    with pytest.raises(Unavailable), broken.guard("get_session"):
        raise Unavailable("wave", "get_session", "not connected")
    outside = clients.outside()
    outside.wave.breaker = broken
    found = run_round(transaction, get_settings(), replace(outside), clock=utc_now, parts=[BY_NAME["wave"]])
    assert (found[0].reading.state, found[0].reading.said) == (HealthState.DEGRADED, "answers and takes the key, but calls to it fail")


def test_every_part_that_can_be_down_is_told_of_by_some_alarm() -> None:
    # The others: watch.py (workers, scheduler, queues), checks.py (OpenWISP), DISK_LOW, BACKUP_OLD.
    silent = {one.name for one in PARTS if not one.has_alarm}
    assert silent == {"workers", "scheduler", "queues", "openwisp", "files", "backups"}
    assert CLOCK_WARN < CLOCK_BAD


def test_the_minute_of_a_moment() -> None:
    at = datetime.fromisoformat("2026-11-22T12:34:56.789+00:00")
    assert rounds.minute_of(at).isoformat() == "2026-11-22T12:34:00+00:00"
