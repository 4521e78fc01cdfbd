"""Reports and the quality of triage, as staff see them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import select

from app.db import in_transaction, transaction
from pages.report_groups import list_address
from pages.report_parts import percent
from pages.ticket_reports import Wanted, wanted_in
from services.accounts.models import Role
from services.tickets import changes, closure
from services.tickets.changes import SYSTEM
from services.tickets.closure_models import TriageModel
from services.tickets.models import Category, TicketLabel, TicketState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.services.tickets.sla import builders as make

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def desk(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in (Role.ROOT, Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN):
            builders.a_staff(session, role, now=now)


@pytest.fixture
def busy(desk: None, now: datetime) -> str:
    """A ticket that was solved, rated and corrected."""
    with transaction() as session:
        ticket = make.a_ticket(session, now=now - timedelta(hours=5))
        reading = {"messages": 1, "category": "payment", "confidence": 0.93, "abstain": False}
        changes.record(session, ticket, "triaged", reading, who=SYSTEM, now=now - timedelta(hours=5))
        assert ticket.id is not None
        session.add(TicketLabel(ticket_id=ticket.id, suggested=Category.PAYMENT, category=Category.VOUCHER, at=now))
        make.we_reply(session, ticket, now=now - timedelta(hours=4))
        make.to_state(session, ticket, TicketState.RESOLVED, now=now - timedelta(hours=2))
        closure.rate(session, ticket.id, 4, now=now)
        return ticket.reference


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, (date(2026, 10, 24), date(2026, 11, 23))),
        ({"range": "7"}, (date(2026, 11, 16), date(2026, 11, 23))),
        ({"range": "month"}, (date(2026, 11, 1), date(2026, 11, 23))),
        ({"range": "last"}, (date(2026, 10, 1), date(2026, 11, 1))),
        ({"from": "2026-11-03", "to": "2026-11-04"}, (date(2026, 11, 3), date(2026, 11, 5))),
        ({"from": "x", "to": "2026-11-04", "range": "y", "by": "z"}, (date(2026, 10, 24), date(2026, 11, 23))),
        ({"from": "2000-01-01", "to": "2026-11-04"}, (date(2026, 10, 24), date(2026, 11, 23))),
    ],
)
def test_an_address_names_its_range(query: dict[str, str], days: tuple[date, date]) -> None:
    wanted = wanted_in(query)
    start, end = wanted.days(NOW)
    assert (start.date(), end.date()) == days
    assert wanted_in(wanted.as_query()) == wanted


def test_the_plain_address_is_the_plain_report() -> None:
    assert Wanted().as_query() == {}


def test_what_was_broken_once_is_never_a_hundred_percent() -> None:
    assert (percent(0.999), percent(1.0), percent(None)) == ("99 %", "100 %", None)


def test_numbers_lead_to_the_list_where_it_can_show_them() -> None:
    assert list_address("team", 3) == "/console/tickets?state=undone&team=3"
    assert list_address("team", None) is None


async def test_a_report_shows_what_happened(user: User, sign_in: SignIn, busy: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/reports?by=channel")
    for words in ("Created and solved", "By channel", "Portal", "4.0 of 5", "Nothing lies there."):
        await user.should_see(words)
    user.find(marker="csv-groups").click()
    file = await user.download.next()
    assert "Portal,1,1,0" in file.text


async def test_an_empty_report_says_so(user: User, sign_in: SignIn, desk: None) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/reports")
    await user.should_see("Nothing happened in these days")
    await user.open("/console/triage")
    await user.should_see("No ticket was read yet")


async def test_a_technician_is_shown_neither(user: User, sign_in: SignIn, desk: None) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    for path in ("/console/reports", "/console/triage"):
        await user.open(path)
        await user.should_see(marker="not-allowed")


async def test_corrections_are_listed_and_too_few_of_them_teach_nothing(user: User, sign_in: SignIn, busy: str) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/triage")
    for words in ("99 more corrections", busy, "93%", "Voucher and package", "The shipped model", "In use"):
        await user.should_see(words)
    user.find(marker="learn").click()
    await user.should_see("There are 1 corrections", retries=20)


@pytest.fixture
def learnt(desk: None, now: datetime) -> None:
    with transaction() as session:
        session.add(TriageModel(version="200-abc", file="200-abc.npz", why="Adopted: it is better.", is_in_use=True, created_at=now))


async def test_a_person_goes_back_to_the_shipped_model(user: User, sign_in: SignIn, learnt: None) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/triage")
    await user.should_see("Adopted: it is better.")
    user.find(marker="use-shipped").click()
    await user.should_see("New tickets are sorted by the shipped model", retries=20)
    user.find(marker="confirm").click()
    await user.should_see(marker="use-200-abc", retries=50)
    in_use = await in_transaction(lambda session: session.exec(select(TriageModel.version).where(TriageModel.is_in_use)).all())
    assert in_use == []
