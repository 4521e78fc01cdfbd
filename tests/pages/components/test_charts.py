"""Charts say what they show, keep to round scales, and draw each number where it belongs."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from pages.components.charts import Series, _bars, _Chart, _lines, ticks
from pages.components.words import money


def drawn(*series: Series, labels: str = "abcd") -> _Chart:
    return _Chart("Title", list(labels), series, "{:,}".format)


@pytest.mark.parametrize(
    ("highest", "scale"),
    [
        (0, [0]),
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (7, [0, 2, 4, 6, 8]),
        (19, [0, 5, 10, 15, 20]),
        (21, [0, 10, 20, 30]),
        (341_000, [0, 100_000, 200_000, 300_000, 400_000]),
    ],
)
def test_a_scale_is_of_few_round_numbers_and_holds_the_highest(highest: int, scale: list[int]) -> None:
    assert ticks(highest) == scale


@pytest.mark.parametrize("highest", [*range(200), 10**6 + 1, 10**9 - 1])
def test_a_scale_never_has_more_than_five_numbers_nor_ends_too_low(highest: int) -> None:
    scale = ticks(highest)
    assert len(scale) <= 5
    assert scale[-1] >= highest


def test_a_bar_is_as_high_as_its_share_of_the_scale_and_nothing_has_none() -> None:
    heights = re.findall(r'width="[\d.]+" height="([\d.]+)"', _bars(drawn(Series("Sold", (20, 10, 0, None)))))
    assert [float(height) for height in heights] == [100.0, 50.0]


def test_the_smallest_bar_can_still_be_seen() -> None:
    (_, small) = re.findall(r'height="([\d.]+)"', _bars(drawn(Series("Sold", (100_000, 1)), labels="ab")))
    assert float(small) > 0.5


def test_bars_of_two_series_stand_side_by_side_within_their_label() -> None:
    shapes = _bars(drawn(Series("Came", (4, 4)), Series("Went", (2, 2)), labels="ab"))
    found = sorted(
        (float(left), float(left) + float(width)) for left, width in re.findall(r' x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', shapes)
    )
    assert len(found) == 4
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    assert found[1][1] <= 500 <= found[2][0]


def test_a_line_is_broken_where_there_is_no_number() -> None:
    lines = re.findall(r'points="([^"]+)"', _lines(drawn(Series("Taken", (1, 2, None, 4)))))
    assert lines[0].startswith("125.00,75.00 375.00,50.00")
    # One number alone is a dot.
    assert lines[1] == "875.00,0.00 875.00,0.00"


def test_what_a_chart_is_about_lies_above_what_it_is_compared_with() -> None:
    shapes = _lines(drawn(Series("Today", (1, 2, 3, 4)), Series("Yesterday", (4, 3, 2, 1))))
    assert shapes.index("line-2") < shapes.index("line-1")


def test_every_number_stands_under_the_pointer_in_words() -> None:
    chart = _Chart("Taken", ["a", "b"], (Series("Today", (2500, None)), Series("Yesterday", (100, 0))), money)
    assert re.findall(r"<title>([^<]+)</title>", chart._pointers(["10:00", "11:00"])) == [
        "10:00: Today D 25, Yesterday D 1",
        "11:00: Today –, Yesterday D 0",
    ]


def test_a_label_is_no_code() -> None:
    chart = _Chart("Taken", ["<b>"], (Series("Today", (1,)),), money)
    assert "<b>" not in chart._along() + chart._pointers(["<b>"])


def test_of_many_labels_only_as_many_are_written_as_there_is_room_for() -> None:
    chart = _Chart("Taken", [f"{hour:02d}" for hour in range(24)], (Series("Today", (0,) * 24),), money)
    assert re.findall(r">(\d\d)<", chart._along()) == ["00", "03", "06", "09", "12", "15", "18", "21"]
    # On a phone every other one.
    assert chart._along().count("chart-between") == 4
