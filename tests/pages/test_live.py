"""News redraws a page as the person who opened it, whoever else has pages open."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial

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
from pages import live
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


@pytest.mark.usefixtures("one_payment")
async def test_what_happened_while_redis_was_away_is_shown_when_it_is_back(user: User, now: datetime) -> None:
    await log_in(user, Role.CUSTOMER_CARE)
    await user.open("/console/payments")
    await until(lambda: bool(redis.client().pubsub_numsub(CHANNEL)[0][1]))

    def one_more(session: Session) -> None:
        offer = builders.an_offer(session, now=now)
        customer = builders.a_customer(session, 99, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=now)

    # Nobody tells of it, and then the listener's connection breaks.
    await in_transaction(one_more)
    assert redis.client().client_kill_filter(_type="pubsub")
    await until(lambda: len(table(user, "payments").rows) == 2)


@pytest.mark.usefixtures("one_payment")
async def test_news_for_many_is_drawn_a_few_at_a_time_and_misses_nobody(user: User) -> None:
    await log_in(user, Role.CUSTOMER_CARE)
    under_way, most, drawn = 0, 0, set[int]()

    async def refresh(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(20):
            await asyncio.sleep(0)
        under_way -= 1
        drawn.add(number)

    with user:
        for number in range(12):
            live.refresh_on(("news",), partial(refresh, number))

    def told() -> bool:
        redis.client().publish(CHANNEL, orjson.dumps({"topic": "news", "id": 1}))
        return len(drawn) == 12

    await until(told)
    assert 1 <= most <= 3
