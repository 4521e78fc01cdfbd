"""What follows when a session on a router ends and the device has time left: it is let in again by its MAC, within a poll.

A running session cannot be extended on the router (opennds.md §4.4, §8), so time that was added, and time bought beside it, begins with
a grant of its own. Only where the router vouches for the MAC (level 3), at the router where the device just was, and once: anywhere else
the redirect lets the device in (services/access/entry.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, or_, select

from app.events import publish
from services.access import busy, entitlements, slots
from services.access.models import LIVE, DeviceSlot, Entitlement, EntitlementState, Gateway, Grant, GrantState

ACTOR = "follow-on"
NOT_THERE = "not_there"
_MAC_IS_TRUSTED = 3
# The router ended these by itself; a device that left, logged out or was put out by staff is not called back.
_GOES_ON_AFTER = frozenset(
    {
        "timeout_deauth",
        "time_over",
        "router_restart",
        "shutdown_deauth",
        "downquota_deauth",
        "upquota_deauth",
        "download_quota_deauth",
        "upload_quota_deauth",
    }
)
# A router that came back within this time finds who was there; later they are shown the portal again, which lets them in as well.
_FETCH_WITHIN = timedelta(minutes=15)
# A router counts whole minutes: a shorter rest would be lengthened by more than it is worth.
_LEAST_SECONDS = 30


def after_end(session: Session, grant: Grant, *, now: datetime) -> Grant | None:
    """Queue what follows on a grant that just ended, if anything does. Repeating it is harmless."""
    if grant.end_reason not in _GOES_ON_AFTER or grant.mac is None or grant.device_id is None:
        return None
    gateway = session.get_one(Gateway, grant.gateway_id)
    if gateway.level != _MAC_IS_TRUSTED:
        return None
    session.flush()
    if grant.state is GrantState.VOID:
        return _offer_still(session, grant, gateway, now=now)
    found = _next_time(session, grant, now=now)
    return _queue(session, grant, gateway, *found, now=now) if found is not None else None


def _offer_still(session: Session, grant: Grant, gateway: Gateway, *, now: datetime) -> Grant | None:
    """A restart voids what waits, since tokens change; a MAC does not. The same row goes on: forged restarts must not make rows."""
    if grant.actor != ACTOR or grant.give_up_at is None or grant.give_up_at <= now:
        return None
    grant.state, grant.ended_at, grant.end_reason = GrantState.QUEUED, None, None
    session.flush()
    busy.mark_busy(session, gateway.slug)
    return grant


def _next_time(session: Session, grant: Grant, *, now: datetime) -> tuple[Entitlement, DeviceSlot] | None:
    """The time of this device that is used next: what runs before what was bought beside it."""
    held = session.exec(
        select(Entitlement, DeviceSlot)
        .join(DeviceSlot, col(DeviceSlot.entitlement_id) == Entitlement.id)
        .where(
            col(DeviceSlot.released_at).is_(None),
            or_(col(DeviceSlot.device_id) == grant.device_id, col(DeviceSlot.mac_hint) == grant.mac),
            col(Entitlement.state).in_((EntitlementState.READY, EntitlementState.RUNNING)),
        )
        .order_by(col(Entitlement.ends_at).asc().nulls_last(), col(Entitlement.id))
    ).all()
    for entitlement, slot in held:
        if entitlement.seconds_left(now=now) >= _LEAST_SECONDS and entitlements.has_left(session, entitlement, now=now):
            return None if _is_in(session, entitlement, slot) else (entitlement, slot)
    return None


def _is_in(session: Session, entitlement: Entitlement, slot: DeviceSlot) -> bool:
    live = select(Grant.id).where(Grant.entitlement_id == entitlement.id, Grant.device_id == slot.device_id, col(Grant.state).in_(LIVE))
    return session.exec(live.limit(1)).one_or_none() is not None


def _queue(session: Session, ended: Grant, gateway: Gateway, entitlement: Entitlement, slot: DeviceSlot, *, now: datetime) -> Grant | None:
    wanted = Grant(
        gateway_id=ended.gateway_id,
        mac=ended.mac,
        entitlement_id=entitlement.id,
        device_id=slot.device_id,
        seconds=slots.longest_seconds(session, entitlement, now=now),
        up_kbps=entitlement.up_kbps,
        down_kbps=entitlement.down_kbps,
        actor=ACTOR,
        created_at=now,
        give_up_at=now + _FETCH_WITHIN,
    )
    values = wanted.model_dump(exclude={"id"})
    # One live grant for one MAC of one router: what stands there already lets this client in.
    made = session.execute(insert(Grant).values(**values).on_conflict_do_nothing().returning(col(Grant.id))).scalar_one_or_none()
    if made is None:
        return None
    busy.mark_busy(session, gateway.slug)
    publish(session, "grants", made)
    return session.get_one(Grant, made)


def after_extension(session: Session, entitlement: Entitlement, *, now: datetime) -> int:
    """Let those in again whose router ended their session a short while ago for want of time. Answers how many."""
    newest = session.exec(
        select(Grant)
        .join(DeviceSlot, col(DeviceSlot.device_id) == Grant.device_id)
        .where(
            Grant.entitlement_id == entitlement.id,
            DeviceSlot.entitlement_id == entitlement.id,
            col(DeviceSlot.released_at).is_(None),
            Grant.state == GrantState.ENDED,
            col(Grant.ended_at) >= now - _FETCH_WITHIN,
        )
        .order_by(col(Grant.ended_at).desc())
    ).all()
    return sum(after_end(session, grant, now=now) is not None for grant in newest)


def is_follow_on(grant: Grant) -> bool:
    """Such an offer that nobody takes up means that the device has left, not that an acknowledgement was lost."""
    return grant.actor == ACTOR
