"""Somebody who is online on paid time, for tests of what happens to them then."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlmodel import Session, col, select

from services.access import entitlements, entry, grants
from services.access.models import DeviceSlot, Entitlement, Gateway, Grant, GrantState
from services.accounts.models import Device
from services.network.incident_models import Incident
from services.vouchers.models import VoucherState
from services.vouchers.service import issue_voucher
from tests.conftest import NOON
from tests.factories import PHONE, make_context, make_gateway, make_package, staff


def online(
    session: Session,
    *,
    gateway: Gateway | None = None,
    entitlement: Entitlement | None = None,
    at: datetime = NOON,
    minutes: int = 60,
    amount_bututs: int = 2500,
    phone: str = PHONE,
) -> tuple[Gateway, Entitlement]:
    """A client that its router let in at `at`, on new time or on time it had; with a new MAC and a new entry, as phones come."""
    gateway = gateway or make_gateway(session)
    entitlement = entitlement or _bought(session, at=at, minutes=minutes, amount_bututs=amount_bututs, phone=phone)
    context = make_context(gateway, mac=_random_mac(), at=at)
    entry.let_in(session, entitlement, context, _holder(session, entitlement), swap=False, now=at)
    grant = session.exec(select(Grant).where(Grant.gateway_id == gateway.id, Grant.hid == context.hid)).one()
    grant.state, grant.first_offered_at, grant.offer_count = GrantState.ACKED, at, 1
    grants.confirm(session, grant, started_at=at, now=at)
    return gateway, entitlement


def _bought(session: Session, *, at: datetime, minutes: int, amount_bututs: int, phone: str) -> Entitlement:
    package = make_package(session, duration_seconds=minutes * 60, amount_bututs=amount_bututs)
    voucher, _ = issue_voucher(session, actor=staff(), package_id=package.public_id, phone=phone, note=None, now=at)
    voucher.state, voucher.used_at = VoucherState.USED, at
    return entitlements.create_entitlement(session, voucher, now=at)


def _holder(session: Session, entitlement: Entitlement) -> Device | None:
    slot = session.exec(
        select(DeviceSlot).where(DeviceSlot.entitlement_id == entitlement.id, col(DeviceSlot.released_at).is_(None)).limit(1)
    ).one_or_none()
    return session.get_one(Device, slot.device_id) if slot else None


def _random_mac() -> str:
    raw = secrets.token_hex(5)
    return ":".join(("02", *(raw[at : at + 2] for at in range(0, 10, 2))))


def incident_at(session: Session, at: datetime) -> Incident:
    """An incident that stands open, of no place in particular."""
    incident = Incident(reference=f"I-{secrets.token_hex(4).upper()}", started_at=at, opened_at=at)
    session.add(incident)
    session.flush()
    return incident
