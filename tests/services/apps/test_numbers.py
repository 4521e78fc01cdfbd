"""A customer's number is changed: proven by a key to the new one, told to the old one."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from app.db import transaction
from app.errors import InvalidInput
from app.keys import unseal
from services.accounts.customers import find_customer, find_or_create_customer
from services.accounts.models import Customer
from services.apps import devices, login, numbers
from services.apps.callers import Caller
from services.apps.login import KeySpent, KeyWrong
from services.apps.models import KeyPurpose
from services.apps.numbers import NumberTaken
from services.audit.models import AuditEntry
from services.notifications.service import ADDRESS
from tests.conftest import NOON
from tests.services.apps.test_login import at_once
from tests.services.apps.texting import another_key, last_key, logged_in, texts, words_of

OLD, NEW, NEW_SHORT = "+220833019001", "+220833019002", "301 9002"


@pytest.fixture(autouse=True)
def no_tries_yet(servers: None) -> None:
    redis.client().flushall()


def ask(session: Session, caller: Caller, phone: str = NEW) -> str:
    numbers.request_key(session, caller=caller, phone=phone, now=NOON)
    return last_key(session, "number_key")


def change(session: Session, caller: Caller, key: str, phone: str = NEW) -> Customer:
    return numbers.change_number(session, caller=caller, phone=phone, key=key, now=NOON)


def test_the_account_moves_with_both_forms_and_its_phones_stay_logged_in(session: Session) -> None:
    opened, caller = logged_in(session, OLD)
    other, _ = logged_in(session, OLD)
    changed = change(session, caller, ask(session, caller, NEW_SHORT), NEW_SHORT)
    assert (changed.id, changed.phone_e164, changed.legacy_e164) == (caller.customer_id, NEW, "+2203019002")
    assert find_customer(session, phone=OLD) is None
    for phone in (opened, other):
        assert devices.caller_of(session, phone.access_token, now=NOON).customer_id == changed.id
    told = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).first()
    assert told is not None
    assert (told.action, told.before, told.after) == (
        "customer.change_number",
        {"phone": "+220 ••• 9001"},
        {"phone": "+220 ••• 9002"},
    )


def test_the_old_number_is_told_without_the_whole_new_one(session: Session) -> None:
    _, caller = logged_in(session, OLD)
    change(session, caller, ask(session, caller))
    (message,) = texts(session, "number_changed")
    assert message.address_sealed is not None
    assert unseal(ADDRESS, message.address_sealed).decode() == OLD
    assert "..9002" in words_of(message)
    assert NEW not in words_of(message)


def test_the_same_change_sent_again_changes_nothing_more(session: Session) -> None:
    _, caller = logged_in(session, OLD)
    key = ask(session, caller)
    for _ in range(2):
        assert change(session, caller, key).phone_e164 == NEW
    assert len(texts(session, "number_changed")) == 1


def test_a_number_with_an_account_is_refused_to_who_holds_it_and_told_to_nobody_else(session: Session) -> None:
    _, caller = logged_in(session, OLD)
    find_or_create_customer(session, phone=NEW, now=NOON)
    key = ask(session, caller)
    with pytest.raises(KeyWrong):
        change(session, caller, another_key(key))
    with pytest.raises(NumberTaken) as refused:
        change(session, caller, key)
    assert "has an account of its own" in refused.value.text


def test_the_own_number_needs_no_change_in_either_form(session: Session) -> None:
    _, caller = logged_in(session, OLD)
    for same in (OLD, "301 9001"):
        with pytest.raises(InvalidInput, match="your number already"):
            numbers.request_key(session, caller=caller, phone=same, now=NOON)


def test_a_key_to_log_in_changes_no_number(session: Session) -> None:
    _, caller = logged_in(session, OLD)
    login.request_key(session, phone=NEW, purpose=KeyPurpose.LOG_IN, now=NOON)
    with pytest.raises(KeySpent):
        change(session, caller, last_key(session))


def test_the_old_number_is_anybodys_again_and_leads_to_nothing_of_the_account(session: Session) -> None:
    _, caller = logged_in(session, OLD)
    change(session, caller, ask(session, caller))
    login.request_key(session, phone=OLD, purpose=KeyPurpose.LOG_IN, now=NOON + timedelta(minutes=1))
    _, customer = login.log_in(session, phone=OLD, key=last_key(session), on=devices.Phone(), now=NOON + timedelta(minutes=1))
    assert customer.id != caller.customer_id


def test_of_two_accounts_that_want_one_number_at_once_one_gets_it(database: sa.Engine) -> None:
    with transaction() as session:
        callers = [logged_in(session, number)[1] for number in (OLD, "+220833019003")]
        key = ask(session, callers[0])

    def go() -> str:
        try:
            with transaction() as session:
                change(session, callers.pop(), key)
        except (KeySpent, NumberTaken):
            return "refused"
        return "changed"

    assert sorted(at_once(2, go)) == ["changed", "refused"]
    with transaction() as session:
        assert find_customer(session, phone=NEW) is not None
