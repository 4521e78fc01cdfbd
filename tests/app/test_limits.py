"""Limits against a real Valkey, there and away (product.md, "Rate limits")."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import sqlalchemy as sa

from app import limits, redis
from app.errors import TooMany, Unavailable
from app.limits import Limit
from app.settings import get_settings

THREE = Limit("three", "3 per minute")
TIGHT = Limit("tight", "3 per minute", is_tight=True)
MANY = Limit("many", "200 per minute")


@pytest.fixture(autouse=True)
def _fresh(database: sa.Engine) -> Iterator[None]:
    limits.forget()
    yield
    limits.forget()


@pytest.fixture
async def _loop() -> AsyncIterator[None]:
    yield
    await redis.close_async()


@pytest.fixture
def _redis_away(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def point() -> None:
        get_settings.cache_clear()
        redis.forget()
        limits.forget()

    with monkeypatch.context() as patched:
        patched.setenv("INET_REDIS_URL", "redis://127.0.0.1:9/0")
        point()
        yield
    point()


def test_what_is_allowed_passes_and_the_next_one_is_told_how_long_to_wait() -> None:
    for _ in range(3):
        limits.count(THREE, "me")
    with pytest.raises(TooMany) as refusal:
        limits.count(THREE, "me")
    assert 1 <= refusal.value.retry_after <= 60


def test_one_caller_and_one_limit_do_not_use_up_anothers() -> None:
    for _ in range(3):
        limits.count(THREE, "me")
    limits.count(THREE, "you")
    limits.count(TIGHT, "me")
    assert limits.is_spent(THREE, "me")
    assert not limits.is_spent(THREE, "you")


def test_failures_are_noted_and_then_refused_before_the_next_try() -> None:
    for _ in range(5):
        limits.note(TIGHT, "me")
    with pytest.raises(TooMany):
        limits.refuse_spent(TIGHT, "me")
    limits.refuse_spent(TIGHT, "you")


@pytest.mark.usefixtures("_redis_away")
def test_with_redis_away_tight_limits_close_and_the_others_open() -> None:
    for _ in range(5):
        limits.count(THREE, "me")
    for closed in (limits.count, limits.refuse_spent):
        with pytest.raises(Unavailable) as refusal:
            closed(TIGHT, "me")
        assert refusal.value.extra["retry_after"] > 0
    limits.note(TIGHT, "me")


@pytest.mark.usefixtures("_redis_away", "_loop")
async def test_with_redis_away_busy_addresses_stay_open_and_do_not_ask_again_for_a_second() -> None:
    began = asyncio.get_running_loop().time()
    for _ in range(1000):
        await limits.allow(THREE, "me")
    assert asyncio.get_running_loop().time() - began < 1.0


@pytest.mark.usefixtures("_loop")
async def test_a_busy_address_gets_all_of_its_allowance_and_no_more() -> None:
    passed = 0
    for _ in range(260):
        with contextlib.suppress(TooMany):
            await limits.allow(MANY, "me")
            passed += 1
    assert passed == 200
    await limits.allow(MANY, "you")


@pytest.mark.usefixtures("_loop")
async def test_a_slow_caller_is_not_charged_for_more_than_twice_what_it_used() -> None:
    for _ in range(9):
        await limits.allow(MANY, "me")
    taken = redis.client().get("LIMITS:{LIMITER/many/me/200/1/minute}")
    assert taken is not None
    assert 9 <= int(taken) <= 18


@pytest.mark.usefixtures("_loop")
async def test_many_at_once_are_counted_each() -> None:
    outcomes = await asyncio.gather(*(limits.allow(MANY, "me") for _ in range(400)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 200


@pytest.mark.usefixtures("_loop")
async def test_a_redis_that_forgot_its_scripts_is_taught_again() -> None:
    await limits.allow(THREE, "me")
    redis.client().script_flush()
    await limits.allow(THREE, "me")
    limits.count(THREE, "you")


def test_several_are_asked_and_noted_at_once_each_for_itself() -> None:
    both = [(THREE, ("me",)), (THREE, ("you",))]
    assert limits.are_spent(both) == [False, False]
    limits.note_all(both)
    limits.note_all([(THREE, ("me",))] * 2)
    assert limits.are_spent(both) == [True, False]


def test_a_redis_that_was_emptied_of_scripts_answers_all_the_same() -> None:
    limits.note(THREE, "me")
    redis.client().script_flush()
    assert not limits.is_spent(THREE, "me")


class _Clock:
    """The time of this process's memory, which a test can let pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.mark.usefixtures("_loop")
async def test_callers_who_have_gone_are_forgotten_and_who_still_comes_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr(limits, "time", clock)
    most = 0
    for minute in range(20):
        for number in range(200):
            await limits.allow(MANY, f"{minute}-{number}")
        await limits.allow(MANY, "always here")
        most = max(most, len(limits._purses))
        clock.now += 61
    assert most < 2 * limits._FEWEST_KEPT, "4,000 callers came, 200 a minute"
    assert (MANY, ("always here",)) in limits._purses


@pytest.mark.usefixtures("_loop")
async def test_however_many_come_at_once_no_more_than_the_most_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_KEPT", 600)
    for number in range(1500):
        await limits.allow(MANY, str(number))
        assert len(limits._purses) <= 600


def test_limits_that_were_seen_open_are_forgotten_after_their_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr(limits, "time", clock)
    for number in range(3000):
        assert not limits.is_spent(THREE, str(number))
        clock.now += 0.01
    assert len(limits._open_until) <= limits._FEWEST_KEPT
