"""What the help desk's reports are drawn with: shares, spans, and what came beside what went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pages.components import words
from pages.components.charts import Series, bar_chart
from pages.components.words import Tone


def percent(share: float | None) -> str | None:
    """`97 %`; never rounded up to 100: what was broken once was not always kept."""
    if share is None:
        return None
    return f"{int(share * 100)} %" if share < 1 else "100 %"


def tone_of(share: float) -> Tone:
    return "good" if share >= 0.9 else "wait" if share >= 0.75 else "bad"


def span(seconds: float | None) -> str | None:
    return None if seconds is None else words.span(round(seconds))


def came_and_went(days: Sequence[tuple[date, int, int]]) -> None:
    """Two bars a day."""
    came, went = [one for _, one, _ in days], [two for _, _, two in days]
    bar_chart(
        "Created and solved by day",
        [f"{day.day} {day:%b}" for day, _, _ in days],
        (Series("Created", came), Series("Solved", went)),
        said=f"Created {sum(came):,} and solved {sum(went):,} tickets in {len(days)} days",
        rows=("Day", [f"{day:%a} {day.day} {day:%b %Y}" for day, _, _ in days]),
        marker="per-day",
        is_newest_first=True,
    )
