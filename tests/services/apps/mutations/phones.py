"""Phones of technicians, and batches from them: short words for the tests of what is done with no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlmodel import Session

from app.db import transaction
from services.accounts.models import Role, Staff
from services.accounts.sessions import principal_of
from services.apps.callers import Caller
from services.apps.devices import Phone, open_for_staff
from services.apps.models import App
from services.apps.mutations.engine import Answers, Result, Sent
from services.apps.mutations.receiving import receive
from services.apps.versions import ticket_versions
from services.tickets.models import Ticket
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person

_names = count(1)


def ticking(start: datetime = NOON) -> Callable[[], datetime]:
    """A clock that goes on a little at each look, as a real one does."""
    looks = count()
    return lambda: start + timedelta(milliseconds=next(looks))


@dataclass
class AnApp:
    """INET-Tech on one phone. `behind` is how far its clock is behind ours."""

    caller: Caller
    behind: timedelta = timedelta(0)
    clock: Callable[[], datetime] = field(default_factory=ticking)

    @property
    def now(self) -> datetime:
        return self.clock() - self.behind

    def did(self, type: str, entity: str, base: str | None = None, *, id: str = "", at: datetime | None = None, **payload: Any) -> Sent:
        return Sent(id or f"m-{next(_names)}", type, entity, base, at or self.now, payload)

    def send(self, *sent: Sent, sent_at: datetime | None = None) -> Answers:
        return receive(transaction, caller=self.caller, sent_at=sent_at or self.now, sent=sent, clock=self.clock)

    def one(self, type: str, entity: str, base: str | None = None, **more: Any) -> Result:
        return self.send(self.did(type, entity, base, **more)).results[0]


def an_app(session: Session, person: Staff, **more: Any) -> AnApp:
    device = open_for_staff(session, person=person, phone=Phone("Tecno", "android", "1.0"), now=NOON).device
    assert device.id is not None
    return AnApp(Caller(device.id, device.name, App.TECH, 1, staff=principal_of(person)), **more)


def a_technician(session: Session, name: str = "lamin", role: Role = Role.FIELD_TECHNICIAN) -> Staff:
    return a_person(session, f"{name}@inet.test", role=role)


def a_ticket(session: Session, person: Staff, **more: Any) -> Ticket:
    return builders.a_ticket(session, assignee=person, at=NOON - timedelta(hours=1), **more)


def named(ticket: Ticket) -> str:
    return f"ticket:{ticket.id}"


def version_of(session: Session, ticket: Ticket) -> str:
    assert ticket.id is not None
    return str(ticket_versions(session, [ticket.id])[ticket.id])


@contextmanager
def looking() -> Iterator[Session]:
    """A look at what is committed."""
    with transaction() as session:
        yield session
