"""Customers as the console finds them."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Role
from services.accounts.queries import customer_page, list_customers
from services.listing import Slice, Walk
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("", [12, 11, 7]),
        ("3000007", [7]),
        ("+220833000007", [7]),
        ("83300001", [12, 11]),
        ("300001", [12, 11]),
        ("+2208330000", [12, 11, 7]),
        ("00220833", [12, 11, 7]),
        ("9999999", []),
        ("83", []),
        ("x%", []),
    ],
)
def test_customers_are_found_by_a_phone_or_its_beginning_in_both_forms(session: Session, search: str, numbers: list[int]) -> None:
    made = {number: builders.a_customer(session, number, now=NOON).id for number in (7, 11, 12)}
    found = list_customers(session, actor=staff(), search=search, part=Slice())
    assert [customer.id for customer in found.rows] == [made[number] for number in numbers]


def test_who_a_number_begins_is_paged_and_walked_newest_first(session: Session) -> None:
    made = [builders.a_customer(session, 10 + number, now=NOON).id for number in range(5)]
    builders.a_customer(session, 99, now=NOON)
    found = list_customers(session, actor=staff(), search="83300001", part=Slice(offset=2, limit=2))
    assert ([customer.id for customer in found.rows], found.total, found.is_estimate) == ([made[2], made[1]], 5, False)
    walk = Walk(limit=2, sort="newest", key=(made[3],))
    found = list_customers(session, actor=staff(), search="83300001", part=walk)
    assert [customer.id for customer in found.rows] == [made[2], made[1], made[0]]
    assert walk.keys == [(made[2],), (made[1],), (made[0],)]


def test_customers_are_not_for_everybody(session: Session) -> None:
    technician = staff(Role.FIELD_TECHNICIAN)
    with pytest.raises(Forbidden):
        list_customers(session, actor=technician, search="", part=Slice())
    with pytest.raises(CustomerNotFound):
        customer_page(session, actor=staff(), customer_id=999_999)
