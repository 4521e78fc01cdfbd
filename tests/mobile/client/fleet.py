"""Phones of customers and technicians on a real database, and what the server holds for each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlmodel import Session, col, select
from starlette.testclient import TestClient

from app.db import transaction
from mobile.client import Entity, Phone, Tokens
from mobile.client.wire import DeviceInfo, Person
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer, Role, Staff
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.apps import devices, documents
from services.apps.callers import Caller
from services.apps.devices import Opened
from services.apps.devices import Phone as Described
from services.apps.models import App, AppDevice, SyncChange
from tests.mobile.client.lines import Deaths, Line, client

_numbers = count(1)


@dataclass
class Carried:
    """A phone in somebody's pocket: its clock is `skew` off, and its app can be killed at any time."""

    folder: Path
    line: Line
    tokens: Tokens
    skew: timedelta = timedelta(0)
    # What its person did, by the phone's own name of it: the kind, and words that occur nowhere else.
    did: dict[str, tuple[str, str]] = field(default_factory=dict)
    phone: Phone = field(init=False)

    def __post_init__(self) -> None:
        self.opens()
        self.phone.store.keep_log_in(self.tokens, ends_at=self.now() + timedelta(minutes=5))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def opens(self) -> None:
        self.phone = Phone(self.folder, client(self.line), clock=self.now, page=5)

    def dies(self) -> None:
        """The battery is empty; then somebody charges it."""
        self.phone.close()
        self.opens()

    def knows(self) -> dict[str, Entity]:
        """Everything that the phone holds, by name."""
        kinds = documents.KINDS_OF[App(self.tokens.device.app)]
        return {f"{kind}:{one.id}": one for kind in kinds for one in self.phone.entities(kind)}


@dataclass
class Fleet:
    """Everybody who carries a phone, on one server."""

    server: TestClient
    deaths: Deaths
    folder: Path
    carried: list[Carried] = field(default_factory=list)

    def customer(self, session: Session, phones: int) -> Customer:
        """A new customer who is logged in on that many phones."""
        customer = find_or_create_customer(session, phone=f"+22083300{next(_numbers):04d}", now=datetime.now(UTC))
        for _ in range(phones):
            opened = devices.open_for_customer(session, customer=customer, phone=Described("Tecno"), now=datetime.now(UTC))
            self._carry(opened, Person(kind="customer", id=customer.id or 0))
        return customer

    def technician(self, session: Session) -> Principal:
        """A new Field Technician with one phone."""
        person = _somebody(session, Role.FIELD_TECHNICIAN)
        opened = devices.open_for_staff(session, person=person, phone=Described("Itel"), now=datetime.now(UTC))
        self._carry(opened, Person(kind="staff", id=person.id or 0))
        return principal_of(person)

    def _carry(self, opened: Opened, person: Person) -> None:
        device = opened.device
        tokens = Tokens(
            access_token=opened.access_token,
            expires_in=300,
            device_key=opened.device_key,
            device=DeviceInfo(id=device.public_id, name=device.name, app=device.app.value),
            person=person,
        )
        folder = self.folder / f"phone-{device.public_id}"
        folder.mkdir()
        self.carried.append(Carried(folder, Line(self.server, self.deaths), tokens))

    def owner_of(self, carried: Carried) -> Caller:
        with transaction() as session:
            found = session.exec(select(AppDevice, Staff).outerjoin(Staff).where(AppDevice.public_id == carried.tokens.device.id)).one()
            device, person = found
            staff = principal_of(person) if person is not None else None
            return Caller(device.id or 0, device.name, device.app, device.key_number, device.customer_id, device.device_id, staff)

    def truth(self, carried: Carried) -> dict[str, Entity]:
        """What the server holds for a phone's owner, read without the sync: every row that may be theirs, through the eyes of the owner."""
        caller = self.owner_of(carried)
        found = {}
        with transaction() as session:
            for kind in documents.KINDS_OF[caller.app]:
                ids = session.exec(select(SyncChange.entity_id).where(col(SyncChange.kind) == kind).distinct()).all()
                for document in documents.load(session, caller, kind, ids).values():
                    found[f"{kind}:{document.id}"] = Entity(kind, str(document.id), document.version, dict(document.data))
        return found


def somebody_at_the_desk(session: Session) -> Principal:
    """A new member of staff who may do everything."""
    return principal_of(_somebody(session, Role.ROOT))


def _somebody(session: Session, role: Role) -> Staff:
    number = next(_numbers)
    person = Staff(email=f"staff{number}@inet.test", name=f"Staff {number}", role=role, password_hash="", created_at=datetime.now(UTC))
    session.add(person)
    session.flush()
    return person
