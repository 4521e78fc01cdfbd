"""Access points with a past: made-up lives for the arithmetic of up-time, and the same counted second by second."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlmodel import Session, col

from services.network.models import AccessPoint, Health, HealthPeriod, Site
from services.network.uptime import Uptime
from tests.services.network.places import make_access_point

Life = list[tuple[datetime, Health]]
"""Changes of state in order of time; the last one lasts."""


def lives(start: datetime, *, seconds: int, most: int = 10) -> st.SearchStrategy[Life]:
    """Changes at any microsecond of `seconds`, some of them on a whole second."""
    microseconds = st.integers(0, seconds * 1_000_000) | st.integers(0, seconds).map(lambda second: second * 1_000_000)
    changes = st.dictionaries(microseconds, st.sampled_from(Health), min_size=1, max_size=most)
    return changes.map(lambda found: [(start + timedelta(microseconds=at), found[at]) for at in sorted(found)])


def live(session: Session, life: Life, *, site: Site | None = None) -> AccessPoint:
    """An access point that has lived this life."""
    point = make_access_point(session, site=site, health=life[0][1], at=life[0][0])
    session.execute(sa.delete(HealthPeriod).where(col(HealthPeriod.access_point_id) == point.id))
    ends: list[datetime | None] = [*(at for at, _ in life[1:]), None]
    session.execute(
        sa.insert(HealthPeriod),
        [
            {"access_point_id": point.id, "state": state, "started_at": at, "ended_at": end}
            for (at, state), end in zip(life, ends, strict=True)
        ],
    )
    return point


def by_the_second(life: Life, start: datetime, end: datetime) -> Uptime:
    """The state at each whole second of [start, end)."""
    counted: Counter[str] = Counter()
    second = start if start.microsecond == 0 else start.replace(microsecond=0) + timedelta(seconds=1)
    while second < end:
        states = [state for at, state in life if at <= second]
        if states:
            counted[states[-1].value] += 1
        second += timedelta(seconds=1)
    return Uptime(**counted)
