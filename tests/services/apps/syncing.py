"""A phone that does what the wire asks of it: keeps what it is told, doubts it when told to start over, and drops what is not confirmed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from app.db import transaction
from services.access.models import AccessSession, Entitlement
from services.accounts.models import Customer, Device, Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from services.apps import documents
from services.apps.callers import Caller
from services.apps.models import App
from services.apps.sync import Answer, Asked, sync
from services.network.incident_models import Incident
from services.network.models import AccessPoint, Site
from services.notifications.models import Notification
from services.packages.models import Package
from services.payments.models import Payment
from services.tickets.models import Ticket
from services.vouchers.models import Voucher
from tests.conftest import NOON

Held = dict[tuple[str, str], tuple[str, Any]]
_TABLES: dict[str, type[SQLModel]] = {
    "package": Package,
    "payment": Payment,
    "voucher": Voucher,
    "access": Entitlement,
    "session": AccessSession,
    "device": Device,
    "ticket": Ticket,
    "place": Site,
    "notice": Notification,
    "site": Site,
    "access_point": AccessPoint,
    "incident": Incident,
}


@dataclass
class Phone:
    """`held` is what its person sees; `doubted` what was held when everything began to be told anew."""

    caller: Caller
    cursor: str | None = None
    held: Held = field(default_factory=dict)
    doubted: set[tuple[str, str]] = field(default_factory=set)

    def ask(self, *, limit: int = 200, kinds: tuple[str, ...] | None = None, answer_is_lost: bool = False) -> Answer:
        answer = sync(transaction, caller=self.caller, asked=Asked(self.cursor, kinds, limit), now=NOON)
        if not answer_is_lost:
            self._take(answer)
        return answer

    def _take(self, answer: Answer) -> None:
        if answer.start_over:
            self.doubted = set(self.held)
        for change in map(orjson.loads, answer.changes):
            name = (change["kind"], change["id"])
            self.doubted.discard(name)
            if change["removed"]:
                self.held.pop(name, None)
            else:
                self.held[name] = (change["version"], change["data"])
        self.cursor = answer.cursor
        if not answer.more:
            for name in self.doubted:
                del self.held[name]
            self.doubted = set()

    def sync(self, *, limit: int = 200) -> int:
        """Until there is no more; answers how many changes came."""
        told = 0
        while True:
            answer = self.ask(limit=limit)
            told += len(answer.changes)
            if not answer.more:
                return told

    def names(self, kind: str) -> set[int]:
        return {int(number) for held, number in self.held if held == kind}


def standing(session: Session, caller: Caller) -> Held:
    """Everything that this caller's phone is to hold now."""
    found: Held = {}
    for kind in documents.KINDS_OF[caller.app]:
        table = (Customer if caller.app is App.GO else Staff) if kind == "profile" else _TABLES[kind]
        ids = [number for number in session.exec(select(col(table.id))).all() if number is not None]  # type: ignore[attr-defined]
        for number, document in documents.load(session, caller, kind, ids).items():
            found[kind, str(number)] = (document.version, orjson.loads(orjson.dumps(document.data)))
    return found


def a_customer(session: Session) -> Caller:
    """With a phone of their own."""
    number = secrets.randbelow(10**6)
    customer = Customer(phone_e164=f"+22083{number:07d}", created_at=NOON)
    session.add(customer)
    session.flush()
    assert customer.id is not None
    return Caller(customer.id, "Phone", App.GO, 1, customer_id=customer.id)


def a_technician(session: Session, *, role: Role = Role.FIELD_TECHNICIAN) -> Caller:
    row = Staff(email=f"{secrets.token_hex(5)}@test.gm", name="Modou", role=role, password_hash="x", created_at=NOON)
    session.add(row)
    session.flush()
    assert row.id is not None
    person = Principal("staff", row.id, row.name, ROLE_PERMISSIONS[role], role=role, email=row.email)
    return Caller(10_000 + row.id, "Phone", App.TECH, 1, staff=person)


def a_device(session: Session, owner: Caller) -> int:
    device = Device(customer_id=owner.customer_id, created_at=NOON, last_seen_at=NOON)
    session.add(device)
    session.flush()
    assert device.id is not None
    return device.id


MOVED = sa.text("UPDATE device SET customer_id = :owner WHERE id = :id")
SEEN = sa.text("UPDATE device SET last_mac = :mac WHERE id = :id")


def a_mac() -> str:
    return ":".join(f"{byte:02x}" for byte in secrets.token_bytes(6))
