"""What a search answers: hits of a kind, each with what a person recognises it by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """In the order in which they are shown where nothing tells them apart."""

    PEOPLE = "people"
    TICKETS = "tickets"
    PAYMENTS = "payments"
    VOUCHERS = "vouchers"
    DEVICES = "devices"
    ACCESS_POINTS = "access_points"
    SITES = "sites"
    GATEWAYS = "gateways"
    INCIDENTS = "incidents"
    STAFF = "staff"


class Rank(IntEnum):
    """How well it fits, best first: just so; begins so; has it somewhere; is written nearly so."""

    EXACT = 0
    PREFIX = 1
    PART = 2
    SIMILAR = 3


@dataclass(frozen=True)
class Hit:
    """`key` names it in its page's address. `at` is when it began or was last seen; `is_late`: its deadline has passed."""

    kind: Kind
    key: str
    title: str
    note: str = ""
    rank: Rank = Rank.EXACT
    state: StrEnum | None = None
    amount_bututs: int | None = None
    at: datetime | None = None
    is_late: bool = False


@dataclass(frozen=True)
class Group:
    """The hits of one kind, best first. `is_more`: there are others. `is_late`: it took too long, so there may be some."""

    kind: Kind
    hits: tuple[Hit, ...] = ()
    is_more: bool = False
    is_late: bool = False

    @property
    def best(self) -> Rank:
        return min((hit.rank for hit in self.hits), default=Rank.SIMILAR)


SHOWN = 5
_TOO_LONG = 19  # digits of a bigint
# One more than is shown tells that there are others.
WANTED = SHOWN + 1


def numbers(keys: Sequence[str]) -> list[int]:
    """The keys that are row numbers, whatever else an address may have had in their place."""
    return [int(key) for key in keys if key.isdecimal() and len(key) < _TOO_LONG]
