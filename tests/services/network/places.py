"""Sites and access points for tests."""

from __future__ import annotations

from datetime import datetime
from itertools import count

from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.network.models import AccessPoint, Health, HealthPeriod, Site
from services.network.transitions import Transition
from tests.conftest import NOON

_numbers = count(1)


def make_site(session: Session, name: str | None = None) -> Site:
    site = Site(name=name or f"Site {next(_numbers)}")
    session.add(site)
    session.flush()
    return site


def make_access_point(
    session: Session, *, site: Site | None = None, gateway: Gateway | None = None, health: Health = Health.ONLINE, at: datetime = NOON
) -> AccessPoint:
    """An access point that has been in this state since `at`."""
    number = next(_numbers)
    point = AccessPoint(
        external_id=f"external-{number}",
        name=f"AP {number}",
        mac=f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
        site_id=site.id if site else None,
        gateway_id=gateway.id if gateway else None,
        discovered_at=at,
        reported=health,
        health=health,
        health_since=at,
    )
    session.add(point)
    session.flush()
    assert point.id is not None
    session.add(HealthPeriod(access_point_id=point.id, state=health, started_at=at))
    session.flush()
    return point


def turn(session: Session, point: AccessPoint, after: Health, at: datetime) -> Transition:
    """What a health poll records when two of them agree, from the moment of the first."""
    assert point.id is not None
    change = Transition(point.id, point.health, after, at)
    open_now = select(HealthPeriod).where(HealthPeriod.access_point_id == point.id, col(HealthPeriod.ended_at).is_(None))
    session.exec(open_now).one().ended_at = at
    session.flush()
    session.add(HealthPeriod(access_point_id=point.id, state=after, started_at=at))
    point.health, point.health_since, point.reported = after, at, after
    session.flush()
    return change
