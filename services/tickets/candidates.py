"""Who of a team gets a ticket: a pure function of what it asks for and of who there is. The same input always gives the same person."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EVERYBODY_SPEAKS = "en"
"""What somebody speaks of whom nothing is said."""
KM_A_TICKET = 5.0
"""What a technician's every further ticket of today counts for, beside the way: two kilometres more are less than one ticket more."""
_EARTH_KM = 6371.0
_NEVER = 0.0

Position = tuple[float, float]


@dataclass(frozen=True)
class Asked:
    """What a ticket asks for. `is_field` is the team's: whose way counts. `place` is None where nobody knows where it is."""

    skill: str | None = None
    language: str | None = None
    place: Position | None = None
    is_field: bool = False


@dataclass(frozen=True)
class Candidate:
    """One member of the team. `load` are the undone tickets that lie with them, `today` those that they were given since midnight."""

    staff_id: int
    name: str
    is_active: bool = True
    is_on_duty: bool = True
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    zone: Position | None = None
    capacity: int = 20
    load: int = 0
    today: int = 0
    last_given_at: datetime | None = None

    def speaks(self, language: str | None) -> bool:
        return language is None or language in (self.languages or {EVERYBODY_SPEAKS})


@dataclass(frozen=True)
class Weighed:
    """A candidate as they were weighed, with the reason in words."""

    staff_id: int
    name: str
    fits: bool
    km: float | None
    load: int
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {"person": self.name, "staff_id": self.staff_id, "fits": self.fits, "km": self.km, "load": self.load, "reason": self.reason}


def weigh(asked: Asked, candidates: Iterable[Candidate]) -> tuple[Weighed, ...]:
    """Everybody, whoever is to have it first, and behind those who fit, those who do not."""
    ranked = sorted(candidates, key=lambda one: (_refusal(asked, one) is not None, _rank(asked, one)))
    return tuple(_weighed(asked, one) for one in ranked)


def chosen(weighed: Iterable[Weighed]) -> Weighed | None:
    """Whoever is to have it; None when nobody can."""
    return next((one for one in weighed if one.fits), None)


def distance_km(one: Position, other: Position) -> float:
    """On the great circle (haversine)."""
    (latitude, longitude), (latitude_2, longitude_2) = (tuple(map(math.radians, point)) for point in (one, other))
    half = math.sin((latitude_2 - latitude) / 2) ** 2
    half += math.cos(latitude) * math.cos(latitude_2) * math.sin((longitude_2 - longitude) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def _refusal(asked: Asked, one: Candidate) -> str | None:
    """Why this person cannot have it, in words."""
    if not one.is_active:
        return "the account is disabled"
    if not one.is_on_duty:
        return "off duty"
    if asked.skill and asked.skill not in one.skills:
        return f"does not have the skill “{asked.skill}”"
    if one.load >= one.capacity:
        return f"has {one.load} of {one.capacity} already"
    return None


def _rank(asked: Asked, one: Candidate) -> tuple[Any, ...]:
    last = one.last_given_at.timestamp() if one.last_given_at else _NEVER
    silent = not one.speaks(asked.language)
    if not asked.is_field:
        return (silent, one.load / one.capacity, one.today, last, one.staff_id)
    km = _km(asked, one)
    # Who has no zone comes after those who have one; where the place is unknown, no way is nearer than another.
    way = (km is None and asked.place is not None, (km or 0.0) + KM_A_TICKET * one.today)
    return (*way, silent, one.load / one.capacity, last, one.staff_id)


def _km(asked: Asked, one: Candidate) -> float | None:
    if not asked.is_field or asked.place is None or one.zone is None:
        return None
    return round(distance_km(asked.place, one.zone), 1)


def _weighed(asked: Asked, one: Candidate) -> Weighed:
    refusal, km = _refusal(asked, one), _km(asked, one)
    return Weighed(one.staff_id, one.name, refusal is None, km, one.load, refusal or _reason(asked, one, km))


def _reason(asked: Asked, one: Candidate, km: float | None) -> str:
    said = [f"{km:g} km away"] if km is not None else []
    if asked.is_field and asked.place is not None and km is None:
        said.append("no zone is set")
    said += [f"{one.load} of {one.capacity} tickets", f"{one.today} today"]
    if asked.language not in (None, EVERYBODY_SPEAKS):
        said.append("speaks the language" if one.speaks(asked.language) else "does not speak the language")
    return ", ".join(said)
