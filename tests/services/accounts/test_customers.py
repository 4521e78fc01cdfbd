"""One person behind a number, in whichever form it came."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import NoResultFound
from sqlmodel import Session

from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer
from tests.conftest import NOON


def test_both_forms_of_a_number_are_one_person(session: Session) -> None:
    old = find_or_create_customer(session, phone="301 2345", now=NOON)
    assert find_or_create_customer(session, phone="+220 83 301 2345", now=NOON).id == old.id


def test_an_old_form_that_stands_with_another_number_is_an_error_and_no_endless_search(session: Session) -> None:
    session.add(Customer(phone_e164="+220899999999", legacy_e164="+2203012345", created_at=NOON))
    session.flush()
    with pytest.raises(NoResultFound):
        find_or_create_customer(session, phone="301 2345", now=NOON)
