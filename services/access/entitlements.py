"""Entitlements: what was paid for, whose it is, and how much of it is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, or_, select

from app.clock import isoformat
from services.access.context import HotspotContext
from services.access.models import LIVE, ON_OFFER, DeviceSlot, Entitlement, EntitlementState, Grant, GrantState
from services.access.usage import unsettled_bytes
from services.accounts.models import Device
from services.packages import service as packages
from services.vouchers.models import Voucher


def create_entitlement(session: Session, voucher: Voucher, *, now: datetime) -> Entitlement:
    """What a used voucher is worth, copied at this moment (design.md, invariant 8). The database forbids a second for one voucher.

    A credit is worth what it says, until it says; the rest of its terms are its package's.
    """
    terms = packages.terms_of(session, voucher.package_version_id)
    assert voucher.id is not None
    is_credit = voucher.seconds is not None
    entitlement = Entitlement(
        voucher_id=voucher.id,
        payment_id=voucher.payment_id,
        customer_id=voucher.customer_id,
        package_version_id=voucher.package_version_id,
        seconds_total=voucher.seconds or terms.duration_seconds,
        quota_bytes=voucher.bytes if is_credit else terms.quota_bytes,
        down_kbps=terms.down_kbps,
        up_kbps=terms.up_kbps,
        device_limit=terms.device_limit,
        created_at=now,
        # Credited again and again, time would last for ever if each use began its validity anew.
        use_before=voucher.use_before if is_credit else now + timedelta(days=terms.validity_days),
    )
    session.add(entitlement)
    session.flush()
    return entitlement


def entitlement_of_voucher(session: Session, voucher_id: int) -> Entitlement | None:
    return session.exec(select(Entitlement).where(Entitlement.voucher_id == voucher_id)).one_or_none()


def entitlement_of_payment(session: Session, payment_id: int, *, customer_id: int) -> Entitlement | None:
    """What this customer bought by it; None also for what has been given to another person since (services/apps/giving.py)."""
    bought = select(Entitlement).where(Entitlement.payment_id == payment_id, Entitlement.customer_id == customer_id)
    return session.exec(bought).one_or_none()


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
    return next((entitlement for entitlement in found if has_left(session, entitlement, now=now)), None)


def data_left(session: Session, entitlement: Entitlement) -> int | None:
    """Bytes left after all its sessions together, live counts of those not yet reported taken off; None without an allowance."""
    if entitlement.bytes_left is None or entitlement.id is None:
        return entitlement.bytes_left
    return max(0, entitlement.bytes_left - unsettled_bytes(session, [entitlement.id]).get(entitlement.id, 0))


def has_left(session: Session, entitlement: Entitlement, *, now: datetime) -> bool:
    """Whether there is time and data to be let in with."""
    return entitlement.is_usable(now=now) and data_left(session, entitlement) != 0


@dataclass(frozen=True)
class AccessView:
    """What a customer is told about their access (contract.md, "Fields that outsiders read"). `paused_at`: an outage stopped the clock."""

    state: str
    ends_at: datetime | None
    seconds_left: int
    bytes_left: int | None
    paused_at: datetime | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "state": self.state,
            "ends_at": isoformat(self.ends_at),
            "seconds_left": self.seconds_left,
            "bytes_left": self.bytes_left,
            "paused_at": isoformat(self.paused_at),
        }


def view_access(session: Session, entitlement: Entitlement, *, now: datetime) -> AccessView:
    """`waiting` (not used yet), `connecting` (the router has not confirmed), `online`, `unconfirmed`, `offline` (time left), or `ended`."""
    left, data = entitlement.seconds_left(now=now), data_left(session, entitlement)
    if left == 0 or data == 0:
        return AccessView("ended", entitlement.ends_at, 0, data)
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
    return AccessView(state, entitlement.ends_at, left, data, entitlement.paused_at)
