"""What the soak calls growing: made series with and without a leak."""

from __future__ import annotations

import random

import pytest

from tests.drill.settling import Bound, trend

_MEMORY = Bound(per_hour=8.0, floor=12.0)


def memory(*, minutes: float, leak_per_hour: float, seed: int = 1) -> tuple[list[float], list[float]]:
    """A process that warms up by 60 MB, breathes with its collector, is measured with noise, and has an outlier now and then."""
    chance = random.Random(seed)
    step = max(2.0, minutes * 60 / 600)
    seconds = [number * step for number in range(int(minutes * 60 / step))]
    warm_up = minutes * 60 / 8
    values = []
    for number, at in enumerate(seconds):
        base = 150 + 60 * min(1.0, at / warm_up) + leak_per_hour * at / 3600
        tooth = 6 * (number % 17) / 17
        values.append(base + tooth + chance.gauss(0, 1.5) + (40 if chance.random() < 0.01 else 0))
    return seconds, values


@pytest.mark.parametrize("seed", range(5))
def test_two_hours_of_a_process_that_is_warm_settle(seed: int) -> None:
    assert trend(*memory(minutes=120, leak_per_hour=0, seed=seed), _MEMORY).settles


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_of_thirty_megabytes_an_hour_is_found_in_two_hours(seed: int) -> None:
    found = trend(*memory(minutes=120, leak_per_hour=30, seed=seed), _MEMORY)
    assert not found.settles
    assert found.per_hour == pytest.approx(30, abs=6)


@pytest.mark.parametrize("seed", range(5))
def test_five_minutes_find_a_leak_of_twenty_kilobytes_a_payment(seed: int) -> None:
    """At five payments a second."""
    assert not trend(*memory(minutes=5, leak_per_hour=20 * 5 * 3600 / 1024, seed=seed), _MEMORY).settles


def test_five_minutes_of_a_process_that_is_warm_settle() -> None:
    assert trend(*memory(minutes=5, leak_per_hour=0), _MEMORY).settles


def test_a_step_is_no_slope() -> None:
    """A pool that grew once, late, and stays."""
    seconds = [float(number) for number in range(300)]
    values = [20.0 if at < 220 else 30.0 for at in seconds]
    assert trend(seconds, values, Bound(per_hour=4.0, floor=12.0)).settles


def test_a_queue_that_grows_is_found() -> None:
    seconds = [2.0 * number for number in range(150)]
    values = [0.5 * at for at in seconds]
    assert not trend(seconds, values, Bound(per_hour=5.0, floor=20.0)).settles


def test_too_few_measurements_say_nothing() -> None:
    assert trend([0.0, 1.0, 2.0], [1.0, 500.0, 1000.0], _MEMORY).settles


def test_measurements_without_their_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="as many values"):
        trend([0.0], [], _MEMORY)
