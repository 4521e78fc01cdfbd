"""A customer's own data in a simulated browser: handed out, and the wish to be forgotten from the question to the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction, transaction
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer, Role
from services.operations.models import ErasureChannel, ErasureProof, ErasureRequest, ErasureState
from services.payments.models import Payment, PaymentStatus
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def customer(shop: None) -> int:
    """Somebody who never bought anything."""
    with transaction() as session:
        return find_or_create_customer(session, phone="+220833000095", now=utc_now()).id or 0


def newest(session: Session) -> ErasureRequest | None:
    return session.exec(select(ErasureRequest).order_by(col(ErasureRequest.id).desc()).limit(1)).first()


def is_a_day_old(session: Session) -> None:
    request = newest(session)
    assert request is not None
    request.asked_at -= timedelta(days=1)


def is_gone(session: Session, number: int) -> bool:
    return session.get_one(Customer, number).erased_at is not None


def choose(user: User, field: str, value: str) -> None:
    (found,) = user.find(kind=ui.select, marker=f"field-{field}").elements
    found.value = value


async def ask(user: User, customer: int) -> None:
    await user.open(f"/console/customers/{customer}")
    user.find(marker="ask-erasure").click()
    await user.should_see(marker="send-erasure", retries=100)
    choose(user, "channel", ErasureChannel.DESK.value)
    choose(user, "proof", ErasureProof.IDENTITY_CARD.value)
    user.find(marker="send-erasure").click()
    await user.should_see(marker="erasure-waits", retries=100)


async def test_what_is_kept_is_handed_out_as_a_page(user: User, sign_in: SignIn, customer: int) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/customers/{customer}")
    user.find(marker="hand-out").click()
    await user.should_see(marker="make-file", retries=100)
    user.find(marker="make-file").click()
    (field,) = user.find(kind=ui.select, marker="field-channel").elements
    await until(lambda: "how the wish reached us" in str(field.props.get("error-message")))
    choose(user, "channel", ErasureChannel.LETTER.value)
    choose(user, "proof", ErasureProof.SIGNED_LETTER.value)
    user.find(marker="make-file").click()
    answer = await user.download.next()
    assert answer.status_code == 200
    assert "+220833000095" in answer.text


async def test_one_asks_and_another_carries_it_out_a_day_later(user: User, sign_in: SignIn, customer: int) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await ask(user, customer)
    await user.should_not_see(marker="carry-out-erasure", retries=1)
    await in_transaction(is_a_day_old)
    await user.open(f"/console/customers/{customer}")
    # Not by who asked.
    await user.should_see(marker="call-off-erasure")
    await user.should_not_see(marker="carry-out-erasure", retries=1)

    await sign_in(Role.ROOT)
    await user.open("/console/retention")
    await user.should_see(marker="erasures", retries=100)
    await user.open(f"/console/customers/{customer}")
    user.find(marker="carry-out-erasure").click()
    await user.should_see(marker="erase", retries=100)
    user.find(marker="erase").click()
    await until_gone(customer)
    await user.open(f"/console/customers/{customer}")
    await user.should_see("Carried out", retries=100)
    await user.should_not_see(marker="hand-out", retries=1)


async def until_gone(customer: int) -> None:
    import asyncio

    for _ in range(500):
        if await in_transaction(is_gone, customer):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the customer is still there")


async def test_it_is_called_off_and_nothing_happened(user: User, sign_in: SignIn, customer: int) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await ask(user, customer)
    user.find(marker="call-off-erasure").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await user.should_see("Called off", retries=100)
    request = await in_transaction(newest)
    assert request is not None
    assert request.state is ErasureState.CALLED_OFF
    await user.should_see(marker="ask-erasure", retries=100)


@pytest.fixture
def who_pays(shop: None) -> int:
    with transaction() as session:
        waiting = session.exec(select(Payment).where(Payment.status == PaymentStatus.CHECKOUT_OPEN)).first()
        assert waiting is not None
        return waiting.customer_id


async def test_while_money_is_open_it_says_so_and_asks_nothing(user: User, sign_in: SignIn, who_pays: int) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/customers/{who_pays}")
    user.find(marker="ask-erasure").click()
    await user.should_see(marker="erasure-refused", retries=100)
    await user.should_not_see(marker="send-erasure", retries=1)


async def test_who_may_not_sees_none_of_it(user: User, sign_in: SignIn, customer: int) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/customers/{customer}")
    await user.should_not_see(marker="personal-data", retries=1)
