"""The first page: what each role sees of it, that each number opens the list that it counts, and that news reach it."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app import redis
from app.db import in_transaction, transaction
from app.events import CHANNEL
from pages.dashboard.figures import _WORDS
from services.accounts.models import Role, Staff
from services.console.dashboards.figures import What
from services.network.alarm_models import AlarmKind
from services.network.alarms import raise_alarm
from services.network.models import Health
from services.payments.models import Payment, PaymentStatus
from services.tickets.models import Ticket
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, until
from tests.services.access.online import incident_at
from tests.services.network.places import make_access_point

_PARTS = ("field", "help", "money", "network", "running")
_TICKETS, _PAYMENTS, _REFUNDS = "tickets", "payments", "refunds"
# The list behind each number. The others count what is no list of that kind: sums in doubt, packages, alarms, parts, back-ups.
_LISTS = {
    What.UNSERVED: _PAYMENTS,
    What.STARTED: _PAYMENTS,
    What.PAID: _PAYMENTS,
    What.REFUNDS_ASKED: _REFUNDS,
    What.REFUNDS_REFUSED: _REFUNDS,
    What.FINDINGS: "findings",
    What.LATE: _TICKETS,
    What.NOBODYS: _TICKETS,
    What.TONIGHT: _TICKETS,
    What.MINE: _TICKETS,
    What.UNDONE: _TICKETS,
    What.NOT_SENT: "messages",
    What.HELD: "inbound",
    What.INCIDENTS: "incidents",
    What.DOWN: "access-points",
    What.SILENT: "gateways",
    What.ONLINE: "sessions",
    What.JOBS_LATE: "schedule",
    What.JOBS_FAILING: "schedule",
    What.ERRORS: "errors",
}


def is_there(user: User, marker: str) -> bool:
    try:
        return bool(user.find(marker=marker).elements)
    except AssertionError:
        return False


def figures(user: User) -> dict[What, tuple[str, str]]:
    """By what is counted: the number as it is written, and where it leads."""
    found = {}
    for what in What:
        if is_there(user, f"figure-{what}"):
            (tile,) = user.find(marker=f"figure-{what}").elements
            (number,) = [one.text for one in tile.descendants() if isinstance(one, ui.label) and "number" in one.classes]
            found[what] = number, str(tile.props["href"])
    return found


class _Counts:
    """Whether the list has as many rows. Some lists come when their page is there already."""

    def __init__(self, user: User, marker: str, number: int) -> None:
        self._user, self._marker, self._number = user, marker, number

    def __call__(self) -> bool:
        return len(table(self._user, self._marker).rows) == self._number

    def __str__(self) -> str:
        return f"{self._number} {self._marker} were counted, and there are {len(table(self._user, self._marker).rows)}"


def links(user: User, marker: str) -> list[str]:
    (part,) = user.find(marker=marker).elements
    return [str(one.props["href"]) for one in part.descendants() if "href" in one.props]


@pytest.fixture
def busy_shop(shop: None, now: datetime) -> None:
    """The shop, with something wrong in every part of it."""
    with transaction() as session:
        technician = session.exec(select(Staff).where(Staff.role == Role.FIELD_TECHNICIAN)).one()
        for ticket in session.exec(select(Ticket)).all():
            ticket.due_at = now - timedelta(minutes=5) if ticket.assignee_id in (None, technician.id) else now + timedelta(days=2)
        incident_at(session, now - timedelta(hours=2))
        make_access_point(session, health=Health.OFFLINE, at=now)
        slug = session.execute(sa.text("SELECT slug FROM gateway WHERE last_poll_at < now() - interval '30 minutes'")).scalar_one()
        raise_alarm(session, AlarmKind.GATEWAY_SILENT, slug, "It does not poll.", now=now)


@pytest.mark.usefixtures("busy_shop")
@pytest.mark.parametrize(
    ("role", "parts"),
    [
        (Role.ROOT, {"money", "help", "network", "running"}),
        (Role.SYSTEM_ADMIN, {"money", "help", "network", "running"}),
        (Role.BILLING_OFFICER, {"money"}),
        (Role.CUSTOMER_CARE, {"help", "money", "network"}),
        (Role.FIELD_TECHNICIAN, {"field", "network"}),
    ],
)
async def test_every_role_sees_its_own_and_every_number_opens_the_list_that_it_counts(
    user: User, sign_in: SignIn, role: Role, parts: set[str]
) -> None:
    await sign_in(role)
    assert {part for part in _PARTS if is_there(user, f"part-{part}")} == parts
    found = figures(user)
    assert found
    for what, (number, address) in found.items():
        await user.open(address)
        await user.should_not_see(marker="not-allowed", retries=1)
        await user.should_not_see(marker="refused", retries=1)
        if what in _LISTS:
            await until(_Counts(user, _LISTS[what], int(number)))


@pytest.mark.usefixtures("busy_shop")
async def test_what_is_wrong_stands_first_and_is_told_once(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    asking = links(user, "asking")
    assert asking[0] == "/console/payments?needs=yes"
    assert {"/console/tickets?due=late", "/console/incidents?state=open", "/console/gateways?silent=yes"} <= set(asking)
    assert asking.index("/console/tickets?due=late") < asking.index("/console/tickets?assigned=nobody")
    (late,) = user.find(marker=f"figure-{What.LATE}").elements
    assert "alarm" in late.classes
    await user.should_not_see(marker="all-well", retries=1)


@pytest.mark.usefixtures("busy_shop")
async def test_sums_of_money_are_shown_only_to_who_may_read_them(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.should_not_see("Taken today", retries=1)
    await user.should_not_see(marker="so-far", retries=1)
    assert figures(user)[What.NOBODYS][0] == "2"
    await sign_in(Role.BILLING_OFFICER)
    await user.should_see("Taken today")
    await user.should_see(marker="so-far")


@pytest.mark.usefixtures("busy_shop")
async def test_a_technician_sees_the_own_day_and_nobody_elses(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)

    def own(session: Session) -> list[str]:
        technician = session.exec(select(Staff.id).where(Staff.role == Role.FIELD_TECHNICIAN)).one()
        return [f"/console/tickets/{one}" for one in session.exec(select(Ticket.reference).where(Ticket.assignee_id == technician)).all()]

    assert links(user, "your-day") == await in_transaction(own)
    assert figures(user)[What.UNDONE][0] == "1"


@pytest.mark.usefixtures("busy_shop")
async def test_every_payment_that_stands_still_leads_to_its_story(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)

    def person(session: Session) -> str:
        return session.exec(select(Payment.reference).where(Payment.status == PaymentStatus.ATTENTION)).one()

    assert f"/console/payments/{await in_transaction(person)}" in links(user, "unserved")


@pytest.fixture
def nothing_yet(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in (Role.ROOT, Role.FIELD_TECHNICIAN):
            builders.a_staff(session, role, now=now)


@pytest.mark.usefixtures("nothing_yet")
async def test_a_fresh_installation_says_what_comes_first(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.should_see("First steps")
    await user.should_see("Put a package on sale")
    assert links(user, "first-steps") == ["/console/packages", "/console/register-gateway", "/console/gateways", "/console/staff"]


@pytest.mark.usefixtures("nothing_yet")
async def test_where_nothing_waits_that_is_said(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.should_see("All is well")
    await user.should_see("No tickets for you")
    await user.should_not_see("First steps", retries=1)


@pytest.mark.usefixtures("busy_shop")
async def test_news_change_the_numbers_where_they_stand(user: User, sign_in: SignIn, now: datetime) -> None:
    await sign_in(Role.BILLING_OFFICER)
    before = int(figures(user)[What.UNSERVED][0])

    def one_more(session: Session) -> None:
        offer, customer = builders.an_offer(session, now=now), builders.a_customer(session, 99, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.ATTENTION, at=now)

    await in_transaction(one_more)

    def told() -> bool:
        # Told again and again: the page may still be subscribing when the first news comes.
        redis.client().publish(CHANNEL, orjson.dumps({"topic": "payments", "id": 1}))
        return int(figures(user)[What.UNSERVED][0]) == before + 1

    await until(told)


@pytest.mark.usefixtures("busy_shop")
async def test_a_role_that_was_changed_is_given_its_own_page(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)

    def demote(session: Session) -> None:
        session.exec(select(Staff).where(Staff.role == Role.CUSTOMER_CARE)).one().role = Role.BILLING_OFFICER

    await in_transaction(demote)
    await user.open("/console")
    assert {part for part in _PARTS if is_there(user, f"part-{part}")} == {"money"}


def test_every_number_has_a_word_and_an_address() -> None:
    assert set(_WORDS) == set(What)
