"""Outages near a customer: own places first, then by the way, and nothing of what staff knows."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from services.apps.callers import Caller
from services.apps.places import OutageNear, outages
from services.network.incident_models import Incident, IncidentState
from services.network.models import Site
from tests.conftest import NOON
from tests.factories import make_gateway
from tests.services.access.online import online
from tests.services.apps.texting import logged_in
from tests.services.network.places import make_site

MINE = "+220833000051"
HERE = (13.45, -16.58)


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session, MINE)[1]


def down(session: Session, name: str, position: tuple[float, float] | None, *, since: datetime = NOON) -> Site:
    site = make_site(session, name)
    if position is not None:
        site.latitude, site.longitude = position
    session.add(Incident(reference=f"I-{name[:8]}", site_id=site.id, started_at=since, opened_at=since, note="Cable stolen, again"))
    session.flush()
    return site


def names(found: tuple[OutageNear, ...]) -> list[tuple[str, float | None, bool]]:
    return [(one.name, one.km, one.is_mine) for one in found]


def test_own_places_come_first_and_then_the_nearest(session: Session, me: Caller) -> None:
    down(session, "Far", (13.30, -16.58))
    down(session, "Near", (13.46, -16.58))
    down(session, "Nobody knows where", None)
    mine = down(session, "Mine", (13.00, -16.58))
    gateway = make_gateway(session)
    gateway.site_id = mine.id
    online(session, gateway=gateway, at=NOON, phone=MINE)
    assert names(outages(session, me, near=HERE, now=NOON)) == [
        ("Mine", 50.0, True),
        ("Near", 1.1, False),
        ("Far", 16.7, False),
        ("Nobody knows where", None, False),
    ]


def test_without_a_position_the_newest_comes_first(session: Session, me: Caller) -> None:
    for hours, name in ((2, "Second"), (1, "First"), (3, "Third")):
        down(session, name, HERE, since=NOON - timedelta(hours=hours))
    assert names(outages(session, me, near=None, now=NOON)) == [(name, None, False) for name in ("First", "Second", "Third")]


def test_what_is_over_or_has_no_place_is_not_told(session: Session, me: Caller) -> None:
    site = down(session, "Over", HERE)
    over = session.exec(select(Incident).where(Incident.site_id == site.id)).one()
    over.state, over.resolved_at = IncidentState.RESOLVED, NOON
    session.add(Incident(reference="I-NOPLACE", started_at=NOON, opened_at=NOON))
    session.flush()
    assert outages(session, me, near=HERE, now=NOON) == ()


def test_what_staff_found_out_is_no_part_of_it() -> None:
    told = {field.name for field in fields(OutageNear)}
    assert told == {"place_id", "name", "address", "latitude", "longitude", "since", "km", "is_mine"}
