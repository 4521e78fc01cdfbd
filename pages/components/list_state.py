"""What a list shows, and how its address says it: search, filters, sort and page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from services.listing import COUNT_CAP, Slice, Walk

PAGE_SIZES = (25, 50, 100)
_DALASI = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,2}))?")


@dataclass(frozen=True)
class Choice:
    """A filter with a menu: value to words."""

    name: str
    label: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Day:
    """A filter that takes a date."""

    name: str
    label: str


@dataclass(frozen=True)
class Amount:
    """A filter that takes a sum in dalasi."""

    name: str
    label: str


Filter = Choice | Day | Amount


@dataclass(frozen=True)
class ListState:
    """What a list shows, as its address says it."""

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    page: int = 1
    per_page: int = PAGE_SIZES[0]
    sort: str = ""
    descending: bool = True
    # Empty for the list's own choice.
    columns: tuple[str, ...] = ()
    # Set while the list is walked from end to end, for a file.
    walk: Walk | None = field(default=None, compare=False)

    @property
    def part(self) -> Slice:
        return self.walk or Slice(offset=(self.page - 1) * self.per_page, limit=self.per_page, sort=self.sort, descending=self.descending)

    def day(self, name: str, *, after: bool = False) -> datetime | None:
        """The chosen date's first moment, or with `after` the next day's, in Banjul's time, which is UTC."""
        chosen = _read_day(self.filters.get(name, ""))
        return datetime(chosen.year, chosen.month, chosen.day, tzinfo=UTC) + timedelta(days=int(after)) if chosen else None

    def bututs(self, name: str) -> int | None:
        """The chosen sum."""
        return read_dalasi(self.filters.get(name, ""))

    def as_query(self, default: ListState) -> dict[str, str]:
        """Only what differs from the list's default, so that the plain address stays plain."""
        query = {"q": self.search, **self.filters}
        if self.page != 1:
            query["page"] = str(self.page)
        if self.per_page != default.per_page:
            query["rows"] = str(self.per_page)
        if (self.sort, self.descending) != (default.sort, default.descending):
            query["sort"] = ("-" if self.descending else "") + self.sort
        if self.columns:
            query["columns"] = ",".join(self.columns)
        return {name: value for name, value in query.items() if value and default.filters.get(name) != value}

    def narrowing(self, default: ListState) -> dict[str, str]:
        """The filters that were chosen, by name: those which can be taken off."""
        return {name: value for name, value in self.filters.items() if value and default.filters.get(name) != value}

    def without(self, name: str, default: ListState) -> ListState:
        """As it is without one filter: what the list does by itself stands there again."""
        kept = {other: value for other, value in self.filters.items() if other != name}
        if name in default.filters:
            kept[name] = default.filters[name]
        return replace(self, filters=kept, page=1)


def read_state(
    query: Mapping[str, str], default: ListState, filters: Sequence[Filter], sorts: Sequence[str], columns: Sequence[str] = ()
) -> ListState:
    """What an address asks for. What it says wrong is left out: an old bookmark should still open the list."""
    sort = query.get("sort", "")
    name = sort.removeprefix("-")
    rows = _read_number(query.get("rows", ""), default.per_page, PAGE_SIZES[-1])
    chosen = dict(default.filters)
    for one in filters:
        value = query.get(one.name, "")
        if value and _may_be(one, value):
            chosen[one.name] = value
    return replace(
        default,
        search=query.get("q", "")[:100],
        filters=chosen,
        page=_read_number(query.get("page", ""), 1, COUNT_CAP),
        per_page=rows if rows in PAGE_SIZES else default.per_page,
        sort=name if name in sorts else default.sort,
        descending=sort.startswith("-") if name in sorts else default.descending,
        columns=read_columns(query.get("columns", "").split(","), columns),
    )


def read_columns(wanted: Sequence[str], of: Sequence[str]) -> tuple[str, ...]:
    """Those that the list has, in the list's own order."""
    return tuple(name for name in of if name in wanted)


def _may_be(one: Filter, value: str) -> bool:
    if isinstance(one, Choice):
        return value in one.options
    return _read_day(value) is not None if isinstance(one, Day) else read_dalasi(value) is not None


def read_dalasi(text: str) -> int | None:
    """`25` and `12.50` in bututs; None for anything else, such as -1, NaN or half a butut."""
    found = _DALASI.fullmatch(text.strip())
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else None


def _read_number(text: str, otherwise: int, most: int) -> int:
    return min(max(int(text), 1), most) if text.isdecimal() and len(text) < 9 else otherwise


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
