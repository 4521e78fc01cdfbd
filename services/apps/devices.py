"""Phones that are logged in: made, known again by an access token, given a new key, and let go.

A device key opens once. The one before opens as long as nothing of its successor was ever used, because a phone on a bad network may not
have got our answer; shown after that, somebody holds a copy, and the phone is logged out.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.errors import InvalidInput, Unauthenticated
from app.keys import keyed_mac, keyed_macs
from services.accounts.models import Customer, Staff
from services.accounts.sessions import principal_of
from services.apps import tokens
from services.apps.callers import Caller
from services.apps.models import App, AppDevice

# Kept to some minutes, so that using a token does not write a row at every request.
_SEEN_EVERY = timedelta(minutes=5)
_MAX_NAME = 80
log = structlog.get_logger(__name__)


class KeyRefused(Unauthenticated):
    code, title = "device_key_refused", "Log in again"
    message = "This device key was used before, or the phone was logged out. Log in again; what waits on the phone is kept."


@dataclass(frozen=True)
class Phone:
    """What an app says of the phone that it is on."""

    name: str = ""
    platform: str = ""
    app_version: str = ""


@dataclass(frozen=True)
class Opened:
    """What a phone is given: the key for its next refresh, and a short token made with it."""

    device: AppDevice
    device_key: str
    access_token: str


def open_for_customer(session: Session, *, customer: Customer, phone: Phone, device_id: int | None = None, now: datetime) -> Opened:
    """Log a phone in for a customer. `device_id` is the same phone as the shop knows it already."""
    return _open(session, AppDevice(app=App.GO, customer_id=customer.id, device_id=device_id, **_blank(phone, now=now)), now=now)


def open_for_staff(session: Session, *, person: Staff, phone: Phone, now: datetime) -> Opened:
    """Enrol a phone for a technician."""
    made = AppDevice(app=App.TECH, staff_id=person.id, staff_epoch=person.session_epoch, **_blank(phone, now=now))
    return _open(session, made, now=now)


def _blank(phone: Phone, *, now: datetime) -> dict[str, Any]:
    return {
        "public_id": secrets.token_hex(16),
        "key_mac": "",
        "name": phone.name[:_MAX_NAME],
        "platform": phone.platform[:20],
        "app_version": phone.app_version[:20],
        "key_rotated_at": now,
        "created_at": now,
        "last_seen_at": now,
    }


def _open(session: Session, device: AppDevice, *, now: datetime) -> Opened:
    key = tokens.new_device_key()
    device.key_mac = keyed_mac(tokens.DEVICE_KEY, key)
    session.add(device)
    session.flush()
    return Opened(device, key, tokens.make(device=device.public_id, key_number=device.key_number, now=now))


def caller_of(session: Session, token: str, *, now: datetime) -> Caller:
    """Who holds this access token now, with the rights of this moment. Raises Unauthenticated."""
    claims = tokens.read(token, now=now)
    if claims is None:
        raise Unauthenticated
    found = session.exec(
        select(AppDevice, Staff).outerjoin(Staff, col(Staff.id) == AppDevice.staff_id).where(AppDevice.public_id == claims.device)
    ).one_or_none()
    if found is None:
        raise Unauthenticated
    device, person = found
    if not _stands(device, person) or claims.key_number > device.key_number:
        raise Unauthenticated
    if device.key_seen < claims.key_number or now - device.last_seen_at > _SEEN_EVERY:
        device.key_seen, device.last_seen_at = max(device.key_seen, claims.key_number), max(device.last_seen_at, now)
    return _caller(device, person)


def _caller(device: AppDevice, person: Staff | None) -> Caller:
    assert device.id is not None
    staff = principal_of(person) if person is not None else None
    return Caller(device.id, device.name, device.app, device.key_number, device.customer_id, device.device_id, staff)


def _stands(device: AppDevice, person: Staff | None) -> bool:
    if device.revoked_at is not None:
        return False
    return device.app is App.GO or (person is not None and person.is_active and person.session_epoch == device.staff_epoch)


def refresh(session: Session, *, device_key: str, phone: Phone | None = None, now: datetime) -> Opened | None:
    """Swap a device key for the next one. None when the phone was logged out because its key was shown twice: commit, then refuse.

    Raises KeyRefused for a key that opens nothing.
    """
    macs = keyed_macs(tokens.DEVICE_KEY, device_key)
    wanted = select(AppDevice).where(sa.or_(col(AppDevice.key_mac).in_(macs), col(AppDevice.previous_key_mac).in_(macs)))
    device = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    person = session.get(Staff, device.staff_id) if device is not None and device.staff_id is not None else None
    if device is None or not _stands(device, person):
        raise KeyRefused
    is_current = device.key_mac in macs
    if not is_current and device.key_seen >= device.key_number:
        log.warning("app_device.key_copied", app_device_id=device.id)
        let_go(session, device, why="its key was used twice", now=now)
        return None
    if is_current:
        device.previous_key_mac = device.key_mac
        device.key_seen = device.key_number
    key = tokens.new_device_key()
    device.key_mac = keyed_mac(tokens.DEVICE_KEY, key)
    # A new number each time, also after a lost answer: nothing that was made with the lost key counts as a use of this one.
    device.key_number += 1
    device.key_rotated_at = device.last_seen_at = now
    if phone is not None:
        device.name, device.platform, device.app_version = phone.name[:_MAX_NAME], phone.platform[:20], phone.app_version[:20]
    session.flush()
    return Opened(device, key, tokens.make(device=device.public_id, key_number=device.key_number, now=now))


def let_go(session: Session, device: AppDevice, *, why: str, now: datetime) -> None:
    """Log a phone out: its tokens and key open nothing from the next request on, and no push goes there any more."""
    if device.revoked_at is None:
        device.revoked_at, device.revoked_why = now, why
        session.flush()


def devices_of(session: Session, *, caller: Caller) -> list[AppDevice]:
    """The phones that are logged in for the same person, the one used last first."""
    mine = AppDevice.customer_id == caller.customer_id if caller.customer_id is not None else AppDevice.staff_id == caller.technician().id
    standing = select(AppDevice).where(mine, col(AppDevice.revoked_at).is_(None))
    return list(session.exec(standing.order_by(col(AppDevice.last_seen_at).desc(), col(AppDevice.id).desc())).all())


def name_device(session: Session, *, caller: Caller, name: str) -> AppDevice:
    """Give the phone that asks a name that its owner knows it by. Raises InvalidInput."""
    cleaned = " ".join(name.replace("\x00", "").split())
    if not cleaned or len(cleaned) > _MAX_NAME:
        raise InvalidInput(f"Give the phone a name of at most {_MAX_NAME} characters.", field="name")
    device = session.get_one(AppDevice, caller.app_device_id, with_for_update=True)
    device.name = cleaned
    return device
