"""What a rule of retention is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.db import Begin

Own = Callable[[Begin, datetime, datetime], int]
"""Takes away by its own means what is older than the second moment; the first is now. Answers how many."""


class How(StrEnum):
    """What becomes of what is past its period."""

    DELETED = "the row is deleted"
    STRIPPED = "the row stays without it"
    FILES = "the file is deleted"
    ADDED_UP = "it is added up, and deleted"


@dataclass(frozen=True)
class Step:
    """Which rows of one table are due, oldest first.

    `due` compares the column that `by` names with `:before`, together with what an index on it says of its rows, so that a look costs
    what is due and not what is there. Without `strip` the rows are deleted; with it these columns are set, after which `due` holds no
    more.
    """

    table: str
    by: str
    due: str
    strip: str = ""

    @property
    def some(self) -> str:
        """The next few rows. What somebody else holds just now is left for the next time."""
        wanted = f"SELECT ctid FROM {self.table} WHERE {self.due} ORDER BY {self.by} LIMIT :batch FOR UPDATE SKIP LOCKED"  # noqa: S608
        return f"ctid = ANY (ARRAY({wanted}))"

    @property
    def statement(self) -> str:
        if self.strip:
            return f"UPDATE {self.table} SET {self.strip} WHERE {self.some}"  # noqa: S608 - of constants
        return f"DELETE FROM {self.table} WHERE {self.some}"  # noqa: S608

    @property
    def counted(self) -> str:
        """How many are due, up to `:most`, and the oldest of them."""
        wanted = f"SELECT {self.by} AS at FROM {self.table} WHERE {self.due} ORDER BY {self.by} LIMIT :most"  # noqa: S608
        return f"SELECT count(*), min(at)::timestamptz FROM ({wanted}) AS due"  # noqa: S608

    @property
    def oldest(self) -> str:
        return f"SELECT ({self.by})::timestamptz FROM {self.table} WHERE {self.due} ORDER BY {self.by} LIMIT 1"  # noqa: S608


@dataclass(frozen=True)
class Rule:
    """One kind of thing that is not kept for ever. Its period may be changed between `least_days` and `most_days`; where these are the
    same it is part of what something else promises.
    """

    name: str
    what: str
    why: str
    days: int
    least_days: int
    most_days: int
    how: How
    steps: tuple[Step, ...] = ()
    own: Own | None = None
    # Tables that `own` takes from.
    own_tables: tuple[str, ...] = ()
    # Whether people are in it: it stands in docs/personal-data.md.
    is_personal: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*(step.table for step in self.steps), *self.own_tables)))

    @property
    def is_fixed(self) -> bool:
        return self.least_days == self.most_days


@dataclass(frozen=True)
class Elsewhere:
    """What is gone by itself, or by a sweep that does more than clean up."""

    what: str
    where: str
    period: str
    how: str
