"""What a soak of the console sees of its one process, and what of it is past a bound."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import psutil

BLOCKS = "blocks of memory"
MOST_MB_A_PAGE, MOST_GROWN_MB, MOST_HELD_MS = 2.0, 12.0, 100.0
# Pages that were closed leave nothing; threads and files belong to pools, which fill while they are used. Of Python's blocks of memory
# there are 1.6 million, a page is made of 10,000, and they are counted from the half of all opens on: of a thousand pages, 190 each were
# seen to wait for the collection that looks at everything (pages/garbage.py), after which none was left.
_MAY_GROW = {"threads": 50, "files": 60, "tasks": 5, "background tasks": 5, "browsers": 1, BLOCKS: 100_000}


@dataclass(frozen=True)
class Told:
    """What the process says of itself (`watched.py`).

    `holds` are the loop's, over 30 ms each: when (monotonic seconds), for how long, and how much of it its thread computed (ms):
    the rest it waited for other threads of the process, or for a disk.
    """

    longest_ms: float
    longest_own_ms: float
    too_long: int
    holds: list[tuple[float, float, float]]
    collections: int
    longest_collection_ms: float
    stacks: list[tuple[str, int]]
    open: dict[str, int]

    def held_ms(self, since: float, until: float) -> float:
        """The longest hold that began between the two."""
        return max((ms for at, ms, _ in self.holds if since <= at <= until), default=0.0)


@dataclass(frozen=True)
class Cost:
    """What one kind of page costs."""

    path: str
    kb: float
    sent_kb: float
    cpu_ms: float
    open_ms: float
    held_ms: float


@dataclass
class Seen:
    """The process under its load, and what was noted of it."""

    file: Path
    process: psutil.Process
    costs: list[Cost] = field(default_factory=list)
    points: list[tuple[int, float]] = field(default_factory=list)
    peak_mb: float = 0.0
    received: int = 0
    open_at_first: dict[str, int] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """What the process has computed so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory_mb(self) -> float:
        self.peak_mb = max(self.peak_mb, mb := float(self.process.memory_info().rss) / 2**20)
        return mb

    def told(self) -> Told:
        return Told(**json.loads(self.file.read_text(encoding="utf-8")))

    @property
    def grown_mb(self) -> float:
        """With no page open, in the second half of all opens and closes: the median of its last three points against that of its first.

        In the first half the process takes what it needs at such a pace, and keeps it: Python's allocator gives back little of what was
        used once. That nothing stays of a page is seen by its blocks (`left_over`).
        """
        half = self.points[len(self.points) // 2 - 1 :]
        first, last = ([mb for _, mb in points] for points in (half[:3], half[-3:]))
        return statistics.median(last) - statistics.median(first)

    def findings(self) -> list[str]:
        """Whatever is past its bound, in words."""
        told = self.told()
        dear = [one for one in self.costs if one.kb > MOST_MB_A_PAGE * 1024]
        found = [f"{one.path} takes {one.kb / 1024:.2f} MB, more than {MOST_MB_A_PAGE:g}" for one in dear]
        if self.grown_mb > MOST_GROWN_MB:
            found.append(f"{self.grown_mb:.1f} MB stayed after all pages were closed, more than {MOST_GROWN_MB:g}")
        if told.longest_ms > MOST_HELD_MS:
            found.append(f"the event loop was held for {told.longest_ms:.0f} ms, more than {MOST_HELD_MS:g}")
        found += [f"{more} more {what} than before any page was opened" for what, more in self.left_over().items()]
        return found

    def left_over(self) -> dict[str, int]:
        """With all pages closed: of what they make more is there than before the first, and how much more."""
        open_now = self.told().open
        more = {what: open_now[what] - count for what, count in self.open_at_first.items()}
        return {what: count for what, count in more.items() if count > _MAY_GROW.get(what, 0)}
