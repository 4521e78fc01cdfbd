"""What follows when a session ends on a router and the device has time left."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from services.access import entry, followups, sweeps
from services.access.models import LIVE, AccessSession, Entitlement, EntitlementState, Grant, GrantState
from services.access.sessions_desk import end_session_now, extend_entitlement
from tests.conftest import NOON
from tests.factories import staff
from tests.services.access.at_the_router import MAC, AtRouter, bought

MINUTE = timedelta(minutes=1)
MB = 1 << 20


@pytest.fixture
def router(session: Session) -> AtRouter:
    return AtRouter(session)


def online(session: Session, router: AtRouter, entitlement: Entitlement, *, now: datetime = NOON):  # type: ignore[no-untyped-def]
    """A phone is let in on this time. Answers where it stands."""
    context = router.joins(at=now)
    entry.let_in(session, entitlement, context, None, swap=False, now=now)
    router.polls(now)
    return context


def live(session: Session) -> list[Grant]:
    return list(session.exec(select(Grant).where(col(Grant.state).in_(LIVE)).order_by(col(Grant.id))).all())


def test_added_time_begins_with_a_grant_by_mac_when_the_router_ends_the_old_time(session: Session, router: AtRouter) -> None:
    time = bought(session, duration_seconds=3600)
    phone = online(session, router, time)
    extend_entitlement(session, actor=staff(), entitlement_id=time.id or 0, seconds=1800, reason="slow", now=NOON + 50 * MINUTE)
    assert router.view(NOON + 50 * MINUTE) == []  # nothing reaches a session that runs

    router.reports_end(phone, "timeout_deauth", now=NOON + 60 * MINUTE)

    (words,) = router.view(NOON + 60 * MINUTE)
    assert words[:2] == [MAC, "30"]


def test_time_bought_while_online_follows_on(session: Session, router: AtRouter) -> None:
    first = bought(session, duration_seconds=3600)
    phone = online(session, router, first)
    second = bought(session, duration_seconds=1800)
    entry.let_in(session, second, phone, None, swap=False, now=NOON + 10 * MINUTE)
    over = NOON + 60 * MINUTE
    router.reports_end(phone, "timeout_deauth", now=over)
    assert second.state is EntitlementState.READY

    assert router.polls(over + timedelta(seconds=10)) == [MAC]

    assert second.ends_at == over + timedelta(seconds=10, minutes=30)


@pytest.mark.parametrize("method", ["downquota_deauth", "upload_quota_deauth"])
def test_used_up_data_goes_on_with_the_next_purchase_and_no_other(session: Session, router: AtRouter, method: str) -> None:
    phone = online(session, router, bought(session, quota_bytes=10 * MB))
    router.reports_end(phone, method, now=NOON + MINUTE, down=10 * MB)
    assert router.view(NOON + MINUTE) == []

    again = router.joins(at=NOON + 2 * MINUTE)
    entry.let_in(session, bought(session, quota_bytes=5 * MB), again, None, swap=False, now=NOON + 2 * MINUTE)
    router.polls(NOON + 2 * MINUTE)
    entry.let_in(session, bought(session, quota_bytes=7 * MB), again, None, swap=False, now=NOON + 3 * MINUTE)
    router.reports_end(again, method, now=NOON + 4 * MINUTE, down=5 * MB)
    (words,) = router.view(NOON + 4 * MINUTE)
    assert (words[0], words[5]) == (MAC, str(7 * 1024))


@pytest.mark.parametrize("method", ["idle_deauth", "client_deauth", "ndsctl_deauth"])
def test_a_device_that_left_or_was_put_out_is_not_called_back(session: Session, router: AtRouter, method: str) -> None:
    phone = online(session, router, bought(session))
    router.reports_end(phone, method, now=NOON + MINUTE)
    assert live(session) == []


def test_after_a_restart_those_with_time_left_are_let_in_by_mac(session: Session, router: AtRouter) -> None:
    online(session, router, bought(session, duration_seconds=3600))
    router.restarts(NOON + 15 * MINUTE)
    (words,) = router.view(NOON + 15 * MINUTE)
    assert words[:2] == [MAC, "45"]


def test_forged_restarts_make_no_rows_and_keep_what_waits(session: Session, router: AtRouter) -> None:
    online(session, router, bought(session))
    router.restarts(NOON + MINUTE)
    rows = len(session.exec(select(Grant.id)).all())
    for second in range(5):
        router.restarts(NOON + MINUTE + timedelta(seconds=second))
    assert len(session.exec(select(Grant.id)).all()) == rows
    assert [words[0] for words in router.view(NOON + 2 * MINUTE)] == [MAC]


def test_at_level_4_nothing_follows_by_mac(session: Session) -> None:
    router = AtRouter(session, level=4)
    time = bought(session)
    phone = online(session, router, time)
    extend_entitlement(session, actor=staff(), entitlement_id=time.id or 0, seconds=1800, reason="slow", now=NOON + MINUTE)
    router.reports_end(phone, "timeout_deauth", now=NOON + 60 * MINUTE)
    router.restarts(NOON + 61 * MINUTE)
    assert live(session) == []


def test_without_a_report_the_assumed_end_lets_it_follow_too(session: Session, router: AtRouter) -> None:
    time = bought(session, duration_seconds=3600)
    online(session, router, time)
    extend_entitlement(session, actor=staff(), entitlement_id=time.id or 0, seconds=1800, reason="slow", now=NOON + MINUTE)
    sweeps.end_overdue(session, now=NOON + 62 * MINUTE)
    (words,) = router.view(NOON + 62 * MINUTE)
    assert words[:2] == [MAC, "28"]


def test_a_report_and_the_sweep_queue_it_once(session: Session, router: AtRouter) -> None:
    time = bought(session, duration_seconds=3600)
    phone = online(session, router, time)
    extend_entitlement(session, actor=staff(), entitlement_id=time.id or 0, seconds=1800, reason="slow", now=NOON + MINUTE)
    sweeps.end_overdue(session, now=NOON + 62 * MINUTE)
    router.reports_end(phone, "timeout_deauth", now=NOON + 62 * MINUTE)
    assert len(live(session)) == 1


def test_what_staff_ended_does_not_follow(session: Session, router: AtRouter) -> None:
    phone = online(session, router, bought(session))
    row = session.exec(select(AccessSession)).one()
    end_session_now(session, actor=staff(), session_id=row.id or 0, reason="stolen", now=NOON + MINUTE)
    router.reports_end(phone, "timeout_deauth", now=NOON + 2 * MINUTE)
    assert live(session) == []


def test_a_rest_too_short_for_a_routers_whole_minutes_is_let_go(session: Session, router: AtRouter) -> None:
    phone = online(session, router, bought(session, duration_seconds=3600))
    router.reports_end(phone, "timeout_deauth", now=NOON + 60 * MINUTE - timedelta(seconds=20))
    assert live(session) == []


def test_an_offer_that_finds_nobody_is_void_and_starts_no_clock(session: Session, router: AtRouter) -> None:
    phone = online(session, router, bought(session, duration_seconds=3600))
    second = bought(session)
    entry.let_in(session, second, phone, None, swap=False, now=NOON + MINUTE)
    router.reports_end(phone, "timeout_deauth", now=NOON + 60 * MINUTE)
    router.view(NOON + 60 * MINUTE)  # and the router finds no such phone
    sweeps.give_up_offers(session, now=NOON + 70 * MINUTE)
    newest = session.exec(select(Grant).order_by(col(Grant.id).desc())).first()
    assert newest is not None
    assert (newest.state, newest.end_reason) == (GrantState.VOID, followups.NOT_THERE)
    assert second.state is EntitlementState.READY


def test_a_redirect_takes_the_place_of_a_follow_on_that_was_not_fetched(session: Session, router: AtRouter) -> None:
    phone = online(session, router, bought(session, duration_seconds=7200))
    router.restarts(NOON + 10 * MINUTE)
    back = router.joins(phone.mac, at=NOON + 11 * MINUTE)
    entry.welcome_back(session, back, None, now=NOON + 11 * MINUTE)
    assert router.polls(NOON + 11 * MINUTE) == [router.name_of(back)]


def test_a_device_let_in_elsewhere_meanwhile_is_not_called_back(session: Session, router: AtRouter) -> None:
    phone = online(session, router, bought(session, duration_seconds=7200))
    elsewhere = AtRouter(session)
    entry.welcome_back(session, elsewhere.joins(at=NOON + 10 * MINUTE), None, now=NOON + 10 * MINUTE)
    elsewhere.polls(NOON + 10 * MINUTE)
    router.reports_end(phone, "timeout_deauth", now=NOON + 11 * MINUTE)
    router.restarts(NOON + 12 * MINUTE)
    assert [grant.gateway_id for grant in live(session)] == [elsewhere.gateway.id]


def test_however_often_it_follows_no_more_time_is_given_than_was_bought(session: Session, router: AtRouter) -> None:
    time = bought(session, duration_seconds=3600)
    online(session, router, time)
    now, given = NOON, 0
    while True:
        now += 7 * MINUTE
        router.restarts(now)
        entries = router.view(now)
        if not entries:
            break
        given = int(entries[0][1])
        assert now + given * MINUTE <= NOON + 61 * MINUTE
        router.polls(now)
    assert given
    assert time.ends_at == NOON + 60 * MINUTE
