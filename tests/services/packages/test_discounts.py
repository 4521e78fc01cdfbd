"""What a promo code takes off: never below a dalasi, never above the price, in whole dalasis, and more is never less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.packages.discounts import reduced

PRICES = st.integers(1, 1_000_000).map(lambda dalasi: dalasi * 100)
PERCENTS = st.integers(1, 99)
SUMS = st.integers(1, 1_000_000).map(lambda dalasi: dalasi * 100)


@given(price=PRICES, percent=PERCENTS)
def test_a_share_leaves_a_whole_price_that_is_at_least_a_dalasi(price: int, percent: int) -> None:
    left = reduced(price, percent_off=percent)
    assert 100 <= left <= price
    assert left % 100 == 0
    # At least what was promised, and never a whole dalasi more than that.
    assert left == 100 or 0 <= price * (100 - percent) - left * 100 < 100 * 100


@given(price=PRICES, off=SUMS)
def test_a_sum_leaves_a_whole_price_that_is_at_least_a_dalasi(price: int, off: int) -> None:
    left = reduced(price, bututs_off=off)
    assert 100 <= left <= price
    assert left % 100 == 0
    assert left == max(100, price - off)


@given(price=PRICES, more=PRICES, percent=PERCENTS, other=PERCENTS)
def test_a_lower_price_or_a_larger_share_is_never_dearer(price: int, more: int, percent: int, other: int) -> None:
    assert reduced(price, percent_off=percent) <= reduced(price + more, percent_off=percent)
    assert reduced(price, percent_off=max(percent, other)) <= reduced(price, percent_off=min(percent, other))


@given(price=PRICES, more=PRICES, off=SUMS, other=SUMS)
def test_a_lower_price_or_a_larger_sum_is_never_dearer(price: int, more: int, off: int, other: int) -> None:
    assert reduced(price, bututs_off=off) <= reduced(price + more, bututs_off=off)
    assert reduced(price, bututs_off=max(off, other)) <= reduced(price, bututs_off=min(off, other))


@pytest.mark.parametrize(
    ("price", "percent", "left"), [(2500, 20, 2000), (500, 10, 400), (100, 99, 100), (200, 1, 100), (10000, 33, 6700), (2500, 99, 100)]
)
def test_what_does_not_come_out_whole_is_rounded_for_the_customer(price: int, percent: int, left: int) -> None:
    assert reduced(price, percent_off=percent) == left
