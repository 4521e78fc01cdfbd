"""A deletion and something else of the same customer at the same moment, on real connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from app.db import transaction
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer
from services.apps import erasure
from services.apps.callers import Caller
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.factories import make_payment
from tests.services.apps.texting import last_key, logged_in

MINE = "+220833000081"


@pytest.fixture
def me(database: sa.Engine) -> Caller:
    with transaction() as session:
        return logged_in(session, MINE)[1]


def key_of(me: Caller) -> str:
    with transaction() as session:
        erasure.request_key(session, me, now=NOON)
        return last_key(session, "deletion_key")


def test_two_deletions_at_once_are_one(me: Caller) -> None:
    key = key_of(me)

    def delete(_: int) -> None:
        with transaction() as session:
            erasure.erase(session, me, key=key, now=NOON)

    with ThreadPoolExecutor(2) as both:
        list(both.map(delete, range(2)))
    with transaction() as session:
        assert len(session.exec(select(AuditEntry).where(AuditEntry.action == "customer.erase")).all()) == 1


def test_a_purchase_that_meets_a_deletion_is_a_new_customers(me: Caller) -> None:
    key, has_begun = key_of(me), Event()

    def buy() -> int | None:
        has_begun.wait(10)
        with transaction() as session:
            return find_or_create_customer(session, phone=MINE, now=NOON).id

    with ThreadPoolExecutor(1) as other:
        with transaction() as session:
            erasure.erase(session, me, key=key, now=NOON)
            bought = other.submit(buy)
            has_begun.set()
            assert not bought.done()
        new = bought.result(10)
    with transaction() as session:
        rows = session.exec(select(Customer).order_by(col(Customer.id))).all()
    assert [(row.id, row.phone_e164 == MINE) for row in rows] == [(me.customer_id, False), (new, True)]


def test_a_deletion_waits_for_a_purchase_that_has_begun_and_then_refuses(me: Caller) -> None:
    key, is_held, may_end = key_of(me), Event(), Event()

    def buy() -> None:
        with transaction() as session:
            find_or_create_customer(session, phone=MINE, now=NOON)
            is_held.set()
            may_end.wait(0.2)
            make_payment(session, phone=MINE)

    with ThreadPoolExecutor(1) as other:
        bought = other.submit(buy)
        is_held.wait(10)
        with pytest.raises(erasure.PaymentUnderWay), transaction() as session:
            erasure.erase(session, me, key=key, now=NOON)
        bought.result(10)
