"""What is left, and who holds its places: told to its owner, who takes devices off within the day's measure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from services.access import entry
from services.access.errors import EntitlementNotFound, SlotNotFound, SwapLimitReached
from services.access.models import Entitlement, EntitlementState
from services.access.slots import SWAPS_A_DAY
from services.accounts.models import Device
from services.apps import balance
from services.apps.callers import Caller
from services.apps.models import AppDevice
from tests.conftest import NOON
from tests.services.access.at_the_router import AtRouter
from tests.services.apps.buying import bought
from tests.services.apps.texting import logged_in

MINE = "+220833000031"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session, MINE)[1]


@pytest.fixture
def time(session: Session, me: Caller) -> Entitlement:
    return bought(session, MINE, device_limit=2, duration_seconds=86_400, quota_bytes=1 << 30)[2]


def enters(session: Session, router: AtRouter, time: Entitlement, number: int, *, now: datetime = NOON) -> Device:
    device = entry.let_in(session, time, router.joins(f"02:00:00:bb:02:{number:02x}", at=now), None, swap=False, now=now).device
    router.polls(now)
    assert device is not None
    return device


def free(session: Session, caller: Caller, time: Entitlement, number: int, *, now: datetime = NOON, device: Device | None = None) -> bool:
    assert time.id is not None
    return balance.free(session, caller, time.id, number=number, device_id=device.id if device else None, now=now)


def test_what_is_left_says_how_much_since_when_and_with_which_devices(session: Session, me: Caller, time: Entitlement) -> None:
    router = AtRouter(session)
    device = enters(session, router, time, 1)
    session.get_one(AppDevice, me.app_device_id).device_id = device.id
    time.bytes_used = 1000
    session.flush()
    (one,) = balance.left(session, replace(me, device_id=device.id), now=NOON + MINUTE)
    assert (one.id, one.seconds_total, one.bytes_total, one.device_limit) == (time.id, 86_400, 1 << 30, 2)
    assert (one.access.state, one.access.seconds_left, one.access.bytes_left) == ("online", 86_340, (1 << 30) - 1000)
    (on_it,) = one.devices
    assert (on_it.place, on_it.name, on_it.is_in, on_it.is_this) == (1, me.device_name, True, True)
    assert on_it.mac == "••:••:••:bb:02:01"
    assert one.swaps_left == SWAPS_A_DAY


def test_what_runs_comes_before_what_waits_and_what_is_over_is_left_out(session: Session, me: Caller, time: Entitlement) -> None:
    running, over, data_gone = (bought(session, MINE)[2] for _ in range(3))
    running.start(at=NOON)
    over.start(at=NOON - timedelta(days=1))
    over.state = EntitlementState.ENDED
    data_gone.quota_bytes = data_gone.bytes_used = 1 << 20
    bought(session, "+220833000032")
    session.flush()
    assert [one.id for one in balance.left(session, me, now=NOON)] == [running.id, time.id]


def test_an_owner_takes_a_device_off_once_and_never_the_one_that_came_after(session: Session, me: Caller, time: Entitlement) -> None:
    router = AtRouter(session)
    first = enters(session, router, time, 1)
    assert free(session, me, time, 1, device=first)
    assert not free(session, me, time, 1, device=first)
    second = enters(session, router, time, 2, now=NOON + MINUTE)
    assert not free(session, me, time, 1, device=first)
    assert time.id is not None
    # What was done before the second took the place did not mean it.
    assert not balance.free(session, me, time.id, number=1, before=NOON, now=NOON + 2 * MINUTE)
    assert [one.device_id for one in balance.devices(session, me, time.id)] == [second.id]


def test_devices_in_use_are_taken_off_a_few_times_a_day(session: Session, me: Caller, time: Entitlement) -> None:
    router = AtRouter(session)
    for number in range(SWAPS_A_DAY):
        enters(session, router, time, number, now=NOON + number * MINUTE)
        assert free(session, me, time, 1, now=NOON + number * MINUTE)
    enters(session, router, time, 9, now=NOON + 9 * MINUTE)
    with pytest.raises(SwapLimitReached):
        free(session, me, time, 1, now=NOON + 10 * MINUTE)


def test_a_place_that_the_package_does_not_have_is_no_place(session: Session, me: Caller, time: Entitlement) -> None:
    with pytest.raises(SlotNotFound):
        free(session, me, time, 3)


def test_another_persons_time_is_not_there(session: Session, time: Entitlement) -> None:
    _, stranger = logged_in(session)
    assert time.id is not None
    assert balance.left(session, stranger, now=NOON) == ()
    with pytest.raises(EntitlementNotFound):
        balance.devices(session, stranger, time.id)
    with pytest.raises(EntitlementNotFound):
        free(session, stranger, time, 1)
