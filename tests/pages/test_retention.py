"""How long what is kept, in a simulated browser: seen, previewed, changed within its bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app.clock import utc_now
from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.operations.models import CleanUp, HealthSample, HealthState, RetentionPeriod
from services.operations.retention.rules import RULES
from services.operations.retention.standing import MISSING
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, until

PATH = "/console/retention"
SAMPLES = next(number for number, rule in enumerate(RULES) if rule.name == "health-samples")
ANSWERS = next(number for number, rule in enumerate(RULES) if rule.name == "answers")
pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def samples(shop: None) -> None:
    with transaction() as session:
        for days in (2, 12, 20):
            session.add(HealthSample(part=f"p{days}", at=utc_now() - timedelta(days=days), state=HealthState.OK))
        session.add(CleanUp(rule="health-samples", last_run_at=utc_now(), last_removed=7, removed=1234, last_ms=5))


def periods_of(session: Session) -> list[tuple[str, int]]:
    return [(row.rule, row.days) for row in session.exec(select(RetentionPeriod)).all()]


def actions(session: Session) -> list[str]:
    return list(session.exec(select(AuditEntry.action).where(AuditEntry.target_type == "retention")).all())


async def opens(user: User, number: int) -> None:
    await user.open(PATH)
    await until(lambda: len(table(user, "retention").rows) == len(RULES))
    user.find(marker="retention-table").trigger("act", number)


@pytest.mark.usefixtures("samples")
async def test_each_rule_stands_there_with_what_it_took_away(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(PATH)
    await until(lambda: len(table(user, "retention").rows) == len(RULES))
    row = next(row for row in table(user, "retention").rows if row["id"] == SAMPLES)
    assert (row["kept"], row["last"], row["open"]) == ("30 days", "7", "Change …")
    assert row["size"].endswith("B")
    await user.should_see("Gone by itself, or by another sweep")


@pytest.mark.usefixtures("samples")
async def test_a_shorter_period_shows_what_goes_with_it_and_is_saved(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await opens(user, SAMPLES)
    await user.should_see("Nothing goes with it now.", retries=100)
    user.find(marker="field-days").clear().type("10")
    await until(lambda: label(user, "retention-preview").startswith("2 rows go with the next runs"))
    user.find(marker="save-period").click()
    await until(lambda: any(row["kept"] == "10 days (changed)" for row in table(user, "retention").rows))
    assert await in_transaction(periods_of) == [("health-samples", 10)]
    assert await in_transaction(actions) == ["retention.change"]


@pytest.mark.usefixtures("samples")
async def test_a_period_out_of_its_bounds_is_refused_at_its_field(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await opens(user, SAMPLES)
    await user.should_see(marker="save-period", retries=100)
    user.find(marker="field-days").clear().type("2")
    user.find(marker="save-period").click()
    (field,) = user.find(kind=ui.input, marker="field-days").elements
    await until(lambda: "7 to 400 days" in str(field.props.get("error-message")))
    assert await in_transaction(periods_of) == []


async def test_what_something_else_promises_cannot_be_changed(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await opens(user, ANSWERS)
    await user.should_see(marker="fixed-period", retries=100)
    await user.should_not_see(marker="save-period", retries=1)


@pytest.fixture
def missing(shop: None) -> None:
    with transaction() as session:
        session.add(CleanUp(rule=MISSING, last_run_at=utc_now(), last_removed=3))


@pytest.mark.usefixtures("missing")
async def test_rows_whose_files_are_gone_are_said(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(PATH)
    await user.should_see("3 rows name a file that is not there", retries=100)
