"""Customers and their devices."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.keys import BadSeal, seal_json, unseal_json
from services.accounts.models import Customer, Device
from services.accounts.phones import Phone, parse_phone

# An account that is deleted between two statements is made anew; that this happens more often in a row is no coincidence.
_DELETED_IN_A_ROW = 5
_DEVICE_TOKEN = "device-token"  # noqa: S105 - the purpose a key is derived for


def find_or_create_customer(session: Session, *, phone: str, now: datetime) -> Customer:
    """The one person behind a phone number in either form. Raises BadPhone."""
    parsed = parse_phone(phone)
    # Held until the transaction ends: an account that is deleted meanwhile, or gets another number, takes nothing along that is begun now.
    held = select(Customer).where(_is(parsed)).with_for_update(read=True, key_share=True)
    for _ in range(_DELETED_IN_A_ROW):
        # Two purchases at once from one new number must meet in one row.
        session.execute(
            insert(Customer)
            .values(phone_e164=parsed.canonical, legacy_e164=parsed.legacy, language="en", created_at=now)
            .on_conflict_do_nothing()
        )
        found = session.exec(held).one_or_none()
        if found is not None:
            return found
    # The old form of the number stands with another one: no row of ours can be made, and asking on would never end.
    return session.exec(held).one()


def find_customer(session: Session, *, phone: str) -> Customer | None:
    """Raises BadPhone."""
    return session.exec(select(Customer).where(_is(parse_phone(phone)))).one_or_none()


def _is(phone: Phone) -> sa.ColumnElement[bool]:
    return col(Customer.phone_e164) == phone.canonical


def device_from_token(session: Session, token: str | None) -> Device | None:
    """The device that holds this signed token; None for no token or one that is not ours."""
    if not token:
        return None
    try:
        device_id = unseal_json(_DEVICE_TOKEN, token).get("d")
    except BadSeal:
        return None
    return session.get(Device, device_id) if isinstance(device_id, int) else None


def token_for(device_id: int) -> str:
    """The signed token by which a device is known again, whatever its MAC."""
    return seal_json(_DEVICE_TOKEN, {"d": device_id})


def remember_device(session: Session, *, device: Device | None, customer_id: int | None, mac: str | None, now: datetime) -> Device:
    """Note that a device was seen, or make a new one. A device keeps its first customer until it buys for another."""
    if device is None:
        device = Device(created_at=now, last_seen_at=now)
        session.add(device)
    device.last_seen_at = now
    device.last_mac = mac or device.last_mac
    device.customer_id = customer_id or device.customer_id
    session.flush()
    return device
