"""One session's page, as staff use it."""

from __future__ import annotations

import pytest
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction
from services.access.models import AccessSession, DeviceSlot, Entitlement, EntitlementState, SessionState
from services.accounts.models import Role
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherOrigin
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, toasted, until


def a_running_one(session: Session) -> tuple[int, int]:
    """A session whose device holds a place. Answers its number and its purchase's."""
    row = session.exec(
        select(AccessSession).where(AccessSession.state == SessionState.ACTIVE, col(AccessSession.entitlement_id).is_not(None))
    ).first()
    assert row is not None
    assert row.entitlement_id is not None
    assert row.device_id is not None
    session.add(DeviceSlot(entitlement_id=row.entitlement_id, number=1, device_id=row.device_id, taken_at=utc_now()))
    return row.id or 0, row.entitlement_id


@pytest.mark.usefixtures("shop")
async def test_staff_give_more_time_and_the_page_says_what_the_router_does(user: User, sign_in: SignIn) -> None:
    session_id, entitlement_id = await in_transaction(a_running_one)
    before = await in_transaction(lambda session: session.get_one(Entitlement, entitlement_id).seconds_total)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/sessions/{session_id}")
    await user.should_see("Purchased time")
    user.find(marker="extend").click()
    await user.should_see("A router cannot lengthen a session that runs", retries=100)
    user.find(marker="field-reason").type("Slow all morning")
    user.find(marker="field-seconds").clear().type("2")
    user.find(marker="submit").click()
    await until(toasted(user, "The time is theirs."))
    after = await in_transaction(lambda session: session.get_one(Entitlement, entitlement_id).seconds_total)
    assert after == before + 7200
    await user.should_see("There is more time than the router knows of", retries=100)


@pytest.mark.usefixtures("shop")
async def test_staff_take_a_device_off(user: User, sign_in: SignIn) -> None:
    session_id, _ = await in_transaction(a_running_one)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/sessions/{session_id}")
    user.find(marker="free").click()
    await user.should_see(marker="reason", retries=100)
    user.find(marker="reason").type("Phone sold")
    user.find(marker="confirm").click()
    await until(toasted(user, "The place is free."))
    assert await in_transaction(lambda session: session.exec(select(DeviceSlot.released_at)).one()) is not None


@pytest.mark.usefixtures("shop")
async def test_who_may_only_look_is_given_no_buttons(user: User, sign_in: SignIn) -> None:
    session_id, _ = await in_transaction(a_running_one)
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/sessions/{session_id}")
    await user.should_see("Purchased time")
    for marker in ("extend", "end", "free", "credit"):
        await user.should_not_see(marker=marker)


@pytest.mark.usefixtures("shop")
async def test_staff_credit_what_is_left_and_see_the_code_once(user: User, sign_in: SignIn) -> None:
    session_id, entitlement_id = await in_transaction(a_running_one)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/sessions/{session_id}")
    user.find(marker="credit").click()
    await user.should_see("what is left of it becomes a voucher", retries=100)
    await user.should_see("Sessions that end")
    user.find(marker="submit").click()
    field = next(iter(user.find(marker="field-reason").elements))
    await until(lambda: "Say in a few words why." in str(field.props.get("error-message")))
    user.find(marker="field-reason").type("Travels tomorrow")
    user.find(marker="submit").click()
    await user.should_see(marker="code", retries=100)
    codes.read_code(label(user, "code"))
    made = await in_transaction(lambda session: session.exec(select(Voucher).where(Voucher.credit_of_id == entitlement_id)).one())
    assert (made.origin, made.note) == (VoucherOrigin.CREDIT, "Travels tomorrow")
    user.find(marker="done").click()
    await user.should_see("The rest became a voucher", retries=100)
    await user.should_not_see(marker="credit")


@pytest.mark.usefixtures("shop")
async def test_what_cannot_be_credited_is_said_before_anybody_writes_a_reason(user: User, sign_in: SignIn) -> None:
    session_id, entitlement_id = await in_transaction(a_running_one)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/sessions/{session_id}")

    def ends(session: Session) -> None:
        session.get_one(Entitlement, entitlement_id).state = EntitlementState.ENDED

    await in_transaction(ends)
    user.find(marker="credit").click()
    await user.should_see("This cannot be credited", retries=100)
    await user.should_not_see(marker="submit")
