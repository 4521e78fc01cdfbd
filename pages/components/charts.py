"""Charts: bars, lines and a spark, drawn as SVG by the server in the colours of the scheme that is shown (tokens.css).

What is drawn cannot be read out: every chart says in a sentence what it shows, and the larger ones fold out their numbers as a table. Each
number also stands under the pointer. Series are told apart by their place in the legend, by lightness, and lines by their dashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from nicegui import ui

from pages.components.figures import Cell, table

Say = Callable[[int], str]
# The plot is drawn on this ground and stretched over its place; text stands outside of it and keeps its shape.
_WIDTH, _HEIGHT = 1000.0, 100.0
_SPARK_HEIGHT = 24.0
# In pixels, of the 220 that a chart is high: half a line of text above the plot, and a line with its distance below.
_ABOVE, _PLOT = 8, 188
_LABELS, _LINES = 8, 4
# A bar of nothing is none; one of little can be seen.
_LEAST = 0.75
# The styles of the series, in the order in which they are given out.
_FILLS, _STROKES = ("series-1", "series-2", "series-3"), ("line-1", "line-2", "line-3")
_LEGENDS = ("legend-1", "legend-2", "legend-3")


@dataclass(frozen=True)
class Series:
    """A name and a whole number for each label; None where there is none (yet). A chart has three at most."""

    name: str
    values: Sequence[int | None]


def bar_chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    said: str,
    marker: str,
    say: Say = "{:,}".format,
    rows: tuple[str, Sequence[str]] | None = None,
    is_newest_first: bool = False,
) -> None:
    """Bars side by side for each label. `said` tells in a sentence what they show, `say` writes a number.

    `rows` is what a label is and how each is written in full, for the table; without it the labels are.
    """
    _Chart(title, labels, series, say).draw(_bars, said=said, marker=marker, rows=rows, is_newest_first=is_newest_first)


def line_chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    said: str,
    marker: str,
    say: Say = "{:,}".format,
    rows: tuple[str, Sequence[str]] | None = None,
    is_newest_first: bool = False,
) -> None:
    """A line for each series, broken where it has no number; otherwise as `bar_chart`."""
    _Chart(title, labels, series, say).draw(_lines, said=said, marker=marker, rows=rows, is_newest_first=is_newest_first)


def spark(values: Sequence[int], *, said: str, note: str = "", at: Sequence[float] = ()) -> None:
    """A line without axes, beside a `note`. `at` is where each value stands, from 0 to 1; without it they stand evenly.

    Nothing is drawn of fewer than two values.
    """
    if len(values) < 2:
        return
    places = at or [number / (len(values) - 1) for number in range(len(values))]
    highest = max(1, *values)
    line = " ".join(
        f"{place * _WIDTH:.1f},{_SPARK_HEIGHT - 2 - value / highest * (_SPARK_HEIGHT - 4):.1f}"
        for place, value in zip(places, values, strict=True)
    )
    with ui.element("div").classes("sparked"):
        drawn = ui.html(f'<polyline points="{line}"/>', tag="svg", sanitize=False).classes("spark")
        drawn.props(f'viewBox="0 0 {_WIDTH:.0f} {_SPARK_HEIGHT:.0f}" preserveAspectRatio="none" role="img"')
        drawn.props["aria-label"] = said
        if note:
            ui.label(note).classes("faint small")


def ticks(highest: int) -> list[int]:
    """Round numbers from 0 up to at least `highest`, at most five of them, evenly apart; of nothing only the 0."""
    scale = 1
    while highest > 5 * scale * _LINES:
        scale *= 10
    step = next(factor * scale for factor in (1, 2, 5) if highest <= factor * scale * _LINES)
    return [step * number for number in range(-(-highest // step) + 1)]


@dataclass(frozen=True)
class _Chart:
    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    say: Say

    @cached_property
    def ticks(self) -> list[int]:
        return ticks(max((value for one in self.series for value in one.values if value is not None), default=0))

    @property
    def step(self) -> float:
        return _WIDTH / max(1, len(self.labels))

    def height_of(self, value: int) -> float:
        return value / max(1, self.ticks[-1]) * _HEIGHT

    def draw(
        self,
        shapes: Callable[[_Chart], str],
        *,
        said: str,
        marker: str,
        rows: tuple[str, Sequence[str]] | None,
        is_newest_first: bool,
    ) -> None:
        head, names = rows or ("", self.labels)
        with ui.element("div").classes("chart-box"):
            if len(self.series) > 1:
                self._legend()
            with ui.element("div").classes("chart").mark(marker):
                with ui.element("div").classes("chart-side").props("aria-hidden=true"):
                    for tick in reversed(self.ticks):
                        ui.label(self.say(tick))
                # The plot's ground is nested in what holds its labels, so that it alone is stretched.
                plot = (
                    f'<svg class="chart-plot" y="{_ABOVE}" width="100%" height="{_PLOT}" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}"'
                    ' preserveAspectRatio="none">'
                    f"{self._grid()}{shapes(self)}{self._pointers(names)}</svg>{self._along()}"
                )
                drawn = ui.html(plot, tag="svg", sanitize=False).classes("chart-ground").props("role=img")
                drawn.props["aria-label"] = f"{said}. The numbers are in the table below."
            with ui.expansion("The numbers as a table").classes("w-full").props("dense"):
                self._table(head, names, f"{marker}-table", is_newest_first=is_newest_first)

    def _legend(self) -> None:
        with ui.element("div").classes("chart-legend").props("aria-hidden=true"):
            for one, style in zip(self.series, _LEGENDS, strict=False):
                ui.label(one.name).classes(style)

    def _grid(self) -> str:
        heights = (_HEIGHT - self.height_of(tick) for tick in self.ticks)
        return "".join(f'<line class="chart-grid" x1="0" x2="{_WIDTH:.0f}" y1="{at:.2f}" y2="{at:.2f}"/>' for at in heights)

    def _along(self) -> str:
        """As many labels as there is room for; on a phone every other one of them."""
        every = -(-len(self.labels) // _LABELS) or 1
        shown = range(0, len(self.labels), every)
        return "".join(self._label(number, is_between=turn % 2 == 1) for turn, number in enumerate(shown))

    def _label(self, number: int, *, is_between: bool) -> str:
        place, style = (number + 0.5) / len(self.labels) * 100, "chart-label chart-between" if is_between else "chart-label"
        return f'<text class="{style}" x="{place:.2f}%" y="100%">{escape(self.labels[number])}</text>'

    def _pointers(self, names: Sequence[str]) -> str:
        """Over each label's stretch, from top to bottom, what stands there in words."""
        return "".join(
            f'<rect class="chart-pointer" x="{number * self.step:.2f}" y="0" width="{self.step:.2f}" height="{_HEIGHT:.0f}">'
            f"<title>{escape(f'{name}: {self._told(number)}')}</title></rect>"
            for number, name in enumerate(names)
        )

    def _told(self, number: int) -> str:
        told = [(one.name, one.values[number]) for one in self.series]
        if len(told) == 1:
            return self._word(told[0][1])
        return ", ".join(f"{name} {self._word(value)}" for name, value in told)

    def _word(self, value: int | None) -> str:
        return "–" if value is None else self.say(value)

    def _table(self, head: str, names: Sequence[str], marker: str, *, is_newest_first: bool) -> None:
        rows = [
            [Cell(name), *(Cell(None if one.values[number] is None else self._word(one.values[number])) for one in self.series)]
            for number, name in enumerate(names)
        ]
        table(self.title, (head, *(one.name for one in self.series)), rows[::-1] if is_newest_first else rows, marker=marker)


def _bars(chart: _Chart) -> str:
    room = chart.step * 0.76
    width = min(room / len(chart.series), 48.0)
    drawn = []
    for turn, one in enumerate(chart.series):
        for number, value in enumerate(one.values):
            if value:
                left = (number + 0.5) * chart.step + (turn - len(chart.series) / 2) * width
                height = max(chart.height_of(value), _LEAST)
                drawn.append(
                    f'<rect class="{_FILLS[turn]}" x="{left + width * 0.06:.2f}" y="{_HEIGHT - height:.2f}"'
                    f' width="{width * 0.88:.2f}" height="{height:.2f}"/>'
                )
    return "".join(drawn)


def _lines(chart: _Chart) -> str:
    drawn = []
    # The first series is drawn last: it is what the chart is about, and lies above what it is compared with.
    for turn in range(len(chart.series) - 1, -1, -1):
        for stretch in _stretches(chart.series[turn].values):
            points = " ".join(f"{(number + 0.5) * chart.step:.2f},{_HEIGHT - chart.height_of(value):.2f}" for number, value in stretch)
            # A stretch of one value is a line of no length, which its round ends make a dot.
            drawn.append(f'<polyline class="{_STROKES[turn]}" points="{points if len(stretch) > 1 else f"{points} {points}"}"/>')
    return "".join(drawn)


def _stretches(values: Sequence[int | None]) -> list[list[tuple[int, int]]]:
    """The values with their numbers, cut where there is none."""
    cut: list[list[tuple[int, int]]] = [[]]
    for number, value in enumerate(values):
        if value is not None:
            cut[-1].append((number, value))
        elif cut[-1]:
            cut.append([])
    return [stretch for stretch in cut if stretch]
