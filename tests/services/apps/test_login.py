"""Keys by SMS: what is sent, what opens, how often one may try, and who is logged in then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select
from structlog.testing import capture_logs

from app import limits, origin, redis
from app.db import transaction
from app.errors import InvalidInput, TooMany, Unavailable
from app.keys import unseal
from app.settings import get_settings
from services.accounts.customers import find_customer, remember_device
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.apps import devices, login
from services.apps.devices import Opened
from services.apps.login import Asked, KeySpent, KeyWrong, check_key, request_key
from services.apps.models import AppDevice, KeyPurpose, PhoneKey
from services.audit.models import AuditEntry
from services.notifications.events import EVENTS
from services.notifications.models import Medium, Notification, Urgency
from services.notifications.rendering import render
from services.notifications.segments import cost_of
from services.notifications.service import ADDRESS
from services.notifications.wording import LANGUAGES, shipped
from services.operations.retention.removing import clean_up
from services.operations.retention.rules import BY_NAME
from tests.conftest import NOON, free_port
from tests.services.apps.texting import ON, another_key, last_key, logged_in, texts, words_of

NINE, SEVEN = "+220833019345", "3019345"
LOG_IN = KeyPurpose.LOG_IN
KEYS = ("login_key", "number_key", "deletion_key")


@pytest.fixture(autouse=True)
def no_tries_yet(servers: None) -> None:
    redis.client().flushall()


def ask(session: Session, *, phone: str = NINE, purpose: KeyPurpose = LOG_IN, at: datetime = NOON) -> Asked:
    return request_key(session, phone=phone, purpose=purpose, now=at)


def enter(session: Session, key: str, *, phone: str = NINE, at: datetime = NOON) -> Opened:
    return login.log_in(session, phone=phone, key=key, on=ON, now=at)[0]


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


# --- what is sent


@pytest.mark.parametrize("event", KEYS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_key_fits_one_text_in_every_language_names_the_app_and_has_no_link(event: str, language: str) -> None:
    text = render(shipped(event, Medium.SMS, language).body, EVENTS[event].sample)
    cost = cost_of(text)
    assert (cost.segments, cost.is_gsm7) == (1, True)
    assert "INET-Go" in text
    assert "402718" in text
    assert "Never pass it on" in text or "Ne la donnez jamais" in text
    assert "http" not in text
    assert (EVENTS[event].media, EVENTS[event].urgency) == ((Medium.SMS,), Urgency.ONE_TIME)


def test_a_key_goes_to_a_number_that_is_nobodys_yet_and_stands_nowhere_in_clear(session: Session) -> None:
    with capture_logs() as logged:
        assert ask(session) == Asked(60, 600)
    (message,) = texts(session, "login_key")
    key = last_key(session)
    assert message.address_sealed is not None
    assert unseal(ADDRESS, message.address_sealed).decode() == NINE
    assert find_customer(session, phone=NINE) is None
    (kept,) = session.exec(select(PhoneKey)).all()
    assert key not in f"{kept.model_dump()}{message.model_dump()}{logged}"


def test_a_key_to_a_customer_goes_to_their_number_in_their_language(session: Session) -> None:
    _, caller = logged_in(session, NINE)
    known = find_customer(session, phone=NINE)
    assert known is not None
    known.language = "fr"
    ask(session, phone=SEVEN)
    (message,) = texts(session, "login_key")
    assert (message.customer_id, message.address_sealed) == (caller.customer_id, None)
    assert "Ne la donnez jamais" in words_of(message)


def test_known_and_unknown_numbers_are_answered_alike(session: Session) -> None:
    logged_in(session, NINE)
    assert ask(session) == ask(session, phone="+220833019346")


def test_within_the_cool_down_nothing_is_sent_and_it_grows_with_each_key(session: Session) -> None:
    ask(session)
    assert ask(session, at=NOON + seconds(59)) == Asked(1, 541)
    assert len(texts(session, "login_key")) == 1
    assert ask(session, at=NOON + seconds(60)) == Asked(120, 600)
    assert ask(session, phone=SEVEN, at=NOON + seconds(179)) == Asked(1, 481)
    assert ask(session, at=NOON + seconds(180)) == Asked(300, 600)
    assert ask(session, at=NOON + seconds(480)) == Asked(600, 600)
    assert len(texts(session, "login_key")) == 4


def test_a_number_gets_so_many_keys_a_day(session: Session) -> None:
    for hour in range(10):
        ask(session, at=NOON + timedelta(hours=2 * hour))
    with pytest.raises(TooMany) as refused:
        ask(session, at=NOON + timedelta(hours=20))
    assert refused.value.retry_after == 4 * 3600
    ask(session, at=NOON + timedelta(hours=25))


def test_a_crowd_behind_one_address_is_bounded_and_so_are_foreign_numbers(session: Session) -> None:
    with origin.coming_from("2001:db8::1"):
        for number in range(120):
            login.tries.count_ask(f"+2208330{number:05d}")
    with origin.coming_from("2001:db8::2"), pytest.raises(TooMany):
        ask(session)
    for number in range(60):
        login.tries.count_ask(f"+4479460{number:05d}")
    with pytest.raises(TooMany):
        ask(session, phone="+447946012345")


@pytest.fixture
def redis_goes_away(servers: None) -> Iterator[Callable[[], None]]:
    with pytest.MonkeyPatch.context() as patched:

        def go() -> None:
            patched.setenv("INET_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
            forget()

        yield go
    forget()


def forget() -> None:
    get_settings.cache_clear()
    redis.forget()
    limits.forget()


def test_without_redis_no_key_is_sent_and_none_is_tried(session: Session, redis_goes_away: Callable[[], None]) -> None:
    ask(session)
    key = last_key(session)
    redis_goes_away()
    with pytest.raises(Unavailable):
        ask(session, at=NOON + seconds(60))
    with pytest.raises(Unavailable):
        enter(session, key)


@pytest.mark.parametrize("phone", ["", "12", "+220", "not a number", "+2203019345" * 4])
def test_what_is_no_number_gets_no_key(session: Session, phone: str) -> None:
    with pytest.raises(BadPhone):
        ask(session, phone=phone)


def test_old_keys_are_cleaned_up_and_new_ones_stay(session: Session) -> None:
    ask(session)
    ask(session, phone="+220833019346", at=NOON + timedelta(days=3))
    clean_up(transaction, clock=lambda: NOON + timedelta(days=3), rules=[BY_NAME["keys"]])
    session.expire_all()
    assert [key.phone_e164 for key in session.exec(select(PhoneKey)).all()] == ["+220833019346"]


# --- what opens


def test_the_right_key_logs_in_and_makes_the_customer_whichever_form_was_typed(session: Session) -> None:
    ask(session, phone=SEVEN)
    opened = enter(session, f" {last_key(session)[:3]} {last_key(session)[3:]} ")
    customer = find_customer(session, phone=SEVEN)
    assert customer is not None
    assert (customer.phone_e164, customer.legacy_e164) == (NINE, "+2203019345")
    assert opened.device.customer_id == customer.id
    assert devices.caller_of(session, opened.access_token, now=NOON).customer_id == customer.id
    told = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).first()
    assert told is not None
    assert (told.action, told.actor, told.after) == ("customer.log_in", f"customer:{customer.id}", {"phone": f"android {opened.device.id}"})


def test_a_key_opens_once_and_the_next_one_comes_at_once(session: Session) -> None:
    ask(session)
    key = last_key(session)
    enter(session, key)
    with pytest.raises(KeySpent):
        enter(session, key)
    assert ask(session, at=NOON + seconds(1)) == Asked(120, 600)
    assert len(texts(session, "login_key")) == 2


def test_a_log_in_whose_answer_was_lost_is_let_go_of_by_the_next_on_the_same_phone(session: Session) -> None:
    this, other = (remember_device(session, device=None, customer_id=None, mac=None, now=NOON) for _ in range(2))
    opened = []
    for second, device in enumerate((this, other, None, this, None, this)):
        at = NOON + seconds(second)
        ask(session, at=at)
        opened.append(login.log_in(session, phone=NINE, key=last_key(session), on=ON, device=device, now=at)[0])
        if second == 3:
            devices.caller_of(session, opened[-1].access_token, now=at)
    # The first was never used; the fourth was, so it stays though the last is on the same phone.
    assert [one.device.revoked_at is None for one in opened] == [False, True, True, True, True, True]


def test_wrong_keys_say_how_many_tries_are_left_and_end_after_five(session: Session) -> None:
    ask(session)
    right = last_key(session)
    for left in (4, 3, 2, 1):
        with pytest.raises(KeyWrong) as wrong:
            enter(session, another_key(right))
        assert wrong.value.extra["tries_left"] == left
        assert ("1 try" if left == 1 else f"{left} tries") in wrong.value.text
    for key in (another_key(right), right):
        with pytest.raises(KeySpent):
            enter(session, key)
    # Who burnt a key waits like everybody; only who used one does not.
    assert ask(session, at=NOON + seconds(30)) == Asked(30, 570)


def test_a_key_is_void_after_ten_minutes_and_when_a_newer_one_was_sent(session: Session) -> None:
    ask(session)
    first = last_key(session)
    ask(session, at=NOON + seconds(60))
    second = last_key(session)
    with pytest.raises(KeyWrong if first != second else KeySpent):
        enter(session, first, at=NOON + seconds(61))
    with pytest.raises(KeySpent):
        enter(session, second, at=NOON + seconds(660))


def test_a_key_is_good_for_its_purpose_and_its_number_alone(session: Session) -> None:
    ask(session, purpose=KeyPurpose.DELETE_ACCOUNT)
    key = last_key(session, "deletion_key")
    with pytest.raises(KeySpent):
        enter(session, key)
    with pytest.raises(KeySpent):
        check_key(session, "+220833019346", KeyPurpose.DELETE_ACCOUNT, key, now=NOON)
    check_key(session, SEVEN, KeyPurpose.DELETE_ACCOUNT, key, now=NOON)


@pytest.mark.parametrize("key", ["", "12345", "1234567", "12345a", "٤٠٢٧١٨"])
def test_what_cannot_be_a_key_costs_no_try(session: Session, key: str) -> None:
    ask(session)
    with pytest.raises(InvalidInput):
        enter(session, key)
    enter(session, last_key(session))


def test_the_phone_that_bought_at_the_portal_is_known_in_the_app(session: Session) -> None:
    bought_on = remember_device(session, device=None, customer_id=None, mac="02:00:00:00:00:01", now=NOON)
    ask(session)
    opened, customer = login.log_in(session, phone=NINE, key=last_key(session), on=ON, device=bought_on, now=NOON)
    assert opened.device.device_id == bought_on.id
    assert (bought_on.customer_id, bought_on.last_mac) == (customer.id, "02:00:00:00:00:01")


# --- at once, on connections of their own


def test_of_two_log_ins_at_once_with_one_key_one_wins(database: sa.Engine) -> None:
    with transaction() as session:
        ask(session)
        key = last_key(session)
    ends = at_once(4, lambda: enter_apart(key))
    assert sorted(ends) == ["in", "spent", "spent", "spent"]
    with transaction() as session:
        assert len(session.exec(select(AppDevice)).all()) == 1


def test_of_many_wrong_tries_at_once_each_counts(database: sa.Engine) -> None:
    with transaction() as session:
        ask(session)
        right = last_key(session)
    assert sorted(at_once(8, lambda: enter_apart(another_key(right)))) == ["spent"] * 4 + ["wrong"] * 4
    assert enter_apart(right) == "spent"


def test_of_two_requests_at_once_one_text_comes(database: sa.Engine) -> None:
    def ask_apart() -> str:
        with transaction() as session:
            return str(ask(session).expires_in)

    assert at_once(4, ask_apart) == ["600"] * 4
    with transaction() as session:
        assert len(session.exec(select(Notification)).all()) == 1


def test_asking_anew_does_not_stand_in_the_way_of_who_uses_the_last_key_with_the_account_in_hand(database: sa.Engine) -> None:
    purpose = KeyPurpose.DELETE_ACCOUNT
    with transaction() as session:
        customer_id = logged_in(session, NINE)[1].customer()
        ask(session, purpose=purpose)
        key = last_key(session, "deletion_key")

    def ask_apart() -> None:
        with transaction() as session:
            request_key(session, phone=NINE, purpose=purpose, customer_id=customer_id, now=NOON + seconds(60))

    other = threading.Thread(target=ask_apart)
    with transaction() as session:
        session.get_one(Customer, customer_id, with_for_update=True)
        other.start()
        with database.connect() as watching:
            waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while not watching.execute(waiting).scalar_one():
                watching.rollback()
        check_key(session, NINE, purpose, key, now=NOON + seconds(60))
    other.join()
    with transaction() as session:
        assert len(texts(session, "deletion_key")) == 2


def enter_apart(key: str) -> str:
    try:
        with transaction() as session:
            enter(session, key)
    except KeyWrong:
        return "wrong"
    except KeySpent:
        return "spent"
    return "in"


def at_once(number: int, what: Callable[[], str]) -> list[str]:
    gate, ends = threading.Barrier(number), list[str]()

    def run() -> None:
        gate.wait()
        ends.append(what())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends
