"""Phones that are logged in: made, known again by an access token, given a new key, and let go.

A device key opens once. The one before opens as long as nothing of its successor was ever used, because a phone on a bad network may not
have got our answer; shown after that, however old it is, somebody holds a copy, and the phone is logged out.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.errors import InvalidInput, NotFound, Unauthenticated
from app.events import publish
from app.keys import keyed_mac, keyed_macs
from services.accounts.models import Customer, Staff
from services.accounts.sessions import principal_of
from services.apps import tokens
from services.apps.callers import Caller
from services.apps.models import App, AppDevice
from services.audit import service as audit
from services.notifications.models import PushToken

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
    """Enrol a phone for a technician. The list in the console hears of it: somebody waits before it."""
    publish(session, "staff_phones", person.id)
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
    key = tokens.new_device_key(device.public_id)
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
        _note_use(session, device, claims.key_number, now=now)
    return caller_on(device, person)


def _note_use(session: Session, device: AppDevice, key_number: int, *, now: datetime) -> None:
    """In the database's own words, so that of two requests at once the later one takes nothing back."""
    table = AppDevice
    session.execute(
        sa.update(table)
        .where(col(table.id) == device.id)
        .values(key_seen=sa.func.greatest(table.key_seen, key_number), last_seen_at=sa.func.greatest(table.last_seen_at, now))
        .execution_options(synchronize_session=False)
    )
    session.expire(device, ["key_seen", "last_seen_at"])


def caller_on(device: AppDevice, person: Staff | None = None) -> Caller:
    """Who acts on a phone that is logged in: `person` is its owner where that is one of the staff."""
    assert device.id is not None
    staff = principal_of(person) if person is not None else None
    return Caller(device.id, device.name, device.app, device.key_number, device.customer_id, device.device_id, staff)


def _stands(device: AppDevice, person: Staff | None) -> bool:
    if device.revoked_at is not None:
        return False
    return device.app is App.GO or (person is not None and person.is_active and person.session_epoch == device.staff_epoch)


def refresh(session: Session, *, device_key: str, phone: Phone | None = None, now: datetime) -> Opened | None:
    """Swap a device key for the next one. None when the phone was logged out because a key of it was shown twice: commit, then refuse.

    Raises KeyRefused for a key that opens nothing.
    """
    macs = keyed_macs(tokens.DEVICE_KEY, device_key)
    device = _held_by(session, device_key)
    person = session.get(Staff, device.staff_id) if device is not None and device.staff_id is not None else None
    if device is None or not _stands(device, person):
        raise KeyRefused
    is_current = device.key_mac in macs
    is_retry = device.previous_key_mac in macs and device.key_seen < device.key_number
    if not is_current and not is_retry:
        log.warning("app_device.key_copied", app_device_id=device.id)
        let_go(session, device, why="its key was used twice", now=now)
        return None
    if is_current:
        device.previous_key_mac = device.key_mac
        device.key_seen = device.key_number
    key = tokens.new_device_key(device.public_id)
    device.key_mac = keyed_mac(tokens.DEVICE_KEY, key)
    # A new number each time, also after a lost answer: nothing that was made with the lost key counts as a use of this one.
    device.key_number += 1
    device.key_rotated_at = device.last_seen_at = now
    if phone is not None:
        # A name that its owner gave it stays.
        device.name = device.name or phone.name[:_MAX_NAME]
        device.platform, device.app_version = phone.platform[:20], phone.app_version[:20]
    session.flush()
    return Opened(device, key, tokens.make(device=device.public_id, key_number=device.key_number, now=now))


def _held_by(session: Session, device_key: str) -> AppDevice | None:
    """The phone, locked, that this key was made for, however long ago."""
    named = tokens.device_of_key(device_key)
    if named is None:
        return None
    wanted = select(AppDevice).where(AppDevice.public_id == named).with_for_update()
    return session.exec(wanted.execution_options(populate_existing=True)).one_or_none()


def let_go(session: Session, device: AppDevice, *, why: str, now: datetime) -> None:
    """Log a phone out: its tokens and key open nothing from the next request on, and no push goes there any more."""
    if device.revoked_at is None:
        device.revoked_at, device.revoked_why = now, why
        session.flush()
        assert device.id is not None
        if device.staff_id is not None:
            publish(session, "staff_phones", device.staff_id)
        drop_of_device(session, device.id, why=why, now=now)


def drop_of_device(session: Session, app_device_id: int, *, why: str, now: datetime) -> None:
    """Drop the push tokens of a phone. One statement, with nothing held before it: no sender waits for us, nor we for one."""
    standing = (col(PushToken.app_device_id) == app_device_id) & col(PushToken.dropped_at).is_(None)
    session.execute(sa.update(PushToken).where(standing).values(dropped_at=now, why=why[:80]))


def log_out(session: Session, *, caller: Caller, now: datetime) -> None:
    """Log the phone out that asks. Safe to repeat."""
    let_go(session, session.get_one(AppDevice, caller.app_device_id, with_for_update=True), why="logged out", now=now)


def revoke(session: Session, *, caller: Caller, public_id: str, now: datetime) -> AppDevice:
    """Log out a phone of the same person, also the one that asks. Safe to repeat. Raises NotFound for another person's."""
    found = session.exec(select(AppDevice).where(AppDevice.public_id == public_id, _of_same_person(caller)).with_for_update()).one_or_none()
    if found is None:
        raise NotFound("There is no phone of yours under that name.")
    if found.revoked_at is None:
        let_go(session, found, why="logged out from another phone", now=now)
        owner = ("customer", caller.customer_id) if caller.staff is None else ("staff", caller.staff.id)
        audit.record(session, caller, f"{owner[0]}.log_out_phone", target=owner, now=now, after={"phone": audited_as(found)})
    return found


def title_of(device: AppDevice) -> str:
    """How people know a phone: by its name, else by what it is."""
    return device.name or device.platform or "phone"


def audited_as(device: AppDevice) -> str:
    """How the audit, which forgets nothing, names a phone: a customer's without the name that they gave it, which may be their own."""
    return title_of(device) if device.customer_id is None else f"{device.platform or 'phone'} {device.id}"


def _of_same_person(caller: Caller) -> sa.ColumnElement[bool]:
    if caller.customer_id is not None:
        return col(AppDevice.customer_id) == caller.customer_id
    return col(AppDevice.staff_id) == caller.technician().id


def devices_of(session: Session, *, caller: Caller) -> list[AppDevice]:
    """The phones that are logged in for the same person, the one used last first."""
    standing = select(AppDevice).where(_of_same_person(caller), col(AppDevice.revoked_at).is_(None))
    if caller.staff is not None:
        # One of an older epoch is out, though nobody has logged it out; the one that asks is of the present one.
        present = select(AppDevice.staff_epoch).where(AppDevice.id == caller.app_device_id).scalar_subquery()
        standing = standing.where(col(AppDevice.staff_epoch) == present)
    return list(session.exec(standing.order_by(col(AppDevice.last_seen_at).desc(), col(AppDevice.id).desc())).all())


def name_device(session: Session, *, caller: Caller, name: str) -> AppDevice:
    """Give the phone that asks a name that its owner knows it by. Raises InvalidInput."""
    cleaned = " ".join(name.replace("\x00", "").split())
    if not cleaned or len(cleaned) > _MAX_NAME:
        raise InvalidInput(f"Give the phone a name of at most {_MAX_NAME} characters.", field="name")
    device = session.get_one(AppDevice, caller.app_device_id, with_for_update=True)
    device.name = cleaned
    return device
