"""Places for devices on a purchase: taken, moved by customers and by staff, never more than were bought."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from services.access import entry, slots
from services.access.context import HotspotContext
from services.access.errors import DeviceLimitReached, SlotNotFound, SwapLimitReached, SwapNotProved
from services.access.models import Entitlement
from services.accounts.models import Device, Role
from services.audit.models import AuditEntry
from services.vouchers.service import enter_code, find_by_code
from tests.conftest import NOON
from tests.factories import staff
from tests.services.access.at_the_router import AtRouter, bought, bought_with_code, new_code

MINUTE = timedelta(minutes=1)
LEVELS = pytest.mark.parametrize("level", [3, 4])


def mac(number: int) -> str:
    return f"02:00:00:bb:01:{number:02x}"


def enters(session: Session, router: AtRouter, time: Entitlement, number: int, *, now: datetime = NOON, swap: bool = False) -> Device:
    """A phone takes a place, is let in, and keeps its token."""
    context = router.joins(mac(number), at=now)
    device = entry.let_in(session, time, context, None, swap=swap, now=now).device
    router.polls(now)
    assert device is not None
    return device


@LEVELS
def test_as_many_devices_enter_as_the_package_allows(session: Session, level: int) -> None:
    router, code = AtRouter(session, level), new_code(session, device_limit=3)
    for number in range(3):
        enter_code(session, code=code, context=router.joins(mac(number)), device=None, now=NOON)
    assert len(router.polls(NOON)) == 3
    time = session.exec(select(Entitlement)).one()
    with pytest.raises(DeviceLimitReached):
        entry.let_in(session, time, router.joins(mac(9)), None, swap=False, now=NOON)
    assert slots.count_held(session, time.id or 0) == 3


@LEVELS
def test_a_device_that_is_gone_makes_room_before_one_that_is_online(session: Session, level: int) -> None:
    router, time = AtRouter(session, level), bought(session, device_limit=2)
    oldest = enters(session, router, time, 1)
    gone = enters(session, router, time, 2, now=NOON + MINUTE)
    left = router.joins(mac(2))
    router.reports_end(left, "idle_deauth", now=NOON + 2 * MINUTE)
    enters(session, router, time, 3, now=NOON + 3 * MINUTE, swap=True)
    holders = {slot.device_id for slot in slots.held(session, time.id)}
    assert oldest.id in holders
    assert gone.id not in holders


@LEVELS
def test_a_purchase_that_is_passed_round_is_opened_for_short_only(session: Session, level: int) -> None:
    router, (time, code) = AtRouter(session, level), bought_with_code(session, duration_seconds=86_400)
    minutes = []
    for number in range(6):
        now = NOON + number * MINUTE
        find_by_code(session, code=code, context=router.joins(mac(number), at=now), device=None, now=now)
        minutes += [int(words[1]) for words in router.view(now)]
        router.polls(now)
    # Three who took it from one that was online had the whole day; the routers end the rest after a quarter of an hour.
    assert minutes == [1440, 1439, 1438, 1437, 15, 15]
    assert slots.swaps_left(session, time.id or 0, now=NOON + 6 * MINUTE) == 0
    assert slots.swaps_left(session, time.id or 0, now=NOON + timedelta(hours=25)) == slots.SWAPS_A_DAY


def test_who_lost_the_place_does_not_come_back_with_the_token_and_who_holds_it_goes_on(session: Session) -> None:
    router, time = AtRouter(session), bought(session, duration_seconds=86_400)
    first = enters(session, router, time, 1)
    second = enters(session, router, time, 2, now=NOON + MINUTE, swap=True)
    assert entry.welcome_back(session, router.joins(mac(1), at=NOON + 2 * MINUTE), first, now=NOON + 2 * MINUTE) is None
    back = entry.welcome_back(session, router.joins(mac(2), at=NOON + 3 * MINUTE), second, now=NOON + 3 * MINUTE)
    assert back is not None


@LEVELS
def test_a_customer_sees_the_devices_and_takes_one_off(session: Session, level: int) -> None:
    router, time = AtRouter(session, level), bought(session, device_limit=2)
    mine, other = enters(session, router, time, 1), enters(session, router, time, 2, now=NOON + 30 * MINUTE)
    here = router.joins(mac(1), at=NOON + 31 * MINUTE)
    views = slots.devices_on(session, time, device=mine, context=here)
    assert [(view.is_this, view.is_in) for view in views] == [(True, True), (False, True)]
    (theirs,) = [view for view in views if not view.is_this]
    assert theirs.taken_at == NOON + 30 * MINUTE
    slots.free_own(session, time, slot_id=theirs.slot_id, device=mine, context=here, now=NOON + 32 * MINUTE)
    assert other.id not in {slot.device_id for slot in slots.held(session, time.id)}
    with pytest.raises(SlotNotFound):
        slots.free_own(session, time, slot_id=theirs.slot_id, device=mine, context=here, now=NOON + 33 * MINUTE)


def test_the_button_is_refused_when_the_day_is_spent(session: Session) -> None:
    router, time = AtRouter(session), bought(session, device_limit=2, duration_seconds=86_400)
    mine = enters(session, router, time, 1)
    here = router.joins(mac(1))
    for number in range(2, 6):
        enters(session, router, time, number, now=NOON + number * MINUTE)
        (other,) = [view for view in slots.devices_on(session, time, device=mine, context=here) if not view.is_this]
        if number < 5:
            slots.free_own(session, time, slot_id=other.slot_id, device=mine, context=here, now=NOON + number * MINUTE)
    with pytest.raises(SwapLimitReached):
        slots.free_own(session, time, slot_id=other.slot_id, device=mine, context=here, now=NOON + 9 * MINUTE)


def test_who_is_known_by_a_mac_alone_takes_nobody_off(session: Session) -> None:
    router, time = AtRouter(session), bought(session, device_limit=2)
    enters(session, router, time, 1)
    enters(session, router, time, 2)
    elsewhere = AtRouter(session)
    clone = elsewhere.joins(mac(1), at=NOON + MINUTE)
    entry.welcome_back(session, clone, None, now=NOON + MINUTE)
    (victim,) = [view for view in slots.devices_on(session, time, context=clone) if not view.is_this]
    for context in (clone, None):
        with pytest.raises(SwapNotProved):
            slots.free_own(session, time, slot_id=victim.slot_id, device=None, context=context, now=NOON + 2 * MINUTE)


def test_staff_free_a_place_and_it_is_kept_who_did_and_why(session: Session) -> None:
    router, time = AtRouter(session), bought(session)
    first = enters(session, router, time, 1)
    assert time.id is not None
    with pytest.raises(Forbidden):
        slots.free_slot(session, actor=staff(Role.FIELD_TECHNICIAN), entitlement_id=time.id, number=1, reason="no", now=NOON)
    slots.free_slot(session, actor=staff(Role.CUSTOMER_CARE), entitlement_id=time.id, number=1, reason="phone sold", now=NOON + MINUTE)
    assert slots.devices_of(session, actor=staff(), entitlement_id=time.id) == ()
    kept = session.exec(select(AuditEntry).where(AuditEntry.action == "slot.free")).one()
    assert kept.after == {"place": 1, "device": first.id, "reason": "phone sold"}
    with pytest.raises(SlotNotFound):
        slots.free_slot(session, actor=staff(), entitlement_id=time.id, number=1, reason="again", now=NOON + MINUTE)
    assert isinstance(enters(session, router, time, 2, now=NOON + 2 * MINUTE), Device)


def test_a_context_alone_marks_this_device(session: Session) -> None:
    router, time = AtRouter(session, level=4), bought(session)
    context: HotspotContext = router.joins()
    entry.let_in(session, time, context, None, swap=False, now=NOON)
    (view,) = slots.devices_on(session, time, context=context)
    assert view.is_this
    assert view.mac is None  # at level 4 nobody vouches for it
