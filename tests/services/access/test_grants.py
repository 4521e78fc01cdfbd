"""What the wire tests cannot arrange: chosen moments, and states between two calls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from services.access import entitlements, entry, grants, reports, sweeps
from services.access.context import HotspotContext
from services.access.errors import DeviceLimitReached, NoTimeLeft
from services.access.gateways import faskey_of
from services.access.models import AccessSession, DeviceSlot, Entitlement, EntitlementState, Gateway, Grant, GrantState, SessionState
from services.integrations import opennds
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import issue_voucher
from tests.conftest import NOON
from tests.factories import make_context, make_gateway, make_package, staff

MINUTE = timedelta(minutes=1)


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return make_gateway(session)


@pytest.fixture
def context(gateway: Gateway) -> HotspotContext:
    return make_context(gateway)


def bought(session: Session, **terms: object) -> Entitlement:
    package = make_package(session, **terms)
    voucher, _ = issue_voucher(session, actor=staff(), package_id=package.public_id, phone=None, note=None, now=NOON)
    voucher.state, voucher.used_at = VoucherState.USED, NOON
    return entitlements.create_entitlement(session, voucher, now=NOON)


def offered(session: Session, gateway: Gateway, now: object = NOON) -> list[str]:
    return grants.entries_on_offer(session, gateway_id=gateway.id or 0, now=now)  # type: ignore[arg-type]


def acked(session: Session, gateway: Gateway, context: HotspotContext, now: object = NOON) -> int:
    names = (opennds.rhid(context.hid, faskey_of(gateway)),)
    return grants.acknowledge(session, gateway_id=gateway.id or 0, acked=names, now=now)  # type: ignore[arg-type]


def the_grant(session: Session) -> Grant:
    return session.exec(select(Grant)).one()


def test_a_question_about_the_session_leaves_a_standing_grant_as_it_is(session: Session, gateway: Gateway, context: HotspotContext) -> None:
    entitlement = bought(session)
    holder = entry.let_in(session, entitlement, context, None, swap=False, now=NOON).device
    offered(session, gateway)
    acked(session, gateway, context)

    entry.welcome_back(session, context, holder, now=NOON + MINUTE, again=False)

    assert the_grant(session).state is GrantState.ACKED
    assert offered(session, gateway, NOON + MINUTE) == []


def test_a_waiting_page_that_asks_and_asks_does_not_keep_an_offer_alive(
    session: Session, gateway: Gateway, context: HotspotContext
) -> None:
    entry.let_in(session, bought(session), context, None, swap=False, now=NOON)
    offered(session, gateway)
    for second in range(0, 120, 3):
        entry.welcome_back(session, context, None, now=NOON + timedelta(seconds=second), again=False)
    assert sweeps.give_up_offers(session, now=NOON + timedelta(seconds=120)) == 1
    assert the_grant(session).state is GrantState.UNCONFIRMED


def test_the_redirect_of_a_captive_client_does_offer_anew(session: Session, gateway: Gateway, context: HotspotContext) -> None:
    entry.let_in(session, bought(session), context, None, swap=False, now=NOON)
    offered(session, gateway)
    acked(session, gateway, context)
    entry.welcome_back(session, context, None, now=NOON + MINUTE)
    assert len(offered(session, gateway, NOON + MINUTE)) == 1


def test_a_purchase_made_while_another_runs_waits_its_turn(session: Session, gateway: Gateway, context: HotspotContext) -> None:
    holder = entry.let_in(session, bought(session), context, None, swap=False, now=NOON).device
    offered(session, gateway)
    acked(session, gateway, context)
    second = bought(session)
    entry.let_in(session, second, context, holder, swap=False, now=NOON + 20 * MINUTE)
    assert offered(session, gateway, NOON + 20 * MINUTE) == []
    assert the_grant(session).state is GrantState.ACKED
    assert second.started_at is None


def test_a_purchase_that_takes_over_an_entry_starts_no_earlier_than_it_was_made(
    session: Session, gateway: Gateway, context: HotspotContext
) -> None:
    holder = entry.let_in(session, bought(session), context, None, swap=False, now=NOON).device
    offered(session, gateway)
    acked(session, gateway, context)
    later = NOON + 61 * MINUTE  # the first is used up, and no report of its end was heard
    second = bought(session)
    second.created_at = later
    entry.let_in(session, second, context, holder, swap=False, now=later)
    offered(session, gateway, later)
    acked(session, gateway, context, later + MINUTE)
    assert second.started_at is not None
    assert second.started_at >= later


def test_the_clock_runs_from_the_acknowledgement_and_time_left_shrinks_the_next_grant(
    session: Session, gateway: Gateway, context: HotspotContext
) -> None:
    entitlement = bought(session, duration_seconds=3600)
    holder = entry.let_in(session, entitlement, context, None, swap=False, now=NOON).device
    offered(session, gateway)
    acked(session, gateway, context, NOON + MINUTE)
    assert entitlement.ends_at == NOON + 61 * MINUTE
    elsewhere = make_context(gateway, hid="cd" * 32, at=NOON + 41 * MINUTE)
    entry.welcome_back(session, elsewhere, holder, now=NOON + 41 * MINUTE)
    (line,) = offered(session, gateway, NOON + 41 * MINUTE)
    assert line.split("%20")[1] == "20"


def test_used_up_time_is_refused(session: Session, context: HotspotContext) -> None:
    entitlement = bought(session)
    entitlement.start(at=NOON)
    with pytest.raises(NoTimeLeft):
        entry.let_in(session, entitlement, context, None, swap=False, now=NOON + timedelta(hours=1))


def test_the_last_place_is_taken_once_and_moves_only_on_proof(session: Session, gateway: Gateway) -> None:
    entitlement = bought(session, device_limit=1)
    first, second = make_context(gateway, mac="02:00:00:bb:00:01"), make_context(gateway, mac="02:00:00:bb:00:02")
    entry.let_in(session, entitlement, first, None, swap=False, now=NOON)
    with pytest.raises(DeviceLimitReached):
        entry.let_in(session, entitlement, second, None, swap=False, now=NOON)
    entry.let_in(session, entitlement, second, None, swap=True, now=NOON)
    states = session.exec(select(Grant.state).order_by(col(Grant.id))).all()
    assert states == [GrantState.VOID, GrantState.QUEUED]
    assert len(session.exec(select(DeviceSlot).where(col(DeviceSlot.released_at).is_(None))).all()) == 1


def test_a_restart_ends_sessions_at_the_last_poll_before_it(session: Session, gateway: Gateway, context: HotspotContext) -> None:
    from app import redis
    from services.access import busy

    entry.let_in(session, bought(session), context, None, swap=False, now=NOON)
    offered(session, gateway)
    acked(session, gateway, context)
    last_poll = NOON + 10 * MINUTE
    redis.client().hset(busy.SEEN, gateway.slug, f"{int(last_poll.timestamp())}|openNDS")
    reports.router_restarted(session, gateway_id=gateway.id or 0, slug=gateway.slug, now=NOON + 15 * MINUTE)
    ended = session.exec(select(AccessSession)).one()
    assert (ended.state, ended.ended_at, ended.end_reason) == (SessionState.ENDED, last_poll, "router_restart")


@pytest.mark.parametrize("sweep", [sweeps.give_up_offers, sweeps.end_overdue, sweeps.expire_entitlements])
def test_a_sweep_that_runs_twice_does_nothing_the_second_time(
    session: Session, gateway: Gateway, context: HotspotContext, sweep: object
) -> None:
    entry.let_in(session, bought(session), context, None, swap=False, now=NOON)
    offered(session, gateway)
    if sweep is not sweeps.give_up_offers:
        acked(session, gateway, context)
    at = NOON + timedelta(days=40)
    assert sweep(session, now=at) == 1  # type: ignore[operator]
    assert sweep(session, now=at) == 0  # type: ignore[operator]


def test_time_that_was_never_used_ends_with_its_validity(session: Session) -> None:
    entitlement = bought(session, validity_days=30)
    assert sweeps.expire_entitlements(session, now=NOON + timedelta(days=30) - MINUTE) == 0
    assert sweeps.expire_entitlements(session, now=NOON + timedelta(days=30)) == 1
    assert entitlement.state is EntitlementState.ENDED
    assert session.exec(select(Voucher)).one().state is VoucherState.USED
