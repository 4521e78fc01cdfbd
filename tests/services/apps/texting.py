"""What tests of log-in need: the key as the person reads it, and phones that are logged in."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import count

from sqlmodel import Session, col, select

from app.keys import unseal
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Role, Staff
from services.apps import devices
from services.apps.callers import Caller
from services.apps.devices import Opened, Phone
from services.notifications.models import Notification
from services.notifications.service import BODY
from tests.conftest import NOON

ON = Phone("Awa's phone", "android", "1.4.0")
_numbers = count(1)


def texts(session: Session, *events: str) -> list[Notification]:
    """The texts that were written, the oldest first."""
    wanted = select(Notification).where(col(Notification.event).in_(events)).order_by(col(Notification.id))
    return list(session.exec(wanted).all())


def words_of(message: Notification) -> str:
    return unseal(BODY, message.body_sealed).decode()


def last_key(session: Session, event: str = "login_key") -> str:
    """The six digits of the newest text."""
    found = re.search(r"\b\d{6}\b", words_of(texts(session, event)[-1]))
    assert found is not None
    return found.group()


def another_key(key: str) -> str:
    """One that is wrong."""
    return f"{(int(key) + 1) % 1_000_000:06d}"


def new_number() -> str:
    return f"+22083301{next(_numbers):04d}"


def logged_in(session: Session, number: str | None = None, *, now: datetime = NOON) -> tuple[Opened, Caller]:
    """A customer's phone."""
    customer = find_or_create_customer(session, phone=number or new_number(), now=now)
    opened = devices.open_for_customer(session, customer=customer, phone=ON, now=now)
    return opened, devices.caller_of(session, opened.access_token, now=now)


def a_person(session: Session, role: Role = Role.FIELD_TECHNICIAN) -> Staff:
    made = Staff(email=f"{role.value}.{next(_numbers)}@inet.test", name=role.label, role=role, password_hash="x", created_at=NOON)
    session.add(made)
    session.flush()
    return made


def enrolled(session: Session, person: Staff, *, now: datetime = NOON) -> tuple[Opened, Caller]:
    """A technician's phone."""
    opened = devices.open_for_staff(session, person=person, phone=ON, now=now)
    return opened, devices.caller_of(session, opened.access_token, now=now)
