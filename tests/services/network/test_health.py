from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from services.integrations.openwisp import OpenWispClient
from services.network import checks, health
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, NetworkAlarm, NetworkCheck
from services.network.discovery import discover
from services.network.health import Polled
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Health, HealthChange, HealthPeriod
from tests.conftest import NOON, Sandbox
from tests.services.network.openwisp import TROUBLES, Clock, OpenWisp, client_of, digest


@pytest.fixture
def known(session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock) -> None:
    """The demo network has been discovered, and polled once."""
    discover(transaction, client, asked_by="test", clock=clock)
    assert _poll(client, clock).outcome is CheckOutcome.DONE


def _poll(client: OpenWispClient | None, clock: Clock, **options: Any) -> Polled:
    clock.passes(60)
    return health.poll(transaction, client, clock=clock, **options)


def _point(session: Session, external_id: str) -> AccessPoint:
    session.expire_all()
    return session.exec(select(AccessPoint).where(AccessPoint.external_id == external_id)).one()


def _periods(session: Session, point: AccessPoint) -> list[tuple[Health, datetime, datetime | None]]:
    rows = session.exec(select(HealthPeriod).where(HealthPeriod.access_point_id == point.id).order_by(col(HealthPeriod.started_at))).all()
    return [(row.state, row.started_at, row.ended_at) for row in rows]


def _raw(session: Session, point: AccessPoint) -> list[tuple[Health, Health, datetime]]:
    rows = session.exec(select(HealthChange).where(HealthChange.access_point_id == point.id).order_by(col(HealthChange.id))).all()
    return [(row.before, row.after, row.at) for row in rows]


def _alarms(session: Session) -> list[AlarmKind]:
    session.expire_all()
    return [alarm.kind for alarm in session.exec(select(NetworkAlarm).where(col(NetworkAlarm.ended_at).is_(None))).all()]


@pytest.mark.usefixtures("known")
def test_an_outage_counts_when_two_polls_agree_and_from_the_first_of_them(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    external_id, last_good = openwisp.well(1)[0], clock.now
    openwisp.status([external_id], "critical")
    assert _poll(client, clock).changed == 0
    seen_at = clock.now
    point = _point(session, external_id)
    assert (point.health, point.reported, point.candidate, point.candidate_since) == (
        Health.ONLINE,
        Health.OFFLINE,
        Health.OFFLINE,
        seen_at,
    )
    assert point.last_online_at == last_good
    assert _poll(client, clock).changed == 1
    point = _point(session, external_id)
    assert (point.health, point.health_since, point.candidate) == (Health.OFFLINE, seen_at, None)
    assert _periods(session, point) == [(Health.ONLINE, NOON, seen_at), (Health.OFFLINE, seen_at, None)]
    incident = session.exec(select(Incident)).one()
    assert (incident.site_id, incident.started_at, incident.state) == (point.site_id, seen_at, IncidentState.OPEN)


@pytest.mark.usefixtures("known")
def test_a_recovery_is_seen_though_only_those_that_are_unwell_are_listed(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    ids = openwisp.well(3)
    for status in ("critical", "ok"):
        openwisp.status(ids, status)
        _poll(client, clock)
        _poll(client, clock)
    back_at = clock.now - timedelta(seconds=60)
    for external_id in ids:
        point = _point(session, external_id)
        assert (point.health, point.health_since, point.reported) == (Health.ONLINE, back_at, Health.ONLINE)
    assert {incident.state for incident in session.exec(select(Incident)).all()} == {IncidentState.RESOLVED}


@pytest.mark.usefixtures("known")
def test_a_state_seen_once_and_gone_leaves_only_its_raw_changes(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    external_id = openwisp.well(1)[0]
    for status in ("critical", "ok"):
        openwisp.status([external_id], status)
        _poll(client, clock)
    point = _point(session, external_id)
    at = clock.now
    assert _raw(session, point) == [
        (Health.ONLINE, Health.OFFLINE, at - timedelta(seconds=60)),
        (Health.OFFLINE, Health.ONLINE, at),
    ]
    assert (point.health, point.health_since, point.candidate) == (Health.ONLINE, NOON, None)
    assert _periods(session, point) == [(Health.ONLINE, NOON, None)]
    assert session.exec(select(Incident)).all() == []


@pytest.mark.usefixtures("known")
def test_one_taken_out_of_service_is_retired_at_once(session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock) -> None:
    external_id = openwisp.well(1)[0]
    openwisp.order("devices/activation", ids=[external_id], active=False)
    assert _poll(client, clock).changed == 1
    assert _point(session, external_id).health is Health.RETIRED


@pytest.mark.usefixtures("known")
def test_one_that_is_down_and_then_not_found_stays_down_until_discovery_says_more(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    external_id = openwisp.well(1)[0]
    openwisp.status([external_id], "critical")
    _poll(client, clock)
    _poll(client, clock)
    openwisp.order("devices/remove", ids=[external_id])
    before = digest(session.connection())
    assert _poll(client, clock).outcome is CheckOutcome.DONE
    assert digest(session.connection()) == before


@pytest.mark.usefixtures("known")
def test_one_that_was_never_discovered_is_counted_and_left_to_discovery(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    ids = openwisp.order("devices/add", count=2)["ids"]
    openwisp.status(ids, "critical")
    before = digest(session.connection())
    assert "2 are not known here yet" in _poll(client, clock).message
    assert digest(session.connection()) == before


def test_when_very_many_recover_at_once_the_list_of_those_that_are_well_is_read(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    openwisp.order("fleet", count=300, sites=12, odd=0)
    openwisp.order("devices", share=1, status="critical")
    discover(transaction, client, asked_by="test", clock=clock)
    openwisp.order("devices", share=0.9, status="ok")
    _poll(client, clock)
    assert _poll(client, clock).changed == 270
    counted = session.execute(sa.select(col(AccessPoint.health), sa.func.count()).group_by(col(AccessPoint.health))).all()
    assert dict(counted) == {Health.ONLINE: 270, Health.OFFLINE: 30}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_leaves_the_stored_network_as_it_was_and_says_so(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock, name: str
) -> None:
    orders, outcome, words = TROUBLES[name]
    openwisp.status(openwisp.well(2), "critical")
    _poll(client, clock)
    before = digest(session.connection())
    openwisp.trouble(orders)
    failed = _poll(client, clock)
    assert (failed.outcome, words in failed.message) == (outcome, True), failed.message
    assert failed.message.endswith("The network stays as it was.")
    assert digest(session.connection()) == before
    check = session.get_one(NetworkCheck, CheckKind.HEALTH, populate_existing=True)
    assert (check.outcome, check.message, check.failures_in_a_row) == (outcome, failed.message, 1)
    assert check.done_at == clock.now - timedelta(seconds=60)


@pytest.mark.usefixtures("known")
def test_a_poll_that_fails_in_between_does_not_undo_what_the_one_before_it_saw(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    external_id = openwisp.well(1)[0]
    openwisp.status([external_id], "critical")
    _poll(client, clock)
    seen_at = clock.now
    openwisp.order("mode", answer="bad_gateway")
    _poll(client, clock)
    openwisp.order("mode", answer="ok")
    _poll(client, clock)
    assert (_point(session, external_id).health, _point(session, external_id).health_since) == (Health.OFFLINE, seen_at)


@pytest.mark.usefixtures("known")
def test_the_second_failure_warns_and_the_next_good_poll_ends_it(session: Session, client: OpenWispClient, clock: Clock) -> None:
    away = OpenWispClient("http://127.0.0.1:9", "token", timeout_seconds=1, read_attempts=1)
    _poll(away, clock)
    assert _alarms(session) == []
    _poll(away, clock)
    assert _alarms(session) == [AlarmKind.OPENWISP_UNREACHABLE]
    _poll(client, clock)
    assert _alarms(session) == []


@pytest.mark.usefixtures("known")
def test_an_openwisp_without_monitoring_is_told_at_once(session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock) -> None:
    before = digest(session.connection())
    openwisp.order("mode", monitoring=False)
    assert "without its monitoring module" in _poll(client, clock).message
    assert _alarms(session) == [AlarmKind.MONITORING_ABSENT]
    assert digest(session.connection()) == before
    openwisp.order("mode", monitoring=True)
    _poll(client, clock)
    assert _alarms(session) == []


@pytest.mark.usefixtures("known")
def test_many_taken_out_of_service_are_no_sudden_loss(openwisp: OpenWisp, client: OpenWispClient, clock: Clock) -> None:
    openwisp.order("devices/activation", share=0.6, active=False)
    assert _poll(client, clock).outcome is CheckOutcome.DONE


@pytest.mark.usefixtures("known")
def test_the_second_dialect_is_read_whole(session: Session, sandbox: Sandbox, openwisp: OpenWisp, clock: Clock) -> None:
    external_id = openwisp.well(1)[0]
    openwisp.order("mode", gateway=True)
    with client_of(sandbox, dialect="inet") as client:
        for status, state in (("critical", Health.OFFLINE), ("ok", Health.ONLINE)):
            openwisp.status([external_id], status)
            _poll(client, clock, can_filter=False)
            assert _poll(client, clock, can_filter=False).changed == 1
            assert _point(session, external_id).health is state


@pytest.mark.usefixtures("known")
def test_a_second_poll_at_once_finds_the_turn_taken(session: Session, client: OpenWispClient, clock: Clock) -> None:
    clock.passes()
    assert checks.claim(session, CheckKind.HEALTH, now=clock.now)
    assert health.poll(transaction, client, clock=clock).outcome is None


@pytest.mark.usefixtures("known")
def test_a_poll_is_due_when_the_time_has_passed_since_the_last_one_began(session: Session, clock: Clock) -> None:
    session.expire_all()
    began_at = clock.now
    for seconds, due in ((0, False), (59, False), (60, True)):
        assert health.is_due(session, every_seconds=60, now=began_at + timedelta(seconds=seconds)) is due


@pytest.mark.parametrize(
    ("known", "lost", "listed", "is_lost"),
    [(0, 0, 0, False), (1, 1, 0, True), (2, 1, 1, False), (5, 2, 3, False), (6, 3, 3, True), (9, 3, 6, False), (300, 101, 199, True)],
)
def test_a_loss_is_sudden_when_it_is_more_than_a_third_and_at_least_three_or_all(known: int, lost: int, listed: int, is_lost: bool) -> None:
    assert health.is_sudden_loss(known=known, lost=lost, listed=listed) is is_lost


def test_a_poll_that_was_killed_keeps_the_next_ones_away_for_minutes_only(session: Session) -> None:
    assert checks.claim(session, CheckKind.HEALTH, now=NOON)
    assert not checks.claim(session, CheckKind.HEALTH, now=NOON + timedelta(minutes=2))
    assert checks.claim(session, CheckKind.HEALTH, now=NOON + timedelta(minutes=3))
