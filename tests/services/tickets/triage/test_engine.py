from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.tickets.triage.engine import Triage, triage
from services.tickets.triage.facts import Facts
from services.tickets.triage.labels import Category, Priority


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("since yesterday there is no internet at all in my compound", Category.CONNECTIVITY),
        ("videos are buffering the whole evening, so slow", Category.SLOW_SPEED),
        ("I was charged two times for one pass, please refund me", Category.PAYMENT),
        ("the voucher code is refused, it says invalid", Category.VOUCHER),
        ("I forgot my password and cannot log in to the app", Category.ACCOUNT_ACCESS),
        ("when will you bring your hotspot to our village", Category.COVERAGE_INSTALLATION),
        ("how do I change the name of my Wi-Fi on the router", Category.DEVICE_SETUP),
        ("your agent was very rude to me on the phone", Category.COMPLAINT_STAFF),
        ("how much is the weekly package", Category.GENERAL_QUESTION),
    ],
)
def test_plain_tickets_are_put_where_they_belong_with_a_reason(text: str, category: Category) -> None:
    reading = triage("", text)
    assert (reading.decided, reading.source) == (category, "model")
    assert reading.confidence > 0.6
    assert any("“" in reason for reason in reading.reasons)
    assert reading.alternatives[0].confidence <= reading.confidence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀😀 🔥",
        "12345 67890",
        "?!?!",
        "xqzv plorf gnarble wutzig krombat",
        "ŋkafa xoolon tuppaŋ jikka",
        "Dama bëgga xam lu tax mu yàgg nii",
        "Hakkilo maŋ ñiŋ kuwo fahaamu baake",
        "你好我的网络坏了",
    ],
)
def test_a_person_decides_what_cannot_be_read(local: Triage, text: str) -> None:
    reading = local.read("", text)
    assert reading.abstain
    assert reading.decided is None
    assert reading.category in set(Category)
    assert reading.reasons


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=st.text(max_size=60), body=st.text(max_size=200))
def test_whatever_is_written_the_answer_is_on_the_list(local: Triage, subject: str, body: str) -> None:
    reading = local.read(subject, body)
    assert reading.category in set(Category)
    assert {other.category for other in reading.alternatives} <= set(Category) - {reading.category}
    assert 0 <= reading.confidence <= 1
    assert reading.priority in set(Priority)
    assert sum(other.confidence for other in reading.alternatives) + reading.confidence <= 1.001


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(max_size=400))
def test_without_the_encoder_too(without_encoder: Triage, body: str) -> None:
    assert without_encoder.read("", body).category in set(Category)


def test_ten_megabytes_of_text_cost_no_more_than_a_long_mail(local: Triage) -> None:
    local.read("", "warm")
    for flood in (
        "internet slow " * 750_000,
        "<b" * 5_000_000,
        "1 " * 5_000_000,
        "a@" * 5_000_000,
        "A" * 10_000_000,
        "\u202e> " * 3_000_000,
    ):
        tracemalloc.start()
        started = time.process_time()
        reading = local.read("help", flood)
        assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
        tracemalloc.stop()
        assert reading.category in set(Category)


def test_markup_and_quoted_mail_are_not_read(local: Triage) -> None:
    plain = local.read("", "the internet is very slow today")
    dressed = local.read(
        "", "<style>p{x:invalid voucher}</style><p>the internet is <b>very slow</b> today</p>\n> I forgot my password\n> again"
    )
    assert (dressed.category, dressed.confidence) == (plain.category, pytest.approx(plain.confidence, abs=0.02))


def test_what_is_certain_comes_before_the_model_and_says_so(local: Triage) -> None:
    paid = local.read("", "hello, the speed is slow", Facts(paid_not_served=True))
    assert (paid.decided, paid.source, paid.priority) == (Category.PAYMENT, "rule", Priority.URGENT)
    assert paid.reasons[0].startswith("Known, not read:")
    refused = local.read("", "", Facts(code_refused=True))
    assert (refused.decided, refused.priority) == (Category.VOUCHER, Priority.HIGH)
    dark = local.read("", "why?", Facts(access_point_down="AP Westfield 2", incident="I-7K2"))
    assert dark.decided is Category.CONNECTIVITY
    assert "AP Westfield 2" in dark.reasons[0]
    assert "I-7K2" in dark.reasons[0]


def test_without_the_encoder_more_goes_to_people(local: Triage, without_encoder: Triage) -> None:
    texts = [
        "the thing you sold me stopped before evening",
        "I would like to speak about the man who visited us",
        "my telephone number is another one now",
        "is it normal that pages need half a minute",
        "we are still sitting in the dark here without any connection",
        "your colleague promised something on Monday",
    ]
    assert sum(without_encoder.read("", text).abstain for text in texts) > sum(local.read("", text).abstain for text in texts)
    assert without_encoder.read("", texts[0]).vector is None
    assert len(local.read("", texts[0]).vector or b"") == 768
