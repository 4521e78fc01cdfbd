"""Technicians out there, for the tests of their work."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from services.accounts.models import Staff
from services.accounts.sessions import principal_of
from services.fieldwork.steps import Worker
from services.tickets.models import Ticket
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person


def a_technician(session: Session, name: str = "lamin") -> Staff:
    return a_person(session, f"{name}@inet.test")


def worker(person: Staff, *, at: datetime = NOON, ago: timedelta = timedelta(0)) -> Worker:
    """The person, with a phone that says it happened that long before it reached us."""
    return Worker(principal_of(person), at - ago, at)


def given(session: Session, person: Staff, **more: object) -> Ticket:
    return builders.a_ticket(session, assignee=person, at=NOON - timedelta(hours=1), **more)  # type: ignore[arg-type]
