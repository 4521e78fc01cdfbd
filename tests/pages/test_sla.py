"""Policies, calendars and explained deadlines, as staff see and keep them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.tickets.models import Priority, TicketState
from services.tickets.sla.defaults import add_default_policies
from services.tickets.sla_models import CalendarDay, SlaPolicy
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until
from tests.services.tickets.sla import builders as make


@pytest.fixture
def reference(database: sa.Engine, now: datetime) -> str:
    """Of an urgent ticket that waited for its customer."""
    with transaction() as session:
        for role in (Role.ROOT, Role.CUSTOMER_CARE):
            builders.a_staff(session, role, now=now)
        add_default_policies(session, now=now)
        ticket = make.a_ticket(session, now=now - timedelta(minutes=20), priority=Priority.URGENT)
        make.to_state(session, ticket, TicketState.PENDING, now=now - timedelta(minutes=15))
        make.to_state(session, ticket, TicketState.OPEN, now=now - timedelta(minutes=5))
        return ticket.reference


def _version(session: Session, name: str) -> int:
    return session.exec(select(SlaPolicy.current_version).where(SlaPolicy.name == name)).one()


async def test_the_policies_are_shown_in_the_order_in_which_they_are_tried(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/sla")
    for words in ("Outages", "For priority urgent", "First response 30 min, next response 30 min, resolution 4 h; by Round the clock"):
        await user.should_see(words)
    await user.should_not_see(marker="no-catch-all")


async def test_a_change_shows_what_it_would_do_before_it_is_made(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/sla/policies/2")
    _set_number(user, "field-resolution", 5)
    user.find(marker="look").click()
    await user.should_see("1 open: 1 become due earlier, 0 later, 0 stay as they are.", retries=20)
    await user.should_see("1 would be past their deadline at once.")
    assert await in_transaction(_version, "Urgent") == 1
    user.find(marker="save-open-too").click()
    await _kept(lambda session: _version(session, "Urgent") == 2)


async def _kept(is_so: Callable[[Session], bool]) -> None:
    for _ in range(500):
        if await in_transaction(is_so):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it was not kept")


def _set_number(user: User, marker: str, value: float) -> None:
    for element in user.find(marker=marker).elements:
        assert isinstance(element, ui.number)
        element.value = value


async def test_who_may_not_change_a_policy_reads_it(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/sla/policies/2")
    await user.should_see("The promise")
    await user.should_not_see(marker="look")


async def test_a_calendar_takes_an_own_day_and_its_policies_follow(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/sla/calendars/1")
    await user.should_see("Independence Day")
    user.find(marker="own-date").type("2026-12-24")
    user.find(marker="own-name").type("Staff party")
    user.find(marker="add-day").click()
    user.find(marker="look").click()
    await user.should_see(marker="save-new-only", retries=20)
    user.find(marker="save-new-only").click()

    def is_kept(session: Session) -> bool:
        days = session.exec(select(CalendarDay.name).order_by(col(CalendarDay.day))).all()
        return list(days) == ["Staff party"] and _version(session, "Normal") == 2

    await _kept(is_kept)


async def test_a_calendar_with_no_open_hour_is_refused_at_the_field(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/sla/calendars/new")
    user.find(marker="field-name").type("Never")
    for day in range(5):
        user.find(marker=f"field-day-{day}").clear()
    user.find(marker="look").click()
    element = next(iter(user.find(marker="field-day-0").elements))
    await until(lambda: "at least one open hour" in str(element.props.get("error-message", "")))


async def test_a_deadline_is_explained_stretch_by_stretch(user: User, sign_in: SignIn, reference: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}/deadline")
    await user.should_see(marker="sla-matches")
    for words in ("Urgent", "Round the clock (Africa/Banjul)", "waiting for the customer", "not counted"):
        await user.should_see(words)
