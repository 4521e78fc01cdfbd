"""Whether two tickets are about the same thing: by meaning, place and hour. A pure function; who asks it decides what follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from services.tickets.triage import ngrams
from services.tickets.triage.labels import Category
from services.tickets.triage.vectors import unpacked

LIKELY = 0.7

_HOUR = timedelta(hours=1)
_LONG_AGO = timedelta(hours=12)
# Told on sentences of ours: the same trouble in other words lies above the first, unrelated tickets below the second.
_SAME_MEANING, _OTHER_MEANING = 0.75, 0.25
_PLACE_COUNTS = frozenset({Category.CONNECTIVITY, Category.SLOW_SPEED})


@dataclass(frozen=True)
class Seen:
    """What is compared of a ticket. `vector` is that of its `Reading`; `customer` anything that is equal for the same person."""

    text: str
    at: datetime
    category: Category
    access_point: str | None = None
    customer: str | None = None
    vector: bytes | None = None


@dataclass(frozen=True)
class Likeness:
    """`score` from 0 to 1; from LIKELY on the two should be shown together. `same_outage`: two people, one trouble; never to be merged."""

    score: float
    reason: str
    same_outage: bool = False

    @property
    def likely(self) -> bool:
        return self.score >= LIKELY


def likeness(one: Seen, other: Seen) -> Likeness:
    """How likely the two are about one thing, and why."""
    apart = abs(one.at - other.at)
    if apart > _LONG_AGO:
        return Likeness(0.0, "More than twelve hours lie between them.")
    meaning = _meaning(one, other)
    soon = max(0.0, 1 - max(apart - _HOUR, timedelta()) / (_LONG_AGO - _HOUR))
    same_person = one.customer is not None and one.customer == other.customer
    same_place = one.access_point is not None and one.access_point == other.access_point
    when = "within the hour" if apart <= _HOUR else f"{apart / _HOUR:.0f} hours apart"
    if same_person:
        return Likeness(round(soon * (0.4 + 0.6 * meaning), 3), f"The same person, {when}; {_told(meaning)}.")
    if same_place and one.category is other.category and one.category in _PLACE_COUNTS:
        told = f"The same access point ({one.access_point}), the same trouble, {when}; {_told(meaning)}."
        return Likeness(round(soon * (LIKELY + (1 - LIKELY) * meaning), 3), told, same_outage=True)
    return Likeness(round(0.6 * soon * meaning, 3), f"Other people at other places; {_told(meaning)}.")


def _told(meaning: float) -> str:
    return f"the texts say {'the same' if meaning >= 0.8 else 'something alike' if meaning >= 0.4 else 'different things'} ({meaning:.0%})"


def _meaning(one: Seen, other: Seen) -> float:
    """0 to 1, from the vectors where both have one of the same size, from common words otherwise."""
    if one.text.casefold().split() == other.text.casefold().split():
        return 1.0
    if one.vector and other.vector and len(one.vector) == len(other.vector):
        near = float(np.dot(unpacked(one.vector), unpacked(other.vector)))
        return min(1.0, max(0.0, (near - _OTHER_MEANING) / (_SAME_MEANING - _OTHER_MEANING)))
    mine, theirs = set(ngrams.words_of(one.text)), set(ngrams.words_of(other.text))
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 0.0
