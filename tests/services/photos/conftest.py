from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session

from app.settings import get_settings
from tests.conftest import NOON
from tests.pages import builders
from tests.services.photos.phones import Sender, customers_phone, technicians_phone
from tests.services.tickets.people import a_person


@pytest.fixture(autouse=True)
def folder(servers: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    return tmp_path / "photos"


@pytest.fixture
def awa(session: Session) -> Sender:
    """A customer's phone, and her ticket."""
    customer = builders.a_customer(session, 1, now=NOON)
    return customers_phone(session, customer, builders.a_ticket(session, customer=customer, at=NOON))


@pytest.fixture
def lamin(session: Session) -> Sender:
    """A Field Technician's phone, and a ticket that he looks after."""
    person = a_person(session, "lamin@test.gm")
    return technicians_phone(session, person, builders.a_ticket(session, assignee=person, at=NOON))
