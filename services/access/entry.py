"""Letting a client in: a place for its device on what was paid, and a grant for the router it stands before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, or_, select

from app.events import publish
from services.access import agent, entitlements, grants, slots
from services.access.context import HotspotContext
from services.access.errors import NoTimeLeft
from services.access.models import LIVE, ON_OFFER, AccessSession, DeviceSlot, Entitlement, Grant, GrantState, SessionState
from services.accounts import customers
from services.accounts.models import Device

MOVED = "moved"
# A context carries its time in whole seconds.
_WHOLE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Entry:
    """The time that is used, and the device that may come back with it by its token; no device for one known by its MAC alone."""

    entitlement: Entitlement
    device: Device | None


def let_in(
    session: Session,
    entitlement: Entitlement,
    context: HotspotContext | None,
    device: Device | None,
    *,
    swap: bool,
    now: datetime,
    again: bool = True,
) -> Entry:
    """Give the client in front of a router a place and a grant; without a context the time just waits.

    With `swap` (the purchase was proved) the place of another device is freed when all are taken. Without `again` a grant that stands
    already is left as it is. A client that is online on other time keeps it: what it bought beside that waits its turn.
    Raises DeviceLimitReached or NoTimeLeft.
    """
    if context is None:
        return Entry(entitlement, device)
    slot = slots.held_slot(session, entitlement, device, context)
    if slot is None:
        device = customers.remember_device(
            session, device=device, customer_id=entitlement.customer_id, mac=context.mac if context.mac_trusted else None, now=now
        )
        slot = slots.take(session, entitlement, device, context, swap=swap, now=now)
    return Entry(entitlement, _open(session, entitlement, slot, context, actor="system", now=now, again=again))


def welcome_back(
    session: Session, context: HotspotContext | None, device: Device | None, *, now: datetime, again: bool = True
) -> Entry | None:
    """Let a client with time left in at this gateway without paying again; None for one that has none (opennds.md §11, point 16).

    `again` is for one that its router shows to be captive; a mere question about the session must not undo what was acknowledged.
    Who is known by a MAC alone is let in, but gets no token: it would open every gateway, and outlive the MAC.
    """
    entitlement = entitlements.usable_for_client(session, context, device, now=now)
    if entitlement is None or context is None:
        return None if entitlement is None else Entry(entitlement, device)
    slot = slots.held_slot(session, entitlement, device, context)
    if slot is None or slots.is_proved(session, entitlement, slot, device, context):
        return let_in(session, entitlement, context, device, swap=False, now=now, again=again)
    _open(session, entitlement, slot, context, actor=slots.RECOGNISED, now=now, again=again)
    return Entry(entitlement, None)


def _open(
    session: Session, entitlement: Entitlement, slot: DeviceSlot, context: HotspotContext, *, actor: str, now: datetime, again: bool
) -> Device:
    holder = session.get_one(Device, slot.device_id)
    if not entitlements.has_left(session, entitlement, now=now):
        raise NoTimeLeft
    if not grants.is_in_on_other_time(session, entitlement, context, now=now) and _comes_here(
        session, entitlement, slot, context, now=now, again=again
    ):
        grant = grants.grant_entitlement(session, entitlement, holder, context, now=now, actor=actor, again=again)
        grant.seconds = min(grant.seconds, slots.longest_seconds(session, entitlement, now=now))
        if grant.actor == slots.RECOGNISED:
            grant.actor = actor  # who was known by MAC alone has proved more since
    return holder


def _comes_here(
    session: Session, entitlement: Entitlement, slot: DeviceSlot, context: HotspotContext, *, now: datetime, again: bool
) -> bool:
    """One place, one session: a device that stands captive here has left where it was let in before, and that is ended in our books.

    False for an older page of a device that was let in elsewhere meanwhile: it must not pull the device back. A mere question (not
    `again`) takes back no offer, or two open pages would take turns.
    """
    others = session.exec(
        select(Grant)
        .where(
            Grant.entitlement_id == entitlement.id,
            Grant.device_id == slot.device_id,
            col(Grant.state).in_(LIVE),
            or_(Grant.gateway_id != context.gateway_id, col(Grant.hid).is_distinct_from(context.hid)),
        )
        .with_for_update()
    ).all()
    later = context.at + _WHOLE_SECOND
    if any(_is_newer_here(grant, context, later) for grant in others):
        return False
    for grant in others:
        is_waiting = grant.state in ON_OFFER and grant.acked_at is None
        if is_waiting and not again and grant.hid is not None:
            continue
        grant.state = GrantState.VOID if is_waiting else GrantState.ENDED
        grant.ended_at, grant.end_reason = now, MOVED
        _end_session(session, grant, now=now)
    session.flush()
    return True


def _is_newer_here(grant: Grant, context: HotspotContext, later: datetime) -> bool:
    """Whether this other grant let the device in after the context's redirect, or will do so by MAC at the same router."""
    if grant.state is GrantState.ACKED:
        return grant.acked_at is not None and grant.acked_at >= later
    is_by_mac = grant.hid is None and grant.gateway_id == context.gateway_id
    return is_by_mac and grant.state in ON_OFFER and grant.created_at >= later


def _end_session(session: Session, grant: Grant, *, now: datetime) -> None:
    row = session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id).with_for_update()).one_or_none()
    if row is not None and row.state is not SessionState.ENDED:
        row.state, row.ended_at, row.end_reason = SessionState.ENDED, max(now, row.started_at), MOVED
        agent.put_out(session, row, now=now)
        publish(session, "sessions", row.id)
