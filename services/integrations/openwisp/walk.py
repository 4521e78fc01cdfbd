"""Reading a list that changes while it is read, and knowing whether all of it was seen.

OpenWISP cuts its lists by position (`page`, `page_size`; openwisp.md §3): a device removed before our position moves the next one to
a place already passed, and an addition elsewhere keeps the count as it was, so counting alone cannot tell. Therefore windows overlap:
each begins inside what was read, by choosing page sizes that do not divide evenly. A window that holds a device already seen joins on
without a gap, since the list has a stable order; one that holds none means the list moved, and the reading steps back. Counts are the
second net, for what breaks the order itself: a rename, or equal names. A reading that was not calm is done once more, with other borders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.integrations.openwisp.errors import SERVICE, MalformedAnswer

T = TypeVar("T")

PAGE_SIZE = 100
OVERLAP = 2
MAX_STEPS_BACK = 3
MAX_PASSES = 2
SMALLEST_CAP = 10  # no server cuts its pages smaller; fewer rows than that are a list with holes
MAX_REQUESTS = 5_000


@dataclass(frozen=True)
class Row(Generic[T]):
    """One readable entry of a list; `oddities` names what of it could not be used."""

    id: str
    value: T
    oddities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbered(Generic[T]):
    """One answer of a list cut by position."""

    count: int
    rows: tuple[Row[T], ...]


@dataclass(frozen=True)
class Following(Generic[T]):
    """One answer of a list read by cursor; `next` is None at the end, `count` None when it is not told."""

    count: int | None
    rows: tuple[Row[T], ...]
    next: str | None


@dataclass(frozen=True)
class Page(Generic[T]):
    """Entries not handed out before."""

    items: tuple[T, ...]
    count_said: int | None


@dataclass(frozen=True)
class Completeness:
    """Whether whatever was in the list all the while has been handed out. Only then may absence mean anything.

    `count_said` is the list's last word on its length (None when it has none); `count_got` may be higher when something was removed.
    """

    count_said: int | None
    count_got: int
    is_complete: bool


class Walk(Generic[T]):
    """An iterator of pages, asked for as they are consumed. An entry that is met again is not handed out again.

    Only what `keep` wants is handed out; `completeness` speaks of the whole list. Not thread-safe.
    """

    def __init__(self, operation: str, keep: Callable[[T], bool] | None = None) -> None:
        self.oddities: Counter[str] = Counter()
        self._operation, self._keep = operation, keep
        self._known: set[str] = set()
        self._count_said: int | None = None
        self._is_calm, self._requests = False, 0
        self._pages = self._read()

    def __iter__(self) -> Iterator[Page[T]]:
        return self

    def __next__(self) -> Page[T]:
        return next(self._pages)

    @property
    def completeness(self) -> Completeness:
        """Of what has been consumed: never complete before the end is reached."""
        return Completeness(self._count_said, len(self._known), self._is_calm)

    def items(self) -> Iterator[T]:
        """The entries of all pages."""
        for page in self:
            yield from page.items

    def _read(self) -> Iterator[Page[T]]:
        for attempt in range(MAX_PASSES):
            yield from self._pass(attempt)
            if self._is_calm:
                return

    def _pass(self, attempt: int) -> Iterator[Page[T]]:
        """Read the list once and set `_is_calm` at its end."""
        raise NotImplementedError

    def _fresh(self, rows: tuple[Row[T], ...]) -> Iterator[Page[T]]:
        fresh = {row.id: row for row in rows if row.id not in self._known}
        self._known.update(fresh)
        for row in fresh.values():
            self.oddities.update(row.oddities)
        kept = tuple(row.value for row in fresh.values() if self._keep is None or self._keep(row.value))
        if kept:
            yield Page(kept, self._count_said)

    def _asked(self) -> None:
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            raise MalformedAnswer(SERVICE, self._operation, "the list has no end")


class NumberedWalk(Walk[T]):
    """`fetch(page, size)` gives one answer, or None past the end."""

    def __init__(self, operation: str, fetch: Callable[[int, int], Numbered[T] | None], size: int = PAGE_SIZE) -> None:
        super().__init__(operation)
        self._fetch, self._size = fetch, size

    def _pass(self, attempt: int) -> Iterator[Page[T]]:
        reading = _Reading(max(1, self._size - attempt * (1 + self._size // 10)))
        while not reading.is_over:
            page, asked = window_after(reading.end, reading.size)
            self._asked()
            answer = self._fetch(page, asked)
            if answer is None:
                reading.past_the_end((page - 1) * asked)
                continue
            self._count_said = answer.count
            yield from self._fresh(answer.rows)
            reading.take((page - 1) * asked, asked, answer)
        if attempt == 0:
            self._size = reading.size
        self._is_calm = reading.is_calm and len(self._known) >= max(reading.counts, default=0)


class _Reading:
    """One reading of a list from its front: how far it has come, and whether anything may have slipped by.

    All entries up to the last one in `seen` have been seen, of those that were there all along; a gap ends that.
    """

    def __init__(self, size: int) -> None:
        self.size, self.end = size, 0
        self.seen: set[str] = set()
        self.counts: set[int] = set()
        self.is_over = False
        self._has_gap, self._steps_back = False, 0

    @property
    def is_calm(self) -> bool:
        """Nothing was skipped, and the list never changed its length."""
        return not self._has_gap and len(self.counts) <= 1

    def take(self, start: int, asked: int, answer: Numbered[Any]) -> None:
        """Count in the entries from position `start`, of which `asked` were wanted."""
        rows = answer.rows
        self.counts.add(answer.count)
        joins_on = start == 0 or any(row.id in self.seen for row in rows)
        if not joins_on and self._step_back(start):
            return  # what lies behind a gap must not make the next window look joined, so it is not in `seen`
        self.seen.update(row.id for row in rows)
        if start == 0 and SMALLEST_CAP <= len(rows) < min(asked, answer.count):
            self.size = asked = len(rows)  # the server cuts smaller pages than it was asked for
        told = start + len(rows)
        self._has_gap = self._has_gap or not joins_on or told < min(start + asked, answer.count)
        self.end = max(told, start + asked)
        self.is_over = self.end >= answer.count

    def past_the_end(self, start: int) -> None:
        """The list has become shorter than `start`; what moved to before it is looked for."""
        if not self._step_back(start):
            self._has_gap = self.is_over = True

    def _step_back(self, start: int) -> bool:
        if self._steps_back == MAX_STEPS_BACK:
            return False
        self._steps_back += 1
        self.end = max(0, start - self.size)
        return True


def window_after(end: int, size: int) -> tuple[int, int]:
    """The page number and page size (at most `size`) that reach farthest and still repeat some of the first `end` entries."""
    if end == 0:
        return 1, size
    wanted = max(end - OVERLAP, 0)
    candidates = ((wanted // asked + 1, asked) for asked in range(size, size // 2, -1))
    page, asked = max(candidates, key=lambda candidate: candidate[0] * candidate[1])
    # Tiny pages may have no overlap that gets on; then a plain next page, which counts as a gap.
    return (page, asked) if page * asked > end else (end // size + 1, size)


class CursorWalk(Walk[T]):
    """`fetch(cursor)` gives one answer. A cursor that names the last entry neither skips nor doubles, so only counts can disagree."""

    def __init__(self, operation: str, fetch: Callable[[str | None], Following[T]], keep: Callable[[T], bool] | None = None) -> None:
        super().__init__(operation, keep)
        self._fetch = fetch

    def _pass(self, attempt: int) -> Iterator[Page[T]]:
        cursor: str | None = None
        used: set[str] = set()
        while True:
            self._asked()
            answer = self._fetch(cursor)
            self._count_said = answer.count
            yield from self._fresh(answer.rows)
            cursor = answer.next
            if cursor is None:
                break
            if cursor in used:
                raise MalformedAnswer(SERVICE, self._operation, "the same page was offered twice")
            used.add(cursor)
        self._is_calm = self._count_said is None or len(self._known) >= self._count_said
