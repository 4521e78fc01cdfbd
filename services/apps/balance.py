"""What a customer has left, and the devices on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from services.access import slots
from services.access.entitlements import AccessView, has_left, view_access
from services.access.errors import EntitlementNotFound
from services.access.models import Entitlement, EntitlementState
from services.access.slots import DeviceView
from services.apps.callers import Caller
from services.apps.documents.shape import masked_mac
from services.apps.models import AppDevice
from services.packages.models import PackageVersion

_MOST = 50


@dataclass(frozen=True)
class OnIt:
    """A device on a purchase. `name` is known of phones with the app; of the MAC only the end is shown."""

    place: int
    device_id: int
    name: str | None
    mac: str | None
    since: datetime
    is_in: bool
    is_this: bool


@dataclass(frozen=True)
class Left:
    """Time and data of one purchase. `bytes_total` is None without an allowance; `swaps_left` is how many devices in use may be taken off
    today."""

    id: int
    package: str
    access: AccessView
    seconds_total: int
    bytes_total: int | None
    started_at: datetime | None
    use_before: datetime
    device_limit: int
    devices: tuple[OnIt, ...]
    swaps_left: int


def left(session: Session, caller: Caller, *, now: datetime) -> tuple[Left, ...]:
    """What can still be used: what runs first, what ends soonest before the rest."""
    usable = (EntitlementState.READY, EntitlementState.RUNNING)
    found = session.exec(
        select(Entitlement, PackageVersion.name)
        .join(PackageVersion, col(PackageVersion.id) == Entitlement.package_version_id)
        .where(Entitlement.customer_id == caller.customer(), col(Entitlement.state).in_(usable))
        .order_by(col(Entitlement.ends_at).asc().nulls_last(), col(Entitlement.id))
        .limit(_MOST)
    ).all()
    return tuple(_left(session, caller, one, package, now=now) for one, package in found if has_left(session, one, now=now))


def _left(session: Session, caller: Caller, entitlement: Entitlement, package: str, *, now: datetime) -> Left:
    assert entitlement.id is not None
    return Left(
        id=entitlement.id,
        package=package,
        access=view_access(session, entitlement, now=now),
        seconds_total=entitlement.seconds_total,
        bytes_total=entitlement.quota_bytes,
        started_at=entitlement.started_at,
        use_before=entitlement.use_before,
        device_limit=entitlement.device_limit,
        devices=_devices(session, caller, entitlement),
        swaps_left=slots.swaps_left(session, entitlement.id, now=now),
    )


def devices(session: Session, caller: Caller, access_id: int) -> tuple[OnIt, ...]:
    """The devices on an own purchase. Raises EntitlementNotFound, also for another person's."""
    return _devices(session, caller, own(session, caller, access_id))


def own(session: Session, caller: Caller, access_id: int) -> Entitlement:
    """Raises EntitlementNotFound, also for another person's."""
    wanted = select(Entitlement).where(Entitlement.id == access_id, Entitlement.customer_id == caller.customer())
    found = session.exec(wanted).one_or_none()
    if found is None:
        raise EntitlementNotFound
    return found


def free(
    session: Session,
    caller: Caller,
    access_id: int,
    *,
    number: int,
    device_id: int | None = None,
    before: datetime | None = None,
    now: datetime,
) -> bool:
    """Take a device off an own purchase; False when there was nothing to do any more, as at a repeat (services/access/slots.py).

    Raises EntitlementNotFound, SlotNotFound or SwapLimitReached.
    """
    entitlement = own(session, caller, access_id)
    return slots.free_by_owner(session, entitlement, number=number, device_id=device_id, before=before, now=now)


def _devices(session: Session, caller: Caller, entitlement: Entitlement) -> tuple[OnIt, ...]:
    views = slots.devices_on(session, entitlement)
    names = _names(session, caller, views)
    return tuple(
        OnIt(
            place=view.number,
            device_id=view.device_id,
            name=names.get(view.device_id),
            mac=masked_mac(view.mac),
            since=view.taken_at,
            is_in=view.is_in,
            is_this=view.device_id == caller.device_id,
        )
        for view in views
    )


def _names(session: Session, caller: Caller, views: Sequence[DeviceView]) -> dict[int | None, str]:
    """What the person's own phones are called."""
    if not views:
        return {}
    named = select(AppDevice.device_id, AppDevice.name).where(
        AppDevice.customer_id == caller.customer(), col(AppDevice.device_id).in_([view.device_id for view in views])
    )
    return {device_id: name for device_id, name in session.exec(named.order_by(col(AppDevice.id))).all() if name}
