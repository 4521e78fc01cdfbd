"""Letting a client in: a place for its device on what was paid, and a grant for the router it stands before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.access import entitlements, grants
from services.access.context import HotspotContext
from services.access.models import Entitlement
from services.accounts import customers
from services.accounts.models import Device


@dataclass(frozen=True)
class Entry:
    """The time that is used, and the device that may come back with it by its token."""

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
    slot = entitlements.held_slot(session, entitlement, device, context)
    if slot is None:
        device = customers.remember_device(
            session, device=device, customer_id=entitlement.customer_id, mac=context.mac if context.mac_trusted else None, now=now
        )
        slot = entitlements.take_slot(session, entitlement, device, context, swap=swap, now=now)
    holder = session.get_one(Device, slot.device_id)
    if not grants.is_in_on_other_time(session, entitlement, context, now=now):
        grants.grant_entitlement(session, entitlement, holder, context, now=now, again=again)
    return Entry(entitlement, holder)


def welcome_back(
    session: Session, context: HotspotContext | None, device: Device | None, *, now: datetime, again: bool = True
) -> Entry | None:
    """Let a client with time left in at this gateway without paying again; None for one that has none (opennds.md §11, point 16).

    `again` is for one that its router shows to be captive; a mere question about the session must not undo what was acknowledged.
    """
    entitlement = entitlements.usable_for_client(session, context, device, now=now)
    return let_in(session, entitlement, context, device, swap=False, now=now, again=again) if entitlement is not None else None
