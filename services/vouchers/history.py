"""What became of one voucher: who made, printed, blocked and used it, on which device, at which gateway, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import AccessSession, Entitlement, Gateway
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.listing import pick
from services.network.models import Site
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.batches.desk import TARGET
from services.vouchers.batches.gate import is_open
from services.vouchers.errors import VoucherNotFound
from services.vouchers.models import Voucher

_MOST = 200


class Happened(StrEnum):
    MADE = "made"
    REGISTERED = "registered"
    PRINTED = "printed"
    EXPORTED = "exported"
    REVEALED = "revealed"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    EXPIRED = "expired"
    USED = "used"
    CAME_ONLINE = "came_online"
    WENT_OFFLINE = "went_offline"


@dataclass(frozen=True)
class Event:
    """`by` is who did it, as the audit names them; `detail` a few words more: a batch, a reason, a device."""

    at: datetime
    what: Happened
    by: str | None = None
    detail: str | None = None
    customer_id: int | None = None
    masked_phone: str | None = None
    gateway: str | None = None
    site: str | None = None


_ACTIONS = {
    "voucher.block": Happened.BLOCKED,
    "voucher.unblock": Happened.UNBLOCKED,
    "voucher.expire": Happened.EXPIRED,
    "voucher.reveal": Happened.REVEALED,
    "voucher.print": Happened.PRINTED,
    "batch.block": Happened.BLOCKED,
    "batch.unblock": Happened.UNBLOCKED,
    "batch.expire": Happened.EXPIRED,
    "batch.print": Happened.PRINTED,
    "batch.csv": Happened.EXPORTED,
}
# These name vouchers by their place in the batch, the others by their number.
_BY_PLACE = ("batch.print", "batch.csv")


def story(session: Session, *, actor: Principal, voucher_id: int) -> tuple[Event, ...]:
    """From the first to the last. Raises Forbidden or VoucherNotFound."""
    actor.require(Permission.VOUCHERS_READ)
    voucher = session.get(Voucher, voucher_id)
    batch = session.get(VoucherBatch, voucher.batch_id) if voucher is not None and voucher.batch_id is not None else None
    if voucher is None or not is_open(batch.state if batch else None):
        raise VoucherNotFound("There is no voucher under that number.")
    events = [*_own(voucher, batch), *_by_staff(session, voucher), *_of_use(session, voucher)]
    return tuple(sorted(events, key=lambda event: event.at))


def _own(voucher: Voucher, batch: VoucherBatch | None) -> Iterator[Event]:
    made_in = f"Batch {batch.id}: {batch.name}" if batch is not None else voucher.note
    yield Event(voucher.created_at, Happened.MADE, voucher.issued_by, made_in)
    if voucher.porta_issued_at is not None:
        yield Event(voucher.porta_issued_at, Happened.REGISTERED, None, voucher.porta_account_id)


def _by_staff(session: Session, voucher: Voucher) -> Iterator[Event]:
    alone = sa.and_(col(AuditEntry.target_type) == "voucher", col(AuditEntry.target_id) == str(voucher.id))
    of_batch = sa.and_(col(AuditEntry.target_type) == TARGET, col(AuditEntry.target_id) == str(voucher.batch_id))
    theirs = sa.or_(alone, of_batch) if voucher.batch_id is not None else alone
    entries = session.exec(
        select(AuditEntry).where(theirs, col(AuditEntry.action).in_(_ACTIONS)).order_by(col(AuditEntry.id).desc()).limit(_MOST)
    ).all()
    place = _place(session, voucher) if any(entry.action in _BY_PLACE for entry in entries) else 0
    for entry in entries:
        told = entry.after or {}
        if entry.target_type != TARGET or _was_meant(voucher, entry, told, place):
            yield Event(entry.at, _ACTIONS[entry.action], entry.actor, _detail(told))


def _place(session: Session, voucher: Voucher) -> int:
    """Its number on the cards of its batch."""
    before = pick(sa.func.count()).where(col(Voucher.batch_id) == voucher.batch_id, col(Voucher.id) <= voucher.id)
    return int(session.execute(before).scalar_one())


def _was_meant(voucher: Voucher, entry: AuditEntry, told: dict[str, Any], place: int) -> bool:
    """Whether what was done to a part of the batch was done to this one; what was used before was left alone."""
    number = place if entry.action in _BY_PLACE else voucher.id or 0
    is_within = int(told.get("first", 0)) <= number <= int(told.get("last", 0))
    return is_within and (voucher.used_at is None or entry.at < voucher.used_at)


def _detail(told: dict[str, Any]) -> str | None:
    found = told.get("reason") or told.get("layout")
    return str(found) if found else None


def _of_use(session: Session, voucher: Voucher) -> Iterator[Event]:
    entitlement = session.exec(select(Entitlement).where(Entitlement.voucher_id == voucher.id)).one_or_none()
    customer_id = entitlement.customer_id if entitlement is not None else voucher.customer_id
    customer = session.get(Customer, customer_id) if customer_id is not None else None
    phone = customer.masked_phone if customer is not None else None
    if voucher.used_at is not None:
        yield Event(voucher.used_at, Happened.USED, None, None, customer_id, phone)
    if entitlement is None:
        return
    query = (
        pick(AccessSession, Gateway.name, Site.name)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .outerjoin(Site, col(Site.id) == Gateway.site_id)
        .where(col(AccessSession.entitlement_id) == entitlement.id)
        .order_by(col(AccessSession.id).desc())
        .limit(_MOST)
    )
    for online, gateway, site in session.execute(query):
        device = online.mac or (f"Device {online.device_id}" if online.device_id else None)
        yield Event(online.started_at, Happened.CAME_ONLINE, None, device, customer_id, phone, gateway, site)
        if online.ended_at is not None:
            yield Event(online.ended_at, Happened.WENT_OFFLINE, None, online.end_reason, customer_id, phone, gateway, site)
