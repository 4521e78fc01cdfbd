"""Outages, alarms, up-time and the time given back, as staff see and handle them."""

from __future__ import annotations

import csv
from datetime import datetime

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.db import in_transaction, transaction
from services.access.models import Entitlement
from services.access.outage_models import CompensationRule
from services.accounts.models import Role
from services.network.incident_models import Incident, IncidentState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, toasted, until
from tests.services.network.outage import some_alarms, two_outages


@pytest.fixture
def references(database: sa.Engine, now: datetime) -> tuple[str, str]:
    """Of the outage that is over, and of the one that goes on."""
    with transaction() as session:
        for role in Role:
            builders.a_staff(session, role, now=now)
        outages = two_outages(session, now=now)
        some_alarms(session, now=now)
        return outages.over.reference, outages.open.reference


async def _incident(reference: str) -> Incident:
    def find(session: Session) -> Incident:
        return session.exec(select(Incident).where(Incident.reference == reference)).one()

    return await in_transaction(find)


async def test_the_list_shows_outages_and_what_staff_is_warned_of(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/incidents")
    still, over = table(user, "incidents").rows
    assert (still["state"]["text"], still["place"], still["lasted"], still["given"]) == ("Open", "=Brufut Beach", "20 min", None)
    assert (over["state"]["text"], over["access_points"], over["hit"], over["given"]) == ("Over", "2", "2", "1 h 30 min")
    for words in ("OpenWISP does not answer", "See whether its server"):
        await user.should_see(words)
    assert [row["kind"] for row in table(user, "past-alarms").rows] == ["OpenWISP has no monitoring"]


async def test_an_incident_tells_its_story(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/incidents/{references[0]}")
    for words in (
        "Seen down",
        "Incident opened",
        "Back",
        "Over: everything is back",
        "Customers told by SMS",
        "its own",
        "Waiting to be sent",
    ):
        await user.should_see(words)
    assert [row["given"] for row in table(user, "given").rows] == ["45 min", "45 min"]
    await user.should_not_see(marker="false-alarm", retries=1)
    await user.should_not_see(marker="edit-note", retries=1)


async def test_a_note_is_kept_and_never_over_one_that_was_not_seen(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/incidents/{references[0]}")
    user.find(marker="edit-note").click()
    await user.should_see(marker="note-text")

    def meanwhile(session: Session) -> None:
        session.exec(select(Incident).where(Incident.reference == references[0])).one().note = "By another"

    await in_transaction(meanwhile)
    user.find(marker="note-text").clear().type("The mains failed.")
    user.find(marker="keep-note").click()
    await until(lambda: bool(user.notify.messages))
    assert (await _incident(references[0])).note == "By another"


async def test_a_false_alarm_is_previewed_asked_for_a_reason_and_undone(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/incidents/{references[1]}")
    user.find(marker="false-alarm").click()
    for words in (
        "Clocks that stand now and run on as if they never had: 1.",
        "Up-time gets 20 min of down time back.",
        "Its own ticket is closed.",
    ):
        await user.should_see(words, retries=100)
    user.find(marker="call-false-alarm").click()
    await until(lambda: "error" in next(iter(user.find(marker="reason", kind=ui.input).elements)).props)
    assert (await _incident(references[1])).state is IncidentState.OPEN
    user.find(marker="reason").type("They were online all the time")
    user.find(marker="call-false-alarm").click()
    await until(toasted(user, "It is called a false alarm."))
    assert (await _incident(references[1])).state is IncidentState.FALSE_ALARM
    standing = await in_transaction(
        lambda session: session.exec(select(Entitlement.id).where(col(Entitlement.paused_at).is_not(None))).all()
    )
    assert list(standing) == []
    await user.open(f"/console/incidents/{references[1]}")
    await user.should_see("They were online all the time")
    await user.should_not_see(marker="false-alarm", retries=1)


async def test_the_billing_officer_sees_sums_rows_and_a_file_of_them(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/compensation")
    await user.should_see("1 h 30 min")
    await user.should_see("2 times, worth D 12.50")
    assert {row["place"] for row in table(user, "compensations").rows} == {"Albert Market"}
    user.find(marker="csv").click()
    answer = await user.download.next(timeout=20)
    rows = list(csv.DictReader(answer.text.removeprefix("\ufeff").splitlines()))
    assert len(rows) == 2
    assert {row["Incident"] for row in rows} == {references[0]}


async def test_the_rule_is_previewed_and_holds_from_now_on(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/compensation")
    for words in ("An outage of 45 min gives 45 min.", "An outage of 30 s gives nothing."):
        await user.should_see(words)
    user.find(marker="edit-rule").click()
    user.find(marker="field-minimum").clear().type("60")
    await user.should_see("An outage of 45 min gives nothing.", retries=100)
    user.find(marker="keep-rule").click()
    await until(toasted(user, "The rule holds from now on."))
    made = await in_transaction(lambda session: session.exec(select(CompensationRule)).one())
    assert (made.minimum_seconds, made.cap_seconds, made.made_by) == (3600, 86_400, "staff:billing.officer@inet.test")


async def test_a_rule_out_of_bounds_is_refused_at_its_field(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/compensation")
    user.find(marker="edit-rule").click()
    user.find(marker="field-cap").clear().type("0")
    user.find(marker="keep-rule").click()
    field = user.find(marker="field-cap", kind=ui.number)
    await until(lambda: "error" in next(iter(field.elements)).props)


async def test_the_rule_is_not_customer_cares_to_change(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/compensation")
    await user.should_see(marker="rule")
    await user.should_not_see(marker="edit-rule", retries=1)


async def test_the_up_time_report_shows_the_worst_first_and_is_a_file(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/uptime")
    worst, other, *_ = table(user, "uptime").rows
    assert (worst["name"], worst["seconds"], worst["incidents"]) == ("Albert Market", "5,400", "1")
    # It is still down.
    assert (other["name"], other["down"], other["incidents"]) == ("=Brufut Beach", "20 min", "1")
    user.find(marker="csv").click()
    answer = await user.download.next()
    assert {row[0] for row in csv.reader(answer.text.splitlines())} >= {"'=Brufut Beach", "Albert Market"}


async def test_the_up_time_of_access_points_in_a_range(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/uptime?by=access_point&from=2020-01-01&to=2020-01-31")
    assert [row["share"] for row in table(user, "uptime").rows] == [None] * 3


async def test_the_first_page_tells_who_looks_after_the_network(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console")
    for words in ("Down", "of 3 access points", "Outages", "The network stays as it was."):
        await user.should_see(words)
    await user.should_not_see("Given back this month", retries=1)


async def test_the_first_page_tells_the_billing_officer_what_was_given(user: User, sign_in: SignIn, references: tuple[str, str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console")
    await user.should_see("Given back this month")
    await user.should_not_see(marker="part-network", retries=1)
