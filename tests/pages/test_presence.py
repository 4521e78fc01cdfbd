"""Who works on the same thing is named there."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import Session, select

from app.db import in_transaction, transaction
from services.accounts.models import Role, Staff
from services.accounts.sessions import principal_of
from services.console import presence
from services.payments.models import Payment, PaymentStatus
from tests.pages import builders
from tests.pages.conftest import SignIn


@pytest.fixture
def stuck(database: sa.Engine, now: datetime) -> str:
    """The receipt code of a payment that waits for a person."""
    with transaction() as session:
        for role in (Role.BILLING_OFFICER, Role.CUSTOMER_CARE):
            builders.a_staff(session, role, now=now)
        offer, customer = builders.an_offer(session, now=now), builders.a_customer(session, 1, now=now)
        return builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.ATTENTION, at=now).reference


async def test_a_colleague_on_the_same_payment_in_attention_is_named(user: User, sign_in: SignIn, stuck: str) -> None:
    def looks(session: Session) -> str:
        colleague = session.exec(select(Staff).where(Staff.role == Role.CUSTOMER_CARE)).one()
        number = session.exec(select(Payment.id)).one() or 0
        presence.here("payment", number, actor=principal_of(colleague), at=time.time())
        return colleague.name

    name = await in_transaction(looks)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"/console/payments/{stuck}")
    await user.should_see(f"{name} is looking at this too", retries=100)
