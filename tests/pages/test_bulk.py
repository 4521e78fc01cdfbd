"""The bar above each list: what is picked is shown before it changes, each row's result is told, and there is a way back for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import anyio.to_thread
import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app import redis
from app.clock import utc_now
from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.console.bulk import service
from services.console.bulk.registry import ACTIONS, action_named
from services.vouchers.models import Voucher, VoucherState
from tests.factories import staff
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, until
from tests.pages.test_proof import session_key
from tests.services.console.bulk.scenes import Scene, scene_of

# Of each list one action: who does it, and under which address its rows are shown.
LISTS = {
    "ticket.change": (Role.CUSTOMER_CARE, "/console/tickets?state=all"),
    "voucher.block": (Role.BILLING_OFFICER, "/console/vouchers"),
    "batch.cancel": (Role.BILLING_OFFICER, "/console/batches"),
    "session.end": (Role.CUSTOMER_CARE, "/console/sessions?show=all"),
    "finding.reject": (Role.BILLING_OFFICER, "/console/reconciliation?state=all"),
    "access-point.site": (Role.SYSTEM_ADMIN, "/console/access-points"),
    "incident.false_alarm": (Role.SYSTEM_ADMIN, "/console/incidents"),
    "message.dismiss": (Role.CUSTOMER_CARE, "/console/messages"),
}


class Stage:
    """A scene that is committed, looked at from outside the page."""

    def __init__(self, session: Session, action: str) -> None:
        self.action = action_named(action)
        self.scene: Scene = scene_of(session, self.action.page, action)
        self._session = session
        session.commit()

    async def stands(self) -> object:
        return await anyio.to_thread.run_sync(self._look)

    def _look(self) -> object:
        self._session.expire_all()
        found = self.scene.stands()
        self._session.rollback()
        return found


@pytest.fixture
def stage(request: pytest.FixtureRequest, database: sa.Engine, now: datetime) -> Iterator[Stage]:
    with Session(database, expire_on_commit=False) as session:
        for role in (Role.BILLING_OFFICER, Role.CUSTOMER_CARE, Role.SYSTEM_ADMIN):
            builders.a_staff(session, role, now=now)
        yield Stage(session, request.param)


def pick(user: User, stage: Stage, *row_ids: int) -> None:
    for row_id in row_ids:
        user.find(marker=f"{stage.action.page}-table").trigger("pick", row_id)


def answer(user: User, stage: Stage) -> None:
    for name, value in stage.scene.answers.items():
        (field,) = user.find(kind=ui.select, marker=f"bulk-{name.replace('_', '-')}").elements
        field.value = value


def test_every_list_with_an_action_is_tried_here() -> None:
    assert {action_named(name).page for name in LISTS} == {action.page for action in ACTIONS}


def test_every_action_knows_where_its_list_stands() -> None:
    addresses = {action_named(name).page: address.partition("?")[0] for name, (_, address) in LISTS.items()}
    assert {action.name: action.address for action in ACTIONS} == {action.name: addresses[action.page] for action in ACTIONS}


@pytest.mark.parametrize("stage", LISTS, indirect=True)
async def test_rows_are_picked_shown_changed_and_taken_back(user: User, sign_in: SignIn, stage: Stage) -> None:
    action, scene = stage.action, stage.scene
    role, address = LISTS[action.name]
    before = await stage.stands()
    await sign_in(role)
    await user.open(address)
    await user.should_not_see(marker=f"bulk-{action.name}", retries=1)
    pick(user, stage, *scene.good[:2])
    await user.should_see("2 picked", retries=100)
    user.find(marker=f"bulk-{action.name}").click()
    if scene.answers:
        await user.should_see(marker="bulk-look", retries=100)
        answer(user, stage)
        user.find(marker="bulk-look").click()
    await user.should_see(marker="bulk-preview", retries=100)
    assert label(user, "bulk-preview") == f"2 of 2 {action.things[1]} will change"
    assert await stage.stands() == before
    user.find(marker="field-reason").type("As agreed")
    user.find(marker="bulk-apply").click()
    await user.should_see("2 changed", retries=200)
    assert await stage.stands() != before
    if action.stays:
        await user.should_not_see(marker="bulk-undo", retries=1)
        await user.should_see(action.stays)
        return
    user.find(marker="bulk-undo").click()
    await user.should_see("2 taken back", retries=200)
    assert await stage.stands() == before
    await user.should_not_see(marker="bulk-last-undo", retries=3)


@pytest.mark.parametrize("stage", ["session.end"], indirect=True)
async def test_many_that_nothing_takes_back_wait_for_a_second_person(
    user: User, sign_in: SignIn, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_ALONE", 1)
    before = await stage.stands()
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/sessions?show=all")
    pick(user, stage, *stage.scene.good)
    await user.should_see("2 picked", retries=100)
    user.find(marker="bulk-session.end").click()
    await user.should_see("somebody else agrees", retries=100)
    user.find(marker="field-reason").type("The router is replaced")
    user.find(marker="bulk-apply").click()
    await user.should_see("It waits for a second person", retries=200)
    assert await stage.stands() == before
    user.find(marker="done").click()
    await user.should_see(marker="bulk-asked", retries=100)
    user.find(marker="bulk-decide").click()
    await user.should_see(marker="bulk-decline", retries=100)
    await user.should_not_see(marker="bulk-agree", retries=1)
    # Their colleague finds it above the list.
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/sessions?show=all")
    await user.should_see("asks for a second person", retries=100)
    user.find(marker="bulk-decide").click()
    await user.should_see(marker="bulk-agree", retries=100)
    await user.should_see("The router is replaced")
    user.find(marker="bulk-agree").click()
    await user.should_see("2 changed", retries=200)
    assert await stage.stands() != before
    await user.should_not_see(marker="bulk-asked", retries=100)


@pytest.mark.parametrize("stage", ["session.end"], indirect=True)
async def test_a_second_person_may_decline(user: User, sign_in: SignIn, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_ALONE", 1)
    before = await stage.stands()
    asker = replace(staff(Role.ROOT), name="Root")
    ids, reason = stage.scene.good, "All of them"
    await anyio.to_thread.run_sync(
        lambda: service.run(
            transaction, actor=asker, action="session.end", row_ids=ids, answers={}, reason=reason, key="theirs", clock=utc_now
        )
    )
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/sessions?show=all")
    await user.should_see(marker="bulk-decide", retries=100)
    user.find(marker="bulk-decide").click()
    await user.should_see(marker="bulk-decline", retries=100)
    user.find(marker="bulk-decline").click()
    await user.should_see("Nothing of it was done.", retries=200)
    assert await stage.stands() == before
    await user.should_not_see(marker="bulk-asked", retries=100)


@pytest.mark.parametrize("stage", ["voucher.expire"], indirect=True)
async def test_what_is_refused_is_told_with_its_row_and_a_missing_reason_at_its_field(user: User, sign_in: SignIn, stage: Stage) -> None:
    refused, good = stage.scene.bad[0], stage.scene.good[0]
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/vouchers")
    pick(user, stage, refused, good)
    await user.should_see("2 picked", retries=100)
    user.find(marker="bulk-voucher.expire").click()
    await user.should_see(marker="bulk-preview", retries=100)
    assert label(user, "bulk-preview") == "1 of 2 vouchers will change"
    await user.should_see("It is used.")
    user.find(marker="bulk-apply").click()
    (reason,) = user.find(marker="field-reason").elements
    await until(lambda: "in a few words why" in str(reason.props.get("error-message")))
    user.find(marker="field-reason").type("Printed twice")
    user.find(marker="bulk-apply").click()
    await user.should_see("1 changed, 1 not changed", retries=200)
    # A reload later the way back is still there.
    await user.open("/console/vouchers")
    await user.should_see(marker="bulk-last-undo", retries=100)
    user.find(marker="bulk-last-undo").click()
    await user.should_see(marker="bulk-undo", retries=100)
    user.find(marker="bulk-undo").click()
    await user.should_see("1 not changed, 1 taken back", retries=200)


@pytest.fixture
def thirty(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in (Role.BILLING_OFFICER, Role.CUSTOMER_CARE):
            builders.a_staff(session, role, now=now)
        offer = builders.an_offer(session, now=now)
        for number in range(30):
            builders.a_voucher(session, offer=offer, state=VoucherState.ACTIVE, at=now - timedelta(minutes=number))


async def turn_to(user: User, page: int) -> None:
    pagination = {"page": page, "rowsPerPage": 25, "sortBy": "created", "descending": True}
    user.find(marker="vouchers-table").trigger("request", {"pagination": pagination})
    await until(lambda: len(table(user, "vouchers").rows) == (25 if page == 1 else 5))


def ticked(user: User) -> set[int]:
    return {row["id"] for row in table(user, "vouchers").rows if row["pick"]["on"]}


@pytest.mark.usefixtures("thirty")
async def test_what_is_picked_stays_through_pages_and_news_and_all_that_match_can_be_picked(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/vouchers")
    await until(lambda: len(table(user, "vouchers").rows) == 25)
    first = table(user, "vouchers").rows[0]["id"]
    user.find(marker="vouchers-table").trigger("pick", first)
    await user.should_see("1 picked", retries=100)
    await turn_to(user, 2)
    assert (label(user, "picked"), ticked(user)) == ("1 picked", set())
    second = table(user, "vouchers").rows[0]["id"]
    user.find(marker="vouchers-table").trigger("pick", second)

    def block(session: Session) -> None:
        session.get_one(Voucher, second).state = VoucherState.BLOCKED

    await in_transaction(block)
    await turn_to(user, 1)
    assert (label(user, "picked"), ticked(user)) == ("2 picked", {first})
    user.find(marker="pick-page").click()
    await until(lambda: label(user, "picked") == "26 picked")
    user.find(marker="pick-all").click()
    await until(lambda: label(user, "picked") == "30 picked")
    user.find(marker="pick-none").click()
    await until(lambda: ticked(user) == set())
    await user.should_not_see(marker="picked", retries=1)


@pytest.mark.usefixtures("thirty")
async def test_who_may_change_nothing_sees_no_boxes(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers")
    assert "pick" not in {column["name"] for column in table(user, "vouchers").columns}
    await user.should_not_see(marker="bulk-bar", retries=1)


@pytest.mark.usefixtures("thirty")
async def test_an_old_log_in_is_proven_before_what_is_worth_money_changes(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/vouchers")
    await until(lambda: len(table(user, "vouchers").rows) == 25)
    user.find(marker="vouchers-table").trigger("pick", table(user, "vouchers").rows[0]["id"])
    await user.should_see("1 picked", retries=100)
    user.find(marker="bulk-voucher.block").click()
    await user.should_see(marker="bulk-preview", retries=100)
    user.find(marker="field-reason").type("Stolen")
    redis.client().hset(session_key(user), "proven", "1")
    user.find(marker="bulk-apply").click()
    await user.should_see(marker="prove", retries=100)
    states = await in_transaction(lambda session: set(session.exec(select(Voucher.state)).all()))
    assert states == {VoucherState.ACTIVE}
    user.find(marker="field-password").type(builders.PASSWORD)
    user.find(marker="prove").click()
    await user.should_see("1 changed", retries=200)
