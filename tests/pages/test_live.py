"""News redraws a page as the person who opened it, whoever else has pages open."""

from __future__ import annotations

from datetime import datetime

import httpx
import orjson
import pytest
import sqlalchemy as sa
from nicegui import core
from nicegui.testing import User
from sqlmodel import Session

from app import redis
from app.db import in_transaction, transaction
from app.events import CHANNEL
from services.accounts.models import Role
from services.payments.models import PaymentStatus
from tests.pages import builders
from tests.pages.conftest import log_in
from tests.pages.test_pages import table, until


@pytest.fixture
def one_payment(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in (Role.FIELD_TECHNICIAN, Role.CUSTOMER_CARE):
            builders.a_staff(session, role, now=now)
        offer, customer = builders.an_offer(session, now=now), builders.a_customer(session, 1, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=now)


@pytest.mark.usefixtures("one_payment")
async def test_an_open_page_is_redrawn_with_its_own_persons_rights_and_not_with_those_of_whoever_opened_one_first(
    user: User, now: datetime
) -> None:
    first, second = user, User(httpx.AsyncClient(transport=httpx.ASGITransport(core.app), base_url="http://test"))
    await log_in(first, Role.FIELD_TECHNICIAN)
    await first.open("/console")
    await log_in(second, Role.CUSTOMER_CARE)
    await second.open("/console/payments")

    def one_more(session: Session) -> None:
        offer = builders.an_offer(session, now=now)
        customer = builders.a_customer(session, 99, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=now)

    await in_transaction(one_more)

    def told() -> bool:
        redis.client().publish(CHANNEL, orjson.dumps({"topic": "payments", "id": 1}))
        return len(table(second, "payments").rows) == 2

    await until(told)
