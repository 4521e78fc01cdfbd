"""Phones that send photos, without the wire."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from app.db import transaction
from services.accounts.models import Customer, Staff
from services.apps import devices
from services.apps.callers import Caller
from services.apps.models import PhotoUpload
from services.photos import finishing, storage, uploads
from services.photos.receiving import Receiving
from services.photos.uploads import Announced
from services.tickets.models import Ticket
from tests.conftest import NOON

PLENTY = 1 << 40


@dataclass
class Sender:
    """A phone that is logged in, and the ticket that it sends to."""

    session: Session
    caller: Caller
    token: str
    ticket: Ticket

    def announce(self, content: bytes, *, now: datetime = NOON, room: int = PLENTY, **facts: Any) -> PhotoUpload:
        said: dict[str, Any] = {
            "ticket_id": self.ticket.id,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "name": "IMG_1.jpg",
        }
        with transaction() as session:
            announced = Announced(**said | facts)
            return uploads.announce(session, caller=self.caller, announced=announced, room=room, now=now)[0]

    def open(self, name: str, offset: int = 0, *, now: datetime = NOON) -> Receiving:
        found = Receiving.open(transaction, storage.store(), caller=self.caller, public_id=name, offset=offset, now=now)
        assert found is not None
        return found

    def give(self, name: str, piece: bytes, offset: int = 0, *, now: datetime = NOON) -> None:
        receiving = self.open(name, offset, now=now)
        receiving.take(piece)
        receiving.count(now=now)
        receiving.close()

    def finish(self, name: str, *, now: datetime = NOON) -> PhotoUpload:
        finishing.finish(transaction, storage.store(), name, clock=lambda: now)
        return self.look(name)

    def send(self, content: bytes, *, now: datetime = NOON, **facts: Any) -> PhotoUpload:
        """All of it at once, to its end."""
        name = self.announce(content, now=now, **facts).public_id
        self.give(name, content, now=now)
        return self.finish(name, now=now)

    def look(self, name: str) -> PhotoUpload:
        self.session.expire_all()
        return self.session.exec(select(PhotoUpload).where(PhotoUpload.public_id == name)).one()


def customers_phone(session: Session, customer: Customer, ticket: Ticket, *, now: datetime = NOON) -> Sender:
    opened = devices.open_for_customer(session, customer=customer, phone=devices.Phone("Awa's phone"), now=now)
    return Sender(session, devices.caller_of(session, opened.access_token, now=now), opened.access_token, ticket)


def technicians_phone(session: Session, person: Staff, ticket: Ticket, *, now: datetime = NOON) -> Sender:
    opened = devices.open_for_staff(session, person=person, phone=devices.Phone("Lamin's phone"), now=now)
    return Sender(session, devices.caller_of(session, opened.access_token, now=now), opened.access_token, ticket)
