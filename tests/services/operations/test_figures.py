from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app import db, redis
from jobs.schedule import PERIODIC
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.operations import figures, periodic
from services.operations.backup_models import Backup, BackupState
from services.operations.error_models import ErrorGroup, ErrorState
from services.operations.figure_reading import FigureReader
from services.operations.figures import GROUPS, HELP, Figure, Group
from services.operations.models import HealthSample, HealthState, PeriodicJob, ProcessKind, RunningProcess
from services.payments.models import PaymentStatus
from tests.conftest import NOON
from tests.factories import make_payment

Seen = dict[tuple[str, ...], float]


def seen(found: Iterable[Figure]) -> Seen:
    return {(figure.name.removeprefix("inet_"), *figure.labels.values()): figure.value for figure in found}


def test_payments_are_told_by_status_with_the_age_of_the_oldest(session: Session) -> None:
    for minutes in (5, 30):
        payment = make_payment(session)
        payment.status_since = NOON - timedelta(minutes=minutes)
        session.add(payment)
    session.flush()
    found = seen(figures.payments(session, now=NOON))
    assert found["payments", "created"] == 2
    assert found["payment_oldest_seconds", "created"] == 1800
    assert found["payments", "served"] == 0
    # How long ago the first one was served says nothing.
    assert ("payment_oldest_seconds", "served") not in found
    assert len([key for key in found if key[0] == "payments"]) == len(PaymentStatus)


def test_many_payments_are_estimated(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_COUNTED", 2)
    for _ in range(40):
        make_payment(session)
    session.flush()
    assert seen(figures.payments(session, now=NOON))["payments", "created"] == 3
    session.execute(sa.text("ANALYZE payment"))
    assert seen(figures.payments(session, now=NOON))["payments", "created"] == 40


def test_what_runs_is_late_or_stands_open_is_told(session: Session) -> None:
    line = PERIODIC[0]
    periodic.declare(PERIODIC)
    ran = NOON - timedelta(seconds=100)
    session.add(PeriodicJob(id=line.id, first_seen_at=ran, last_started_at=ran, last_ended_at=ran))
    session.add(PeriodicJob(id=PERIODIC[1].id, first_seen_at=ran, last_started_at=ran, last_ended_at=ran, paused_at=ran))
    for number, beat in enumerate((NOON, NOON - timedelta(hours=1))):
        session.add(RunningProcess(id=str(number), kind=ProcessKind.WORKER, host="h", pid=1, started_at=ran, beat_at=beat))
    session.add(ErrorGroup(fingerprint="f", kind="K", first_at=ran, last_at=ran))
    session.add(ErrorGroup(fingerprint="g", kind="K", first_at=ran, last_at=ran, state=ErrorState.RESOLVED))
    session.flush()
    found = seen(figures.running(session, now=NOON))
    assert found["periodic_late_seconds", line.id] == 100 - line.seconds
    assert found["periodic_seconds", line.id] == line.seconds
    assert found["periodic_late_seconds", PERIODIC[1].id] == 0
    assert [found["processes", kind] for kind in ("worker", "scheduler")] == [1, 0]
    assert found["errors_open",] == 1


def test_only_a_proven_back_up_counts_and_parts_that_are_off_do_not(session: Session) -> None:
    assert ("backup_age_seconds",) not in seen(figures.house(session, now=NOON))
    for hours, state in ((30, BackupState.VERIFIED), (1, BackupState.MADE)):
        at = NOON - timedelta(hours=hours)
        session.add(Backup(state=state, file_name=f"{hours}", started_at=at, snapshot_at=at))
    for part, state in (("redis", HealthState.DOWN), ("wave", HealthState.OK), ("sms", HealthState.OFF)):
        session.add(HealthSample(part=part, at=NOON - timedelta(minutes=1), state=state))
    session.add(HealthSample(part="redis", at=NOON - timedelta(minutes=2), state=HealthState.OK))
    session.flush()
    found = seen(figures.house(session, now=NOON))
    assert found == {("backup_age_seconds",): 30 * 3600, ("part_up", "redis"): 0, ("part_up", "wave"): 1}


def test_standing_warnings_are_counted_by_kind(session: Session) -> None:
    session.add(NetworkAlarm(kind=AlarmKind.LOW_STOCK, subject="a", message="m", started_at=NOON))
    session.add(NetworkAlarm(kind=AlarmKind.LOW_STOCK, subject="b", message="m", started_at=NOON, ended_at=NOON))
    session.flush()
    found = seen(figures.network(session, now=NOON))
    assert found["alarms", "low_stock"] == 1
    assert found["alarms", "gateway_silent"] == 0
    assert found["access_points", "offline"] == 0


def test_every_figure_is_one_that_is_explained(session: Session) -> None:
    for group in GROUPS:
        assert {figure.name for figure in group.read(session, now=NOON)} <= set(HELP)
    assert {figure.name for figure in figures.waiting_jobs(now=NOON)} == {"inet_queue_depth", "inet_queue_oldest_seconds"}


def test_no_figure_reads_a_whole_large_table(session: Session) -> None:
    """With sequential reading made dear, every plan on tables that grow without end goes by an index."""
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    connection, plan = session.connection(), []

    def explain(_: object, __: object, statement: str, values: object, *___: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            with connection.connection.cursor() as another:
                another.execute("EXPLAIN " + statement, values)
                plan.extend(row[0] for row in another.fetchall())

    sa.event.listen(connection, "before_cursor_execute", explain)
    try:
        for group in GROUPS:
            list(group.read(session, now=NOON))
    finally:
        sa.event.remove(connection, "before_cursor_execute", explain)
    scanned = {line.split("Seq Scan on ")[1].split()[0] for line in plan if "Seq Scan on " in line}
    assert not scanned & {
        "payment",
        "access_grant",
        "ticket",
        "voucher",
        "health_sample",
        "error_group",
        "network_alarm",
        "running_process",
    }
    assert any("ix_payment_status_since" in line for line in plan)


# Reading them: not too often, never too long.


class Asked:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self, _: Session, *, now: datetime) -> list[Figure]:
        self.times += 1
        return [Figure("inet_errors_open", self.times)]


@pytest.mark.usefixtures("servers")
def test_they_are_read_at_most_every_fifteen_seconds() -> None:
    now = [1000.0]
    reader = FigureReader(groups=[Group("one", Asked())], ticks=lambda: now[0])
    values = []
    for seconds in (0.0, 14.0, 1.0):
        now[0] += seconds
        values.append(seen(reader.read())["errors_open",])
    assert values == [1, 1, 2]
    assert reader.is_up


@pytest.mark.usefixtures("servers")
def test_without_postgresql_the_queues_are_still_told() -> None:
    nowhere = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none", connect_args={"connect_timeout": 1})
    asked, at = Asked(), 1000.0

    @contextmanager
    def begin() -> Iterator[Session]:
        with Session(nowhere if at < 1020 else db.engine()) as session, session.begin():
            yield session

    reader = FigureReader(begin, groups=[Group("one", asked)], ticks=lambda: at)
    found = seen(reader.read())
    assert not reader.is_up
    assert ("queue_depth", "urgent") in found
    assert ("errors_open",) not in found
    at = 1020.0
    assert ("errors_open",) in seen(reader.read())
    assert reader.is_up


@pytest.mark.usefixtures("servers")
def test_without_redis_the_queues_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "_sync", redis.redis.Redis(port=9, socket_connect_timeout=0.2))
    reader = FigureReader(groups=[Group("one", Asked())])
    assert set(seen(reader.read())) == {("errors_open",)}


@pytest.mark.usefixtures("servers")
def test_who_asks_does_not_wait_for_a_database_that_hangs() -> None:
    goes_on, begun = threading.Event(), []

    def hang(_: Session, *, now: datetime) -> list[Figure]:
        begun.append(now)
        goes_on.wait(30)
        return [Figure("inet_errors_open", 1)]

    reader = FigureReader(groups=[Group("one", hang)], wait_seconds=0.05)
    try:
        for _ in range(3):
            assert ("errors_open",) not in seen(reader.read())
            assert not reader.is_up
        assert len(begun) == 1
    finally:
        goes_on.set()
    reader._wait = 10
    assert ("errors_open",) in seen(reader.read())
