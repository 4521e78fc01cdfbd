"""Scanning an access point's label shows how it fares, and what is to be done about it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden, InvalidInput
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.fieldwork import boxes
from services.network.access_point_queries import AccessPointNotFound
from services.network.incident_models import Incident, IncidentMember
from services.network.models import AccessPoint, Health
from tests.conftest import NOON
from tests.services.fieldwork.out import a_technician, given
from tests.services.network.places import make_access_point, make_site, turn
from tests.services.tickets.people import a_service


@pytest.fixture
def lamin(session: Session) -> Principal:
    return principal_of(a_technician(session))


@pytest.fixture
def point(session: Session) -> AccessPoint:
    made = make_access_point(session, site=make_site(session, "Market"), at=NOON - timedelta(days=10))
    made.mac = "02:aa:bb:cc:dd:0e"
    session.flush()
    return made


@pytest.mark.parametrize(
    "code",
    [
        "inet:ap:02:aa:bb:cc:dd:0e",
        "INET:AP:02-AA-BB-CC-DD-0E",
        "02AABBCCDD0E",
        " 02aa.bbcc.dd0e ",
        "02-aa-bb-cc-dd-0e",
        "02:AA:BB:CC:DD:0E",
    ],
)
def test_a_label_is_read_however_it_is_written(session: Session, lamin: Principal, point: AccessPoint, code: str) -> None:
    assert boxes.scanned(session, actor=lamin, code=code, now=NOON).row.id == point.id


@pytest.mark.parametrize("code", ["", "inet:ap:", "https://example.com", "02:aa:bb", "inet:ap:zz:aa:bb:cc:dd:0e", "x" * 80])
def test_what_is_no_label_is_refused_in_words(session: Session, lamin: Principal, code: str) -> None:
    with pytest.raises(InvalidInput, match="no label"):
        boxes.scanned(session, actor=lamin, code=code, now=NOON)


def test_a_box_that_nobody_knows_yet_is_not_found(session: Session, lamin: Principal) -> None:
    with pytest.raises(AccessPointNotFound, match="If it is new"):
        boxes.scanned(session, actor=lamin, code="02:00:00:00:00:99", now=NOON)


def test_of_two_with_one_mac_the_one_that_is_there_is_shown(session: Session, lamin: Principal, point: AccessPoint) -> None:
    gone = make_access_point(session)
    gone.mac, gone.vanished_at = point.mac, NOON
    session.flush()
    assert boxes.scanned(session, actor=lamin, code=point.mac or "", now=NOON).row.id == point.id


def test_it_shows_its_past_its_outage_and_the_tickets_in_sight(session: Session, point: AccessPoint) -> None:
    lamin = a_technician(session)
    turn(session, point, Health.OFFLINE, NOON - timedelta(days=2))
    incident = Incident(reference="I-1", site_id=point.site_id, started_at=NOON, opened_at=NOON)
    session.add(incident)
    session.flush()
    session.add(IncidentMember(incident_id=incident.id or 0, access_point_id=point.id or 0, started_at=NOON))
    own, foreign = given(session, lamin), given(session, a_technician(session, "musa"))
    for ticket in (own, foreign):
        ticket.access_point_id = point.id
    session.flush()
    found = boxes.box(session, actor=principal_of(lamin), access_point_id=point.id or 0, now=NOON)
    assert [(one.state, one.end - one.start) for one in found.periods] == [
        (Health.ONLINE, timedelta(days=8)),
        (Health.OFFLINE, timedelta(days=2)),
    ]
    assert [(month.month, uptime.share) for month, uptime in found.months.items()] == [(10, None), (11, 0.8)]
    assert found.incident is not None
    assert (found.site and found.site.name, found.incident.reference) == ("Market", "I-1")
    assert [ticket.id for ticket in found.tickets] == [own.id]


def test_it_needs_the_right_to_look_at_the_network(session: Session, point: AccessPoint) -> None:
    with pytest.raises(Forbidden):
        boxes.scanned(session, actor=a_service("tickets:read", number=1), code=point.mac or "", now=NOON)
