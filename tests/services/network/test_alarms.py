from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from services.network import alarms, checks
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, NetworkAlarm
from services.network.checks import Failure
from tests.conftest import NOON

LATER = NOON + timedelta(minutes=5)
SILENT = AlarmKind.GATEWAY_SILENT


def _standing(session: Session) -> list[tuple[AlarmKind, str, str]]:
    session.expire_all()
    rows = session.exec(select(NetworkAlarm).where(col(NetworkAlarm.ended_at).is_(None)).order_by(col(NetworkAlarm.id))).all()
    return [(alarm.kind, alarm.subject, alarm.message) for alarm in rows]


def test_an_alarm_about_one_thing_is_raised_once_and_says_the_newest(session: Session) -> None:
    assert alarms.raise_alarm(session, SILENT, "router-1", "Silent for a minute", now=NOON)
    assert not alarms.raise_alarm(session, SILENT, "router-1", "Silent for two minutes", now=LATER)
    assert _standing(session) == [(SILENT, "router-1", "Silent for two minutes")]
    assert session.exec(select(NetworkAlarm)).one().started_at == NOON


def test_an_ended_alarm_may_be_raised_again_and_both_are_kept(session: Session) -> None:
    alarms.raise_alarm(session, SILENT, "router-1", "Silent", now=NOON)
    assert alarms.end_alarm(session, SILENT, "router-1", now=LATER)
    assert not alarms.end_alarm(session, SILENT, "router-1", now=LATER)
    assert alarms.raise_alarm(session, SILENT, "router-1", "Silent", now=LATER)
    assert len(session.exec(select(NetworkAlarm)).all()) == 2


def test_only_the_alarms_of_that_kind_that_are_not_named_end(session: Session) -> None:
    assert alarms.raise_alarms(session, SILENT, {"a": "A", "b": "B", "c": "C"}, now=NOON) == 3
    alarms.raise_alarm(session, AlarmKind.TWO_POLLERS, "c", "Two", now=NOON)
    assert alarms.end_alarms_except(session, SILENT, ["b"], now=LATER) == 2
    assert [alarm[1] for alarm in _standing(session)] == ["b", "c"]


def test_no_alarm_ends_before_it_began(session: Session) -> None:
    alarms.raise_alarm(session, SILENT, "a", "A", now=LATER)
    alarms.end_alarm(session, SILENT, "a", now=NOON)
    session.expire_all()
    assert session.exec(select(NetworkAlarm)).one().ended_at == LATER


def test_a_check_that_fails_otherwise_than_before_ends_the_alarm_that_is_no_longer_true(session: Session) -> None:
    assert checks.claim(session, CheckKind.HEALTH, now=NOON)
    check = checks.still_ours(session, CheckKind.HEALTH, NOON)
    assert check is not None
    away = Failure(CheckOutcome.UNREACHABLE, "Away", AlarmKind.OPENWISP_UNREACHABLE)
    refused = Failure(CheckOutcome.REFUSED, "Refused", AlarmKind.OPENWISP_REFUSED)
    checks.failed(session, check, away, now=NOON)
    assert _standing(session) == []
    checks.failed(session, check, away, now=NOON)
    assert _standing(session) == [(AlarmKind.OPENWISP_UNREACHABLE, "health", "Away")]
    checks.failed(session, check, refused, now=NOON)
    assert _standing(session) == [(AlarmKind.OPENWISP_REFUSED, "health", "Refused")]
    checks.succeeded(session, check, "Well", now=LATER)
    assert _standing(session) == []
    assert check.done_at == LATER


@pytest.mark.parametrize("kind", CheckKind)
def test_a_check_is_claimed_by_one_at_a_time_until_its_lease_runs_out(session: Session, kind: CheckKind) -> None:
    assert checks.claim(session, kind, now=NOON)
    assert not checks.claim(session, kind, now=NOON + checks.LEASES[kind] - timedelta(seconds=1))
    assert checks.claim(session, kind, now=NOON + checks.LEASES[kind])
