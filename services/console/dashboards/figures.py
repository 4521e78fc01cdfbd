"""Numbers that somebody acts on. Each counts exactly the rows that one list of the console shows, so that it can lead there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from services.listing import Listing


class Weight(IntEnum):
    """What a number asks for while it is not 0: a person at once; somebody in the course of the day; nothing."""

    WRONG = 0
    AWAITED = 1
    PLAIN = 2


class What(StrEnum):
    """What is counted. The console knows a word and an address for each (pages/dashboard/figures.py)."""

    UNSERVED = "unserved"
    REFUNDS_REFUSED = "refunds-refused"
    UNEXPLAINED = "unexplained"
    STOCK_LOW = "stock-low"
    REFUNDS_ASKED = "refunds-asked"
    FINDINGS = "findings"
    STARTED = "started"
    PAID = "paid"
    LATE = "late"
    NOBODYS = "nobodys"
    NOT_SENT = "not-sent"
    HELD = "held"
    TONIGHT = "tonight"
    MINE = "mine"
    UNDONE = "undone"
    INCIDENTS = "incidents"
    DOWN = "down"
    SILENT = "silent"
    ONLINE = "online"
    ALARMS = "alarms"
    PARTS = "parts"
    JOBS_LATE = "jobs-late"
    JOBS_FAILING = "jobs-failing"
    BACKUP_OLD = "backup-old"
    ERRORS = "errors"


@dataclass(frozen=True)
class Figure:
    """`is_least`: counting stopped there, as the list's own counting does. `of` is how many there are in all, where that says something."""

    what: What
    number: int
    weight: Weight = Weight.PLAIN
    is_least: bool = False
    of: int | None = None

    @property
    def asks(self) -> bool:
        """Whether somebody has to do something because of it."""
        return self.weight is not Weight.PLAIN and self.number > 0


def counted(what: What, found: Listing[Any], weight: Weight = Weight.PLAIN) -> Figure:
    """The total of a list, as the list itself says it."""
    return Figure(what, found.total, weight, found.is_estimate)
