"""Enrolling a technician's phone: the console shows a code, once; the phone that brings it within ten minutes is that person's.

Whoever gets the code acts as the person, so making one needs a fresh proof, and it is void as soon as the person's sessions are: its last
letters are made from the person's epoch.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import DomainError, ErrorKind, Forbidden
from app.keys import keyed_mac, keyed_macs
from app.settings import get_settings
from services.accounts import administration
from services.accounts.errors import OnlyRoot, StaffNotFound
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.sessions import principal_of
from services.apps import devices, tries
from services.apps.devices import Opened, Phone
from services.apps.models import Enrolment
from services.audit import service as audit

GOOD_FOR = timedelta(minutes=10)
# Letters that cannot be mistaken for each other, read aloud or off a screen; no vowels, so that no word comes out.
_LETTERS = "BCDFGHJKMNPRSTVWXZ"
_RANDOM, _BOUND = 12, 4
_MAC, _BINDING = "app-enrolment", "app-enrolment-epoch"


class EnrolmentSpent(DomainError):
    kind, code, title = ErrorKind.GONE, "enrolment_spent", "Make a new code"
    message = "This code was used already, is too old, or was never made. Make a new one in the console, under Your account."


@dataclass(frozen=True)
class Shown:
    """What the console shows once: `code` in groups of letters, `content` for the QR."""

    code: str
    content: str
    expires_at: datetime


def make(session: Session, *, actor: Principal, staff_id: int, now: datetime) -> Shown:
    """A code for the own phone, or for another person's; an earlier one that was not used is void.

    Raises Forbidden (also for who is disabled), OnlyRoot, FreshProofNeeded or StaffNotFound.
    """
    person = _person(session, actor, staff_id)
    actor.require_proof(now=now)
    if not person.is_active:
        raise Forbidden("This account is disabled. Enable it first.")
    earlier = (col(Enrolment.staff_id) == staff_id) & col(Enrolment.used_at).is_(None) & (col(Enrolment.expires_at) > now)
    session.execute(sa.update(Enrolment).where(earlier).values(expires_at=now))
    chance = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    code = chance + _bound_to(person, chance)[0]
    made = Enrolment(code_mac=keyed_mac(_MAC, code), staff_id=staff_id, made_by=actor.label, created_at=now, expires_at=now + GOOD_FOR)
    session.add(made)
    session.flush()
    audit.record(session, actor, "staff.make_phone_code", target=("staff", staff_id), now=now)
    return Shown(_in_groups(code), _content(code), made.expires_at)


def _person(session: Session, actor: Principal, staff_id: int) -> Staff:
    """Oneself, or somebody whom the actor may change. Raises Forbidden or StaffNotFound."""
    is_self = actor.kind == "staff" and actor.id == staff_id
    actor.require(Permission.SELF_EDIT if is_self else Permission.STAFF_EDIT)
    person = session.get(Staff, staff_id, with_for_update={"read": True}, populate_existing=True)
    if person is None:
        raise StaffNotFound
    if not is_self and not administration.may_change(actor, person):
        raise OnlyRoot
    return person


def _bound_to(person: Staff, chance: str) -> tuple[str, ...]:
    """The letters by which a code hangs on this person's epoch, by each key."""
    macs = keyed_macs(_BINDING, f"{person.id}:{person.session_epoch}:{chance}")
    return tuple("".join(_LETTERS[byte % len(_LETTERS)] for byte in bytes.fromhex(mac)[:_BOUND]) for mac in macs)


def _in_groups(code: str) -> str:
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))


def _content(code: str) -> str:
    return f"inet-tech:enrol?{urlencode({'code': _in_groups(code), 'server': get_settings().public_url})}"


def enrol(session: Session, *, code: str, on: Phone, now: datetime) -> tuple[Opened, Staff]:
    """Make the phone that brings a code its person's. Raises EnrolmentSpent, TooMany, or Unavailable without Redis."""
    tries.count_code()
    cleaned = "".join(letter for letter in code.upper() if letter.isalnum())
    wanted = select(Enrolment).where(col(Enrolment.code_mac).in_(keyed_macs(_MAC, cleaned)))
    # Two phones with one code at once: the second finds it used.
    found = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    person = session.get(Staff, found.staff_id, with_for_update={"read": True}, populate_existing=True) if found is not None else None
    if found is None or person is None or not _opens(found, person, cleaned, now=now):
        raise EnrolmentSpent
    opened = devices.open_for_staff(session, person=person, phone=on, now=now)
    found.used_at, found.app_device_id = now, opened.device.id
    shown = {"phone": devices.title_of(opened.device), "made_by": found.made_by}
    audit.record(session, principal_of(person), "staff.enrol_phone", target=("staff", person.id), now=now, after=shown)
    return opened, person


def _opens(found: Enrolment, person: Staff, code: str, *, now: datetime) -> bool:
    return found.used_at is None and found.expires_at > now and person.is_active and code[_RANDOM:] in _bound_to(person, code[:_RANDOM])
