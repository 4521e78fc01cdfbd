"""Staff give more time, within bounds, and what they end stays ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from services.access import entry, sweeps
from services.access.entitlements import data_left, view_access
from services.access.errors import BadExtension, EntitlementNotFound, NotExtendable
from services.access.models import AccessSession, DeauthOrder, Entitlement, EntitlementState
from services.access.session_queries import SessionFilter, list_sessions, session_page
from services.access.sessions_desk import end_session_now, extend_entitlement
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.listing import Slice
from tests.conftest import NOON
from tests.factories import staff
from tests.services.access.at_the_router import MAC, AtRouter, bought

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MB = 1 << 20
CARE = staff(Role.CUSTOMER_CARE)


def extend(session: Session, time: Entitlement, seconds: int = 1800, *, now=NOON, actor=CARE) -> Entitlement:  # type: ignore[no-untyped-def]
    return extend_entitlement(session, actor=actor, entitlement_id=time.id or 0, seconds=seconds, reason="slow", now=now)


def test_time_that_waits_gets_longer(session: Session) -> None:
    time = extend(session, bought(session, duration_seconds=3600))
    assert (time.state, time.seconds_left(now=NOON)) == (EntitlementState.READY, 5400)


def test_time_that_runs_ends_later_and_it_is_kept_who_gave_it(session: Session) -> None:
    time = bought(session, duration_seconds=3600)
    time.start(at=NOON)
    extend(session, time, now=NOON + 10 * MINUTE)
    assert time.ends_at == NOON + 90 * MINUTE
    kept = session.exec(select(AuditEntry).where(AuditEntry.action == "entitlement.extend")).one()
    assert kept.actor == CARE.label
    assert kept.after is not None
    assert (kept.after["seconds_total"], kept.after["reason"]) == (5400, "slow")


def test_time_that_ran_out_runs_again_from_now(session: Session) -> None:
    time = bought(session, duration_seconds=3600)
    time.start(at=NOON)
    sweeps.expire_entitlements(session, now=NOON + 2 * HOUR)
    assert time.state is EntitlementState.ENDED
    extend(session, time, now=NOON + 3 * HOUR)
    assert (time.state, time.ends_at) == (EntitlementState.RUNNING, NOON + 3 * HOUR + 30 * MINUTE)


def test_a_phone_whose_time_just_ran_out_is_let_in_again_at_once(session: Session) -> None:
    router, time = AtRouter(session), bought(session, duration_seconds=3600)
    context = router.joins()
    entry.let_in(session, time, context, None, swap=False, now=NOON)
    router.polls(NOON)
    router.reports_end(context, "timeout_deauth", now=NOON + HOUR)
    sweeps.expire_entitlements(session, now=NOON + HOUR)
    extend(session, time, now=NOON + HOUR + 5 * MINUTE)
    (words,) = router.view(NOON + HOUR + 5 * MINUTE)
    assert words[:2] == [MAC, "30"]


def test_an_offer_that_waits_carries_the_new_time(session: Session) -> None:
    router, time = AtRouter(session), bought(session, duration_seconds=3600)
    entry.let_in(session, time, router.joins(), None, swap=False, now=NOON)
    extend(session, time)
    assert router.view(NOON)[0][1] == "90"


@pytest.mark.parametrize("seconds", [0, -60, 59, 30 * 86_400 + 1])
def test_an_extension_has_bounds(session: Session, seconds: int) -> None:
    with pytest.raises(BadExtension):
        extend(session, bought(session), seconds)


@pytest.mark.parametrize("seconds", [60, 30 * 86_400])
def test_its_bounds_themselves_are_allowed(session: Session, seconds: int) -> None:
    assert extend(session, bought(session, duration_seconds=3600), seconds).seconds_total == 3600 + seconds


def test_what_ended_too_long_ago_by_data_by_validity_or_by_staff_is_not_reopened(session: Session) -> None:
    old, used_up, stale = bought(session), bought(session, quota_bytes=MB), bought(session, validity_days=1)
    old.start(at=NOON - 8 * DAY)
    used_up.start(at=NOON)
    used_up.bytes_used = MB
    stale.state = EntitlementState.ENDED
    for time in (old, used_up, stale):
        with pytest.raises(NotExtendable):
            extend(session, time)
    router, ended = AtRouter(session), bought(session)
    entry.let_in(session, ended, router.joins(), None, swap=False, now=NOON)
    router.polls(NOON)
    row = session.exec(select(AccessSession)).one()
    assert not end_session_now(session, actor=CARE, session_id=row.id or 0, reason="stolen", now=NOON).is_put_out
    with pytest.raises(NotExtendable, match="Staff ended it"):
        extend(session, ended)


def test_a_clock_that_stands_is_extended_by_just_as_much(session: Session) -> None:
    time = bought(session, duration_seconds=3600)
    time.start(at=NOON)
    time.paused_at = NOON + 10 * MINUTE
    extend(session, time, now=NOON + 3 * HOUR)
    assert time.seconds_left(now=NOON + 3 * HOUR) == 80 * 60
    assert view_access(session, time, now=NOON + 3 * HOUR).paused_at == NOON + 10 * MINUTE


@pytest.mark.parametrize("role", [Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER])
def test_only_some_roles_give_time(session: Session, role: Role) -> None:
    with pytest.raises(Forbidden):
        extend(session, bought(session), actor=staff(role))


def test_there_must_be_something_to_extend(session: Session) -> None:
    with pytest.raises(EntitlementNotFound):
        extend_entitlement(session, actor=CARE, entitlement_id=999_999, seconds=60, reason="none", now=NOON)


def test_ending_orders_the_client_out_where_the_router_runs_our_script(session: Session) -> None:
    router, time = AtRouter(session), bought(session)
    router.gateway.agent_seen_at = NOON
    entry.let_in(session, time, router.joins(), None, swap=False, now=NOON)
    router.polls(NOON)
    row = session.exec(select(AccessSession)).one()
    assert end_session_now(session, actor=CARE, session_id=row.id or 0, reason="stolen", now=NOON).is_put_out
    assert session.exec(select(DeauthOrder)).one().mac == MAC


def test_data_of_all_sessions_counts_together_and_the_next_grant_carries_the_rest(session: Session) -> None:
    time = bought(session, quota_bytes=100 * MB, device_limit=2, duration_seconds=86_400)
    router, other = AtRouter(session), AtRouter(session)
    first = router.joins("02:00:00:bb:01:01")
    entry.let_in(session, time, first, None, swap=False, now=NOON)
    second = other.joins("02:00:00:bb:01:02")
    entry.let_in(session, time, second, None, swap=False, now=NOON)
    router.polls(NOON)
    other.polls(NOON)
    router.reports_end(first, "idle_deauth", now=NOON + MINUTE, down=30 * MB, up=10 * MB)
    # The other one's router counts by script; its end was not reported yet.
    running = session.exec(select(AccessSession).where(AccessSession.gateway_id == other.gateway.id)).one()
    running.live_bytes_down, running.live_bytes_up, running.live_at = 20 * MB, 5 * MB, NOON + MINUTE
    session.flush()
    assert data_left(session, time) == 35 * MB
    assert view_access(session, time, now=NOON + MINUTE).bytes_left == 35 * MB

    entry.welcome_back(session, router.joins("02:00:00:bb:01:01", at=NOON + 2 * MINUTE), None, now=NOON + 2 * MINUTE)
    (words,) = router.view(NOON + 2 * MINUTE)
    assert words[5] == str(35 * 1024)

    other.reports_end(second, "idle_deauth", now=NOON + 3 * MINUTE, down=24 * MB, up=6 * MB)
    assert data_left(session, time) == 30 * MB  # the report replaces the live count


def test_live_data_that_used_everything_up_lets_nobody_in(session: Session) -> None:
    time = bought(session, quota_bytes=MB)
    router = AtRouter(session)
    entry.let_in(session, time, router.joins(), None, swap=False, now=NOON)
    router.polls(NOON)
    running = session.exec(select(AccessSession)).one()
    running.live_bytes_down, running.live_at = MB, NOON
    session.flush()
    assert entry.welcome_back(session, router.joins(at=NOON + MINUTE), None, now=NOON + MINUTE) is None
    assert view_access(session, time, now=NOON + MINUTE).state == "ended"


def test_sessions_are_listed_by_site_customer_and_state_and_shown_with_their_time(session: Session) -> None:
    here, there = AtRouter(session), AtRouter(session)
    there.gateway.site_id = None
    for router in (here, there):
        entry.let_in(session, bought(session, device_limit=2), router.joins(), None, swap=False, now=NOON)
        router.polls(NOON)
    row = session.exec(select(AccessSession).where(AccessSession.gateway_id == here.gateway.id)).one()

    def listed(**wanted: object) -> list[int]:
        found = list_sessions(session, actor=CARE, wanted=SessionFilter(**wanted), part=Slice())  # type: ignore[arg-type]
        return [shown.id for shown in found.rows]

    assert len(listed()) == 2
    assert listed(site_id=here.gateway.site_id) == [row.id]
    assert listed(customer_id=999) == []
    assert listed(state=row.state, gateway_slug=here.gateway.slug) == [row.id]
    page = session_page(session, actor=CARE, session_id=row.id or 0, now=NOON + MINUTE)
    assert page.time is not None
    assert (page.time.seconds_left, page.time.device_limit, page.time.swaps_left) == (3540, 2, 3)
    assert [device.is_in for device in page.devices] == [True]
    assert [other.id for other in page.sessions] == [row.id]
