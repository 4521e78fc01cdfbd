"""Batches in the console: ordering, printing, and changing many vouchers at once."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.models import Voucher, VoucherState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until
from tests.services.vouchers.sheets.builders import a_batch


@pytest.fixture
def desk(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in (Role.BILLING_OFFICER, Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN):
            builders.a_staff(session, role, now=now)
        builders.an_offer(session, now=now)


@pytest.fixture
def printed(desk: None, now: datetime) -> list[str]:
    """The codes of a batch that is ready, whose id is 1."""
    with transaction() as session:
        offer = builders.an_offer(session, now=now)
        batch, shown = a_batch(session, offer=offer, size=5, now=now, seller="Fatou", name="For Tobaski")
        assert batch.id == 1
        return shown


async def told(user: User, words: str) -> None:
    await user.should_see(words, retries=50)


async def _ordered() -> VoucherBatch:
    """The only batch, once it is there."""
    for _ in range(200):
        found = await in_transaction(lambda session: session.exec(select(VoucherBatch)).one_or_none())
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("no batch was ordered")


async def test_a_batch_is_ordered_and_its_page_opens(user: User, sign_in: SignIn, desk: None) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/batches")
    await user.should_see("No batches yet")
    user.find(marker="order").click()
    user.find(marker="field-name").type("For Tobaski")
    user.find(marker="field-size").type("120")
    await told(user, "120 vouchers worth D 6,000")
    user.find(marker="order-now").click()
    batch = await _ordered()
    assert (batch.name, batch.size, batch.state) == ("For Tobaski", 120, BatchState.MAKING)


@pytest.mark.parametrize(
    ("field", "typed", "refusal"),
    [
        ("size", "0", "Order at least one voucher"),
        ("size", "10000000", "at most 100,000"),
        ("size", "1.5", "Order at least one voucher"),
        ("name", " ", "Give the batch a name"),
        ("use-before", "2020-01-01", "usable for a while"),
        ("use-from", "soon", "That is not a date"),
    ],
)
async def test_a_wrong_order_is_refused_at_its_field(user: User, sign_in: SignIn, desk: None, field: str, typed: str, refusal: str) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/batches")
    user.find(marker="order").click()
    for name, value in ({"name": "Market", "size": "5"} | {field: typed}).items():
        user.find(marker=f"field-{name}").type(value)
    user.find(marker="order-now").click()
    (element,) = user.find(marker=f"field-{field}").elements
    await until(lambda: refusal in str(element.props.get("error-message")))
    assert await in_transaction(lambda session: session.exec(select(VoucherBatch)).all()) == []


async def test_a_sheet_is_fetched_by_who_may_and_is_kept_nowhere(user: User, sign_in: SignIn, printed: list[str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/batches/1")
    for words in ("For Tobaski", "Sold value", "5 of 5", "Its vouchers", "Fatou"):
        await user.should_see(words)
    user.find(marker="print").click()
    user.find(marker="field-last").clear().type("3")
    user.find(marker="print-now").click()
    answer = await user.download.next()
    assert answer.content.startswith(b"%PDF")
    assert answer.headers["Cache-Control"] == "no-store"
    assert 'filename="inet-batch-1-1-3.pdf"' in answer.headers["Content-Disposition"]
    (entry,) = await in_transaction(lambda session: session.exec(select(AuditEntry).where(AuditEntry.action == "batch.print")).all())
    assert entry.after == {"layout": "cards", "first": 1, "last": 3, "count": 3}


async def test_codes_are_listed_as_csv(user: User, sign_in: SignIn, printed: list[str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/batches/1")
    user.find(marker="csv").click()
    user.find(marker="csv-now").click()
    answer = await user.download.next()
    assert answer.headers["Cache-Control"] == "no-store"
    assert [code for code in printed if code in answer.text] == printed


async def test_a_range_outside_of_the_batch_is_told_at_its_field(user: User, sign_in: SignIn, printed: list[str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/batches/1")
    user.find(marker="print").click()
    user.find(marker="field-last").clear().type("6")
    user.find(marker="print-now").click()
    (field,) = user.find(marker="field-last").elements
    await until(lambda: "between 1 and 5" in str(field.props.get("error-message")))


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (Role.CUSTOMER_CARE, "/console/batches/1/sheet?first=1&last=1", 403),
        (Role.CUSTOMER_CARE, "/console/batches/1/codes?first=1&last=1", 403),
        (Role.BILLING_OFFICER, "/console/batches/9/sheet?first=1&last=1", 404),
        (Role.BILLING_OFFICER, "/console/batches/1/sheet?first=1&last=9", 422),
        (None, "/console/vouchers/1/sheet", 401),
    ],
)
async def test_files_are_refused_in_words(
    user: User, sign_in: SignIn, printed: list[str], role: Role | None, path: str, status: int
) -> None:
    if role is not None:
        await sign_in(role)
    answer = await user.http_client.get(path)
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text


async def test_care_sees_a_batch_and_can_do_nothing_with_it(user: User, sign_in: SignIn, printed: list[str]) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/batches/1")
    await user.should_see("For Tobaski")
    for marker in ("print", "csv", "change-all", "cancel"):
        await user.should_not_see(marker=marker)
    await user.open("/console/batches/99")
    await user.should_see("There is no batch of vouchers under that number.")


async def test_a_technician_sees_neither(user: User, sign_in: SignIn, desk: None) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    for path in ("/console/batches", "/console/batches/1"):
        await user.open(path)
        await user.should_see(marker="not-allowed")


def states(session: Session) -> list[VoucherState]:
    return list(session.exec(select(Voucher.state).order_by(col(Voucher.id))).all())


async def test_all_of_a_batch_are_blocked_after_a_look_and_a_reason(user: User, sign_in: SignIn, printed: list[str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/batches/1")
    user.find(marker="all-block").click()
    await told(user, "5 ready")
    user.find(marker="bulk-apply").click()
    (reason,) = user.find(marker="field-reason").elements
    await until(lambda: "Say why" in str(reason.props.get("error-message")))
    assert await in_transaction(states) == [VoucherState.ACTIVE] * 5
    user.find(marker="field-reason").type("Stolen from the shop")
    user.find(marker="bulk-apply").click()
    await told(user, "5 blocked")
    assert await in_transaction(states) == [VoucherState.BLOCKED] * 5


async def test_a_voucher_tells_its_batch_and_who_printed_it(user: User, sign_in: SignIn, printed: list[str]) -> None:
    await sign_in(Role.BILLING_OFFICER)
    voucher_id = await in_transaction(lambda session: session.exec(select(Voucher.id).order_by(col(Voucher.id))).first())
    await user.open(f"/console/vouchers/{voucher_id}")
    for words in ("For Tobaski", "in a batch", "Batch 1, No. 1", "Fatou"):
        await user.should_see(words)
    user.find(marker="print").click()
    user.find(marker="print-now").click()
    assert (await user.download.next()).content.startswith(b"%PDF")
    await user.open(f"/console/vouchers/{voucher_id}")
    await user.should_see("Printed")
    await user.should_see("by billing.officer@inet.test")
