"""Entitlements and their device slots: who may use the time that was paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, or_, select, update

from app.clock import isoformat
from services.access.context import HotspotContext
from services.access.errors import DeviceLimitReached
from services.access.models import LIVE, ON_OFFER, DeviceSlot, Entitlement, EntitlementState, Grant, GrantState
from services.accounts.models import Device
from services.packages import service as packages
from services.vouchers.models import Voucher


def create_entitlement(session: Session, voucher: Voucher, *, now: datetime) -> Entitlement:
    """What a used voucher is worth, copied at this moment (design.md, invariant 8). The database forbids a second for one voucher."""
    terms = packages.terms_of(session, voucher.package_version_id)
    assert voucher.id is not None
    entitlement = Entitlement(
        voucher_id=voucher.id,
        payment_id=voucher.payment_id,
        customer_id=voucher.customer_id,
        package_version_id=voucher.package_version_id,
        seconds_total=terms.duration_seconds,
        quota_bytes=terms.quota_bytes,
        down_kbps=terms.down_kbps,
        up_kbps=terms.up_kbps,
        device_limit=terms.device_limit,
        created_at=now,
        use_before=now + timedelta(days=terms.validity_days),
    )
    session.add(entitlement)
    session.flush()
    return entitlement


def entitlement_of_voucher(session: Session, voucher_id: int) -> Entitlement | None:
    return session.exec(select(Entitlement).where(Entitlement.voucher_id == voucher_id)).one_or_none()


def entitlement_of_payment(session: Session, payment_id: int) -> Entitlement | None:
    return session.exec(select(Entitlement).where(Entitlement.payment_id == payment_id)).one_or_none()


def usable_for_client(session: Session, context: HotspotContext | None, device: Device | None, *, now: datetime) -> Entitlement | None:
    """Time left that belongs to this client: by its device token, by this very entry on the router, or by a MAC the router vouches for.

    At level 4 the MAC is whatever the customer wrote into the address, so it opens nothing (opennds.md §3.4).
    """
    holds = []
    if device is not None:
        holds.append(col(DeviceSlot.device_id) == device.id)
    if context is not None and context.mac_trusted:
        holds.append(col(DeviceSlot.mac_hint) == context.mac)
    if context is not None:
        same_entry = select(Grant.device_id).where(
            Grant.gateway_id == context.gateway_id, Grant.hid == context.hid, col(Grant.state).in_(LIVE), col(Grant.device_id).is_not(None)
        )
        holds.append(col(DeviceSlot.device_id).in_(same_entry))
    if not holds:
        return None
    found = session.exec(
        select(Entitlement)
        .join(DeviceSlot, col(DeviceSlot.entitlement_id) == Entitlement.id)
        .where(col(DeviceSlot.released_at).is_(None), or_(*holds))
        .where(col(Entitlement.state).in_((EntitlementState.READY, EntitlementState.RUNNING)))
        # What runs is used up before the next one is started.
        .order_by(col(Entitlement.ends_at).asc().nulls_last(), col(Entitlement.id))
    ).all()
    return next((entitlement for entitlement in found if entitlement.is_usable(now=now)), None)


def held_slot(session: Session, entitlement: Entitlement, device: Device | None, context: HotspotContext) -> DeviceSlot | None:
    """The place that this device holds, known by its token, its MAC where the router vouches for it, or its very entry."""
    for slot in _held(session, entitlement):
        if device is not None and slot.device_id == device.id:
            slot.mac_hint = _hint(context) or slot.mac_hint
            return slot
        if slot.mac_hint is not None and slot.mac_hint == _hint(context):
            return slot
    same_entry = session.exec(
        select(Grant.device_id).where(
            Grant.gateway_id == context.gateway_id, Grant.hid == context.hid, Grant.entitlement_id == entitlement.id
        )
    ).all()
    return next((slot for slot in _held(session, entitlement) if slot.device_id in same_entry), None)


def _hint(context: HotspotContext) -> str | None:
    return context.mac if context.mac_trusted else None


def _held(session: Session, entitlement: Entitlement) -> Sequence[DeviceSlot]:
    return session.exec(
        select(DeviceSlot)
        .where(DeviceSlot.entitlement_id == entitlement.id, col(DeviceSlot.released_at).is_(None))
        .order_by(col(DeviceSlot.taken_at), col(DeviceSlot.id))
    ).all()


def take_slot(
    session: Session, entitlement: Entitlement, device: Device, context: HotspotContext, *, swap: bool, now: datetime
) -> DeviceSlot:
    """Give the device a place on the entitlement. With `swap` the place that was taken first is freed when all are held.

    Raises DeviceLimitReached otherwise. The entitlement's row is locked, so two devices cannot take the last place.
    """
    session.exec(select(Entitlement.id).where(Entitlement.id == entitlement.id).with_for_update()).one()
    held = _held(session, entitlement)
    number = next((n for n in range(1, entitlement.device_limit + 1) if all(slot.number != n for slot in held)), None)
    if number is None:
        if not swap:
            raise DeviceLimitReached
        number = held[0].number
        _release(session, held[0], now=now)
    assert entitlement.id is not None
    assert device.id is not None
    slot = DeviceSlot(entitlement_id=entitlement.id, number=number, device_id=device.id, mac_hint=_hint(context), taken_at=now)
    session.add(slot)
    session.flush()
    return slot


def _release(session: Session, slot: DeviceSlot, *, now: datetime) -> None:
    slot.released_at = now
    # What was queued for the old device must not be fetched any more; what runs on a router ends by itself (opennds.md §4.6).
    session.exec(
        update(Grant)
        .where(
            col(Grant.entitlement_id) == slot.entitlement_id,
            col(Grant.device_id) == slot.device_id,
            col(Grant.state).in_((GrantState.QUEUED, GrantState.OFFERED)),
        )
        .values(state=GrantState.VOID, ended_at=now, end_reason="device_swapped")
    )
    session.flush()


def count_held_slots(session: Session, entitlement_id: int) -> int:
    return session.exec(
        select(func.count())
        .select_from(DeviceSlot)
        .where(DeviceSlot.entitlement_id == entitlement_id, col(DeviceSlot.released_at).is_(None))
    ).one()


@dataclass(frozen=True)
class AccessView:
    """What a customer is told about their access (contract.md, "Fields that outsiders read")."""

    state: str
    ends_at: datetime | None
    seconds_left: int
    bytes_left: int | None

    def as_json(self) -> dict[str, object]:
        return {
            "state": self.state,
            "ends_at": isoformat(self.ends_at),
            "seconds_left": self.seconds_left,
            "bytes_left": self.bytes_left,
        }


def view_access(session: Session, entitlement: Entitlement, *, now: datetime) -> AccessView:
    """`waiting` (not used yet), `connecting` (the router has not confirmed), `online`, `unconfirmed`, `offline` (time left), or `ended`."""
    left = entitlement.seconds_left(now=now)
    if not entitlement.is_usable(now=now):
        return AccessView("ended", entitlement.ends_at, 0, entitlement.bytes_left)
    live = session.exec(select(Grant.state, Grant.acked_at).where(Grant.entitlement_id == entitlement.id, col(Grant.state).in_(LIVE))).all()
    # Let in before and offered anew, because the hotspot's page was opened again: most likely a reload by one who is online.
    states = {GrantState.UNCONFIRMED if acked_at and state in ON_OFFER else state for state, acked_at in live}
    if GrantState.ACKED in states:
        state = "online"
    elif states & {GrantState.QUEUED, GrantState.OFFERED}:
        state = "connecting"
    elif GrantState.UNCONFIRMED in states:
        state = "unconfirmed"
    else:
        state = "waiting" if entitlement.started_at is None else "offline"
    return AccessView(state, entitlement.ends_at, left, entitlement.bytes_left)
