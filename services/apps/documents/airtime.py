"""A customer's paid time, the stretches in which it ran, and their devices. What is left a phone counts itself, from the moments given."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import AccessSession, DeviceSlot, Entitlement
from services.accounts.models import Device
from services.apps.callers import Caller
from services.apps.documents.shape import Data, at, masked_mac, named
from services.apps.documents.shop import terms_of
from services.apps.models import AppDevice


def accesses(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """Paid time, with who holds its places."""
    rows = session.execute(
        sa.select(
            *(col(of) for of in (Entitlement.id, Entitlement.voucher_id, Entitlement.package_version_id, Entitlement.state)),
            *(col(of) for of in (Entitlement.seconds_total, Entitlement.started_at, Entitlement.ends_at, Entitlement.paused_at)),
            *(col(of) for of in (Entitlement.quota_bytes, Entitlement.bytes_used, Entitlement.use_before, Entitlement.device_limit)),
            col(Entitlement.created_at),
        ).where(col(Entitlement.id).in_(ids), col(Entitlement.customer_id) == caller.customer())
    ).all()
    bought = terms_of(session, {row.package_version_id for row in rows})
    places = _places(session, [row.id for row in rows])
    return {
        row.id: {
            "voucher_id": str(row.voucher_id),
            "package": bought[row.package_version_id],
            "state": row.state.value,
            "seconds_total": row.seconds_total,
            "created_at": at(row.created_at),
            "use_before": at(row.use_before),
            "started_at": at(row.started_at),
            "ends_at": at(row.ends_at),
            "paused_at": at(row.paused_at),
            "quota_bytes": row.quota_bytes,
            "bytes_used": row.bytes_used,
            "device_limit": row.device_limit,
            "devices": places.get(row.id, []),
        }
        for row in rows
    }


def _places(session: Session, entitlement_ids: Collection[int]) -> dict[int, list[Data]]:
    """The places that are taken. What else is known of a device stands in its own document, if it is the caller's."""
    wanted = sa.select(
        *(col(of) for of in (DeviceSlot.entitlement_id, DeviceSlot.number, DeviceSlot.device_id, DeviceSlot.mac_hint)),
        col(DeviceSlot.taken_at),
    ).where(col(DeviceSlot.entitlement_id).in_(entitlement_ids), col(DeviceSlot.released_at).is_(None))
    found: dict[int, list[Data]] = {}
    for row in session.execute(wanted.order_by(col(DeviceSlot.number), col(DeviceSlot.id))).all():
        place = {"number": row.number, "device_id": str(row.device_id), "mac": masked_mac(row.mac_hint), "since": at(row.taken_at)}
        found.setdefault(row.entitlement_id, []).append(place)
    return found


def sessions(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """`gateway_id` is found in the documents of places, with its name."""
    rows = session.execute(
        sa.select(
            *(col(of) for of in (AccessSession.id, AccessSession.entitlement_id, AccessSession.device_id, AccessSession.gateway_id)),
            *(col(of) for of in (AccessSession.state, AccessSession.started_at, AccessSession.ends_at, AccessSession.ended_at)),
            *(col(of) for of in (AccessSession.end_reason, AccessSession.bytes_down, AccessSession.bytes_up)),
        ).where(col(AccessSession.id).in_(ids), col(AccessSession.customer_id) == caller.customer())
    ).all()
    return {
        row.id: {
            "access_id": named(row.entitlement_id),
            "device_id": named(row.device_id),
            "gateway_id": str(row.gateway_id),
            "state": row.state.value,
            "started_at": at(row.started_at),
            "ends_at": at(row.ends_at),
            "ended_at": at(row.ended_at),
            "end_reason": row.end_reason,
            "bytes_down": row.bytes_down,
            "bytes_up": row.bytes_up,
        }
        for row in rows
    }


def devices(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """`name` is what its owner calls the phone, where the app is logged in on it."""
    rows = session.execute(
        sa.select(col(Device.id), col(Device.last_mac), col(Device.created_at)).where(
            col(Device.id).in_(ids), col(Device.customer_id) == caller.customer()
        )
    ).all()
    standing = (col(AppDevice.revoked_at).is_(None), col(AppDevice.customer_id) == caller.customer())
    with_app = sa.select(col(AppDevice.device_id), col(AppDevice.name)).where(
        *standing, col(AppDevice.device_id).in_([row.id for row in rows])
    )
    # Of several apps on one phone the newest names it.
    names = dict(session.execute(with_app.order_by(col(AppDevice.id))).all())
    return {row.id: {"name": names.get(row.id), "mac": masked_mac(row.last_mac), "since": at(row.created_at)} for row in rows}
