"""Device slots: the places for devices on a purchase, who holds them, and how one passes to another device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select, update

from app.events import publish
from services.access import agent
from services.access.context import HotspotContext
from services.access.errors import DeviceLimitReached, SlotNotFound, SwapLimitReached, SwapNotProved
from services.access.models import LIVE, ON_OFFER, AccessSession, DeviceSlot, Entitlement, Grant, GrantState, SessionState
from services.accounts.models import Device
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit

SWAPS_A_DAY = 3
"""How often in 24 hours customers may take a place from a device that its router may still keep online, and pay nothing for it."""
SHORT_SECONDS = 15 * 60
"""How long a router lets a device in at a time on a purchase that was moved more often than that."""
RECOGNISED = "recognised"
"""The `actor` of a grant whose client was known by its MAC alone: good for access, and proof of nothing."""
_SWAPPED = "device_swapped"
_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class DeviceView:
    """One device on a purchase. `is_in`: a router let it in, and has not reported its end."""

    slot_id: int
    number: int
    device_id: int
    taken_at: datetime
    mac: str | None
    is_in: bool
    is_this: bool = False


def held(session: Session, entitlement_id: int | None) -> Sequence[DeviceSlot]:
    """The slots that are taken, the oldest first."""
    return session.exec(
        select(DeviceSlot)
        .where(DeviceSlot.entitlement_id == entitlement_id, col(DeviceSlot.released_at).is_(None))
        .order_by(col(DeviceSlot.taken_at), col(DeviceSlot.id))
    ).all()


def count_held(session: Session, entitlement_id: int) -> int:
    return session.exec(
        select(func.count())
        .select_from(DeviceSlot)
        .where(DeviceSlot.entitlement_id == entitlement_id, col(DeviceSlot.released_at).is_(None))
    ).one()


def held_slot(session: Session, entitlement: Entitlement, device: Device | None, context: HotspotContext) -> DeviceSlot | None:
    """The place that this device holds, known by its token, its MAC where the router vouches for it, or its very entry."""
    slots = held(session, entitlement.id)
    for slot in slots:
        if device is not None and slot.device_id == device.id:
            slot.mac_hint = _hint(context) or slot.mac_hint
            return slot
    for slot in slots:
        if context.mac_trusted and slot.mac_hint == context.mac:
            return slot
    entered = _entered_here(session, entitlement, context)
    return next((slot for slot in slots if slot.device_id in entered), None)


def _hint(context: HotspotContext) -> str | None:
    return context.mac if context.mac_trusted else None


def _entered_here(session: Session, entitlement: Entitlement, context: HotspotContext, *, by_proof: bool = False) -> set[int | None]:
    query = select(Grant.device_id).where(
        Grant.gateway_id == context.gateway_id, Grant.hid == context.hid, Grant.entitlement_id == entitlement.id
    )
    return set(session.exec(query.where(Grant.actor != RECOGNISED) if by_proof else query).all())


def is_proved(session: Session, entitlement: Entitlement, slot: DeviceSlot, device: Device | None, context: HotspotContext | None) -> bool:
    """Whether it is certain that the holder of this place asks: by the device's token, or by the very entry that was opened by a
    purchase or a code. A MAC is no proof: at level 3 a clone of it is let in where its router cannot tell the two apart, and no more.
    """
    if device is not None and slot.device_id == device.id:
        return True
    return context is not None and slot.device_id in _entered_here(session, entitlement, context, by_proof=True)


def take(session: Session, entitlement: Entitlement, device: Device, context: HotspotContext, *, swap: bool, now: datetime) -> DeviceSlot:
    """Give the device a place on the purchase. With `swap`, when all are taken, one that is not in use makes room, else the oldest.

    Raises DeviceLimitReached without `swap`. The row is locked, so two devices cannot take the last place.
    """
    _lock(session, entitlement.id)
    slots = held(session, entitlement.id)
    number = next((n for n in range(1, entitlement.device_limit + 1) if all(slot.number != n for slot in slots)), None)
    if number is None:
        if not swap:
            raise DeviceLimitReached
        inside = _devices_inside(session, entitlement.id)
        leaving = min(slots, key=lambda slot: (slot.device_id in inside, slot.taken_at, slot.id))
        number = leaving.number
        _release(session, leaving, now=now)
    assert entitlement.id is not None
    assert device.id is not None
    slot = DeviceSlot(entitlement_id=entitlement.id, number=number, device_id=device.id, mac_hint=_hint(context), taken_at=now)
    session.add(slot)
    session.flush()
    return slot


def _lock(session: Session, entitlement_id: int | None) -> None:
    session.exec(select(Entitlement.id).where(Entitlement.id == entitlement_id).with_for_update()).one()


def _devices_inside(session: Session, entitlement_id: int | None) -> set[int | None]:
    """Devices that a router may keep online: what was never offered has let nobody in."""
    return set(
        session.exec(
            select(Grant.device_id).where(Grant.entitlement_id == entitlement_id, col(Grant.state).in_(LIVE), Grant.offer_count > 0)
        ).all()
    )


def longest_seconds(session: Session, entitlement: Entitlement, *, now: datetime) -> int:
    """How long a router is to let a device in at a time: for all that is left, or for short where a purchase is passed round.

    A router without our script keeps a device that lost its place on until its session's end (opennds.md §4.6), so each such swap adds
    one more online. Who proves a purchase is never refused for it: a phone that changes its MAC at every join and keeps no token has no
    other way. But after a few a day the routers get short sessions, which end for all that hold no place and go on by themselves for
    those that do.
    """
    left = entitlement.seconds_left(now=now)
    assert entitlement.id is not None
    return min(left, SHORT_SECONDS) if _swaps_of_the_day(session, entitlement.id, now=now) > SWAPS_A_DAY else left


def swaps_left(session: Session, entitlement_id: int, *, now: datetime) -> int:
    """How many places may still be taken today from devices that are in. Places of devices that are gone are not counted."""
    return max(0, SWAPS_A_DAY - _swaps_of_the_day(session, entitlement_id, now=now))


def _swaps_of_the_day(session: Session, entitlement_id: int, *, now: datetime) -> int:
    stayed = (
        sa.select(sa.literal(1))
        .select_from(Grant)
        .where(
            col(Grant.entitlement_id) == entitlement_id,
            col(Grant.device_id) == col(DeviceSlot.device_id),
            col(Grant.offer_count) > 0,
            sa.or_(col(Grant.ended_at).is_(None), col(Grant.ended_at) > col(DeviceSlot.released_at), col(Grant.end_reason) == _SWAPPED),
        )
    )
    return session.exec(
        select(func.count())
        .select_from(DeviceSlot)
        .where(DeviceSlot.entitlement_id == entitlement_id, col(DeviceSlot.released_at) > now - _DAY, stayed.exists())
    ).one()


def _release(session: Session, slot: DeviceSlot, *, now: datetime) -> None:
    slot.released_at = now
    running = session.exec(
        select(AccessSession).where(
            AccessSession.entitlement_id == slot.entitlement_id,
            AccessSession.device_id == slot.device_id,
            AccessSession.state != SessionState.ENDED,
        )
    ).all()
    for row in running:
        agent.put_out(session, row, now=now)
    # What was queued for the old device must not be fetched any more; what runs on a router without our script ends by itself.
    session.exec(
        update(Grant)
        .where(
            col(Grant.entitlement_id) == slot.entitlement_id,
            col(Grant.device_id) == slot.device_id,
            col(Grant.state).in_(ON_OFFER),
        )
        .values(state=GrantState.VOID, ended_at=now, end_reason=_SWAPPED)
    )
    session.flush()


def devices_on(
    session: Session, entitlement: Entitlement, *, device: Device | None = None, context: HotspotContext | None = None
) -> tuple[DeviceView, ...]:
    """The devices on a purchase, this one marked."""
    this = held_slot(session, entitlement, device, context) if context is not None else None
    inside = _devices_inside(session, entitlement.id)
    views = []
    for slot in held(session, entitlement.id):
        assert slot.id is not None
        is_this = slot is this or (device is not None and slot.device_id == device.id)
        views.append(DeviceView(slot.id, slot.number, slot.device_id, slot.taken_at, slot.mac_hint, slot.device_id in inside, is_this))
    return tuple(views)


def free_own(
    session: Session, entitlement: Entitlement, *, slot_id: int, device: Device | None, context: HotspotContext | None, now: datetime
) -> None:
    """A customer takes another device off their purchase, without staff.

    Raises SwapNotProved for one who is only known by MAC, SlotNotFound, or SwapLimitReached.
    """
    _lock(session, entitlement.id)
    slots = held(session, entitlement.id)
    if not any(is_proved(session, entitlement, slot, device, context) for slot in slots):
        raise SwapNotProved
    slot = next((slot for slot in slots if slot.id == slot_id), None)
    if slot is None:
        raise SlotNotFound
    _free(session, entitlement, slot, now=now)


def _free(session: Session, entitlement: Entitlement, slot: DeviceSlot, *, now: datetime) -> None:
    assert entitlement.id is not None
    if slot.device_id in _devices_inside(session, entitlement.id) and not swaps_left(session, entitlement.id, now=now):
        raise SwapLimitReached
    _release(session, slot, now=now)
    publish(session, "sessions", entitlement.id)


def free_by_owner(
    session: Session, entitlement: Entitlement, *, number: int, device_id: int | None = None, before: datetime | None = None, now: datetime
) -> bool:
    """The owner, who is logged in, takes the device off this place; False when it is free already, or another device has it since.

    The device that is meant is `device_id`, or whichever took the place by `before`. Raises SwapLimitReached, or SlotNotFound for a place
    that the package does not have.
    """
    _lock(session, entitlement.id)
    if not 1 <= number <= entitlement.device_limit:
        raise SlotNotFound
    slot = next((slot for slot in held(session, entitlement.id) if slot.number == number), None)
    if slot is None or device_id not in (None, slot.device_id) or (before is not None and slot.taken_at > before):
        return False
    _free(session, entitlement, slot, now=now)
    return True


def clear(session: Session, entitlement: Entitlement, *, now: datetime) -> bool:
    """Take every device off time that goes to another person; False, and nothing is changed, where a router may have let one in."""
    _lock(session, entitlement.id)
    if _devices_inside(session, entitlement.id):
        return False
    for slot in held(session, entitlement.id):
        _release(session, slot, now=now)
    return True


def devices_of(session: Session, *, actor: Principal, entitlement_id: int) -> tuple[DeviceView, ...]:
    """The devices on a purchase, for staff. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    return devices_on(session, session.get_one(Entitlement, entitlement_id))


def free_slot(session: Session, *, actor: Principal, entitlement_id: int, number: int, reason: str, now: datetime) -> None:
    """Staff take a device off a purchase, as often as they see fit. Raises Forbidden or SlotNotFound.

    The device stays online where it is until its router's own end, or until the router's script puts it out; it is not let in again.
    """
    actor.require(Permission.SESSIONS_END)
    slot = session.exec(
        select(DeviceSlot)
        .where(DeviceSlot.entitlement_id == entitlement_id, DeviceSlot.number == number, col(DeviceSlot.released_at).is_(None))
        .with_for_update()
    ).one_or_none()
    if slot is None:
        raise SlotNotFound
    _release(session, slot, now=now)
    freed = {"place": number, "device": slot.device_id, "reason": reason}
    audit.record(session, actor, "slot.free", target=("entitlement", entitlement_id), now=now, after=freed)
    publish(session, "sessions", entitlement_id)
