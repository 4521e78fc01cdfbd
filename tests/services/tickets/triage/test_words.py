"""Priority, language, tone, masking, duplicates and suggested replies: what is told by rules and words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.tickets.triage.duplicates import Seen, likeness
from services.tickets.triage.engine import Triage
from services.tickets.triage.facts import Facts
from services.tickets.triage.labels import Category, Priority
from services.tickets.triage.language import language_of
from services.tickets.triage.masking import mask
from services.tickets.triage.priority import urgency
from services.tickets.triage.replies import FACTS, suggested_reply
from services.tickets.triage.sentiment import sentiment_of

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "category", "priority"),
    [
        ("nobody can connect in the whole street", Category.CONNECTIVITY, Priority.URGENT),
        ("our clinic is offline", Category.CONNECTIVITY, Priority.URGENT),
        ("no internet since morning", Category.CONNECTIVITY, Priority.HIGH),
        ("the page opens and closes", Category.CONNECTIVITY, Priority.NORMAL),
        ("I paid and got nothing", Category.PAYMENT, Priority.HIGH),
        ("you charged me twice", Category.PAYMENT, Priority.HIGH),
        ("may I have an invoice", Category.PAYMENT, Priority.NORMAL),
        ("the code is invalid", Category.VOUCHER, Priority.HIGH),
        ("somebody hacked my account", Category.ACCOUNT_ACCESS, Priority.URGENT),
        ("he demanded a tip", Category.COMPLAINT_STAFF, Priority.HIGH),
        ("what are your prices", Category.GENERAL_QUESTION, Priority.LOW),
        ("please answer, it is urgent: what are your prices", Category.GENERAL_QUESTION, Priority.HIGH),
    ],
)
def test_priority_follows_what_is_said(text: str, category: Category, priority: Priority) -> None:
    found = urgency(text, category, Facts())
    assert found.priority is priority
    assert found.reason


def test_priority_never_follows_the_tone() -> None:
    for text in ("videos buffer", "VIDEOS BUFFER!!! worst garbage ever, you thieves, I hate you"):
        assert urgency(text, Category.SLOW_SPEED, Facts()).priority is Priority.NORMAL
    assert urgency("hello", Category.SLOW_SPEED, Facts(people_affected=40)).priority is Priority.URGENT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("my internet is not working since yesterday", "en"),
        ("abeg this network no dey work for our side", "en"),
        ("je ne peux pas me connecter depuis hier soir", "fr"),
        ("sama telefon mënul dugg ci wifi bi", "wo"),
        ("n na telefoono mang net soto saatewo kono", "mnk"),
        ("mi yobii kono mi heɓaani laylaytol ngol", "ff"),
        ("", "und"),
        ("12 34", "und"),
        ("网络坏了没有信号", "und"),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language_of(text).code == code


def test_tone() -> None:
    assert sentiment_of("thank you, it works now, great job").tone == "positive"
    assert sentiment_of("worst service, you are thieves!!").tone == "negative"
    assert sentiment_of("not good at all, it is not nice").tone == "negative"
    assert sentiment_of("where is your office").tone == "neutral"


def test_personal_data_is_masked_and_the_rest_kept() -> None:
    text = (
        "My name is Awa Ceesay, call 301 2345 or awa@example.gm. I paid D50 (T_4KQ8ZP2M) for code VK2P-7WW3M-XN8RT on "
        "aa:bb:cc:11:22:33, ID 20 1990 4455, ask Lamin."
    )
    masked = mask(text, people=("Lamin Touray",))
    for secret in ("Awa", "Ceesay", "2345", "awa@", "T_4K", "VK2P", "aa:bb", "1990", "Lamin"):
        assert secret not in masked
    assert "D50" in masked
    assert "I paid" in masked


def seen(local: Triage, text: str, minutes: int = 0, **more: str) -> Seen:
    reading = local.read("", text)
    return Seen(text, NOON + timedelta(minutes=minutes), reading.category, vector=reading.vector, **more)


def test_two_people_at_one_dark_access_point_are_one_outage(local: Triage) -> None:
    one = seen(local, "no internet at the market since morning", access_point="AP 7", customer="a")
    other = seen(local, "the wifi is down, nothing connects", 20, access_point="AP 7", customer="b")
    same = likeness(one, other)
    assert same.likely
    assert same.same_outage
    assert "AP 7" in same.reason
    assert likeness(one, other) == likeness(other, one)


def test_one_person_saying_it_twice_is_a_duplicate_and_another_matter_is_not(local: Triage) -> None:
    first = seen(local, "I paid with wave and I am not online", customer="a")
    assert likeness(first, seen(local, "i have paid by Wave but still not connected", 9, customer="a")).likely
    assert not likeness(first, seen(local, "what does the monthly package cost", 9, customer="a")).likely
    assert not likeness(first, seen(local, "I paid with wave and I am not online", 9, customer="b", access_point="AP 1")).likely
    assert likeness(first, seen(local, "I paid with wave and I am not online", 900, customer="a")).score == 0


@pytest.mark.parametrize("category", list(Category))
def test_a_reply_says_only_what_is_known(category: Category) -> None:
    bare = suggested_reply(category, {})
    assert "{" not in bare.text
    assert bare.sources == ()
    full = suggested_reply(category, {name: f"<{name}>" for name in FACTS})
    assert full.missing == ()
    assert "ticket" in full.sources
    assert len(full.text) > len(bare.text)


def test_a_reply_names_the_sources_of_its_facts_and_takes_no_others() -> None:
    reply = suggested_reply(
        Category.PAYMENT, {"payment_amount": "D50", "payment_at": "at noon", "payment_state": "paid", "reference": "T-9"}
    )
    assert "Your last payment of D50 (at noon) is paid with us." in reply.text
    assert reply.sources == ("last payment", "ticket")
    with pytest.raises(ValueError, match="mood"):
        suggested_reply(Category.PAYMENT, {"mood": "good"})
