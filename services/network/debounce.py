"""When a reported state counts: two polls in a row must agree, and then it counts from the moment that the first of them saw it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from services.network.models import Health


@dataclass(frozen=True)
class Standing:
    """What is held of one access point's health: the last report, the state that counts, and the one that waits to be confirmed."""

    reported: Health
    health: Health
    health_since: datetime
    candidate: Health | None = None
    candidate_since: datetime | None = None


def hear(standing: Standing, said: Health, *, at: datetime) -> Standing:
    """What stands after a poll at `at` said `said`. A state seen once and gone leaves only its report behind.

    Retirement is somebody's decision and not a measurement, so it counts at once. The same poll heard twice confirms nothing.
    """
    if said is standing.health:
        return replace(standing, reported=said, candidate=None, candidate_since=None)
    if said is standing.reported and standing.candidate is None:
        # Somebody called this report a false alarm (services/network/incident_desk.py): it counts again when it changes.
        return standing
    if said is Health.RETIRED:
        return Standing(said, said, max(at, standing.health_since))
    if said is not standing.candidate or standing.candidate_since is None:
        return replace(standing, reported=said, candidate=said, candidate_since=at)
    if at <= standing.candidate_since:
        return standing
    # Clocks of two machines may differ: a state never begins before the one it follows.
    return Standing(said, said, max(standing.candidate_since, standing.health_since))
