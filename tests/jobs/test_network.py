from __future__ import annotations

import pytest
from sqlmodel import Session, select

from app.settings import get_settings
from jobs import network
from services.network.alarm_models import CheckKind, CheckOutcome, DiscoveryRun, NetworkCheck


def test_a_poll_that_is_not_due_asks_nothing(session: Session) -> None:
    network.poll_health()
    first = session.get_one(NetworkCheck, CheckKind.HEALTH).started_at
    network.poll_health()
    assert session.get_one(NetworkCheck, CheckKind.HEALTH, populate_existing=True).started_at == first


def test_a_poll_that_is_due_is_made(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "health_poll_seconds", 0)
    network.poll_health()
    first = session.get_one(NetworkCheck, CheckKind.HEALTH).started_at
    network.poll_health()
    assert session.get_one(NetworkCheck, CheckKind.HEALTH, populate_existing=True).started_at > first


def test_without_an_openwisp_a_discovery_says_so_and_by_whom_it_was_asked_for(session: Session) -> None:
    network.discover("staff:root@test.gm")
    run = session.exec(select(DiscoveryRun)).one()
    assert (run.outcome, run.asked_by) == (CheckOutcome.NOT_CONFIGURED, "staff:root@test.gm")


def test_a_sweep_of_incidents_may_run_on_nothing(session: Session) -> None:
    network.sweep_incidents()
