"""The list of the day: what is at risk first, and of what is alike the nearest."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlmodel import Session

from services.accounts.models import Staff
from services.accounts.sessions import principal_of
from services.apps.devices import Phone, open_for_staff
from services.fieldwork import visits, worklist
from services.fieldwork.models import VisitState
from services.fieldwork.worklist import Band, WorkList
from services.network.incident_models import Incident, IncidentState
from services.network.models import Health
from services.tickets.models import HoldReason, Ticket, TicketState
from tests.conftest import NOON
from tests.services.fieldwork.out import a_technician, given, worker
from tests.services.network.places import make_access_point, make_site
from tests.services.tickets.working import a_customer

HERE = (13.45, -16.60)
KM = 1 / 111.2
_numbers = count(1)


@pytest.fixture
def lamin(session: Session) -> Staff:
    return a_technician(session)


def a_job(session: Session, lamin: Staff, *, due: float | None, km: float | None = None, **more: Any) -> Ticket:
    """Due in so many hours, that far to the north."""
    ticket = given(session, lamin, **more)
    ticket.due_at = NOON + timedelta(hours=due) if due is not None else None
    if km is not None:
        site = make_site(session)
        site.latitude, site.longitude = HERE[0] + km * KM, HERE[1]
        ticket.site_id = site.id
    session.flush()
    return ticket


def listed(session: Session, lamin: Staff, **more: Any) -> WorkList:
    return worklist.work_list(session, actor=principal_of(lamin), now=NOON, **({"position": HERE} | more))


def test_risk_comes_before_the_way_and_the_way_before_minutes(session: Session, lamin: Staff) -> None:
    far_late, near_late = a_job(session, lamin, due=-5, km=30), a_job(session, lamin, due=-1, km=2)
    today_far, today_near = a_job(session, lamin, due=5, km=20), a_job(session, lamin, due=6, km=1)
    soon, nothing_due = a_job(session, lamin, due=1, km=40), a_job(session, lamin, due=None, km=0)
    found = listed(session, lamin)
    assert [one.ticket.id for one in found.errands] == [one.id for one in (near_late, far_late, soon, today_near, today_far, nothing_due)]
    assert found.errands[0].why == "Its deadline has passed, 2 km away"
    assert found.total == 6


def test_without_a_position_what_is_due_first_comes_first(session: Session, lamin: Staff) -> None:
    later, sooner, whenever = a_job(session, lamin, due=6, km=1), a_job(session, lamin, due=5, km=20), a_job(session, lamin, due=None)
    found = listed(session, lamin, position=None)
    assert [one.ticket.id for one in found.errands] == [sooner.id, later.id, whenever.id]
    assert [one.distance_km for one in found.errands] == [None] * 3


def test_places_that_nobody_knows_come_behind_those_that_are_near(session: Session, lamin: Staff) -> None:
    nowhere, near = a_job(session, lamin, due=4), a_job(session, lamin, due=6, km=15)
    assert [one.ticket.id for one in listed(session, lamin).errands] == [near.id, nowhere.id]


def test_what_they_are_at_comes_first_and_what_waits_last(session: Session, lamin: Staff) -> None:
    waits, late, at_it = a_job(session, lamin, due=1), a_job(session, lamin, due=-1), a_job(session, lamin, due=None)
    waits.state, waits.hold_reason = TicketState.ON_HOLD, HoldReason.PART
    visits.step(session, worker=worker(lamin), ticket_id=at_it.id or 0, to=VisitState.ON_THE_WAY)
    # Its clock would stand; a deadline that has passed presses all the same.
    for ticket, hours in ((waits, 1), (late, -1)):
        ticket.due_at = NOON + timedelta(hours=hours)
    session.flush()
    found = listed(session, lamin)
    assert [(one.ticket.id, one.band) for one in found.errands] == [
        (at_it.id, Band.UNDER_WAY),
        (late.id, Band.LATE),
        (waits.id, Band.WAITS),
    ]
    assert found.errands[0].visit is VisitState.ON_THE_WAY


def test_nothing_that_is_done_or_lies_with_somebody_else_is_on_the_list(session: Session, lamin: Staff) -> None:
    done = a_job(session, lamin, due=1)
    done.state = TicketState.RESOLVED
    a_job(session, a_technician(session, "musa"), due=1)
    session.flush()
    assert listed(session, lamin) == WorkList((), 0, HERE, None)


def test_the_phones_last_position_counts_for_a_while(session: Session, lamin: Staff) -> None:
    a_job(session, lamin, due=1, km=3)
    phone = open_for_staff(session, person=lamin, phone=Phone(), now=NOON).device
    phone.latitude, phone.longitude, phone.located_at = *HERE, NOON - timedelta(hours=1)
    session.flush()
    found = listed(session, lamin, position=None, app_device_id=phone.id)
    assert (found.errands[0].distance_km, found.position, found.position_at) == (3.0, HERE, NOON - timedelta(hours=1))
    phone.located_at = NOON - timedelta(hours=13)
    session.flush()
    assert listed(session, lamin, position=None, app_device_id=phone.id).errands[0].distance_km is None


def test_each_says_how_its_access_point_fares_which_outage_runs_and_whom_to_call(session: Session, lamin: Staff) -> None:
    site = make_site(session, "Market")
    point = make_access_point(session, site=site, health=Health.OFFLINE)
    session.add(Incident(reference="I-1", site_id=site.id, state=IncidentState.OPEN, started_at=NOON, opened_at=NOON))
    ticket = a_job(session, lamin, due=1, customer=a_customer(session))
    ticket.access_point_id = point.id
    session.flush()
    one = listed(session, lamin).errands[0]
    assert one.radio is not None
    assert (one.radio.health, one.incident, one.site and one.site.name) == (Health.OFFLINE, "I-1", "Market")
    assert one.phone == a_customer(session).phone_e164
