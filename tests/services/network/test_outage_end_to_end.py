"""From an outage in OpenWISP to the message on a customer's phone, over the real wire: OpenWISP and the SMS gateway are the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from app.db import transaction
from services.access.models import AccessSession, Entitlement, Gateway, Grant
from services.access.outage_models import Compensation, OutagePause
from services.accounts.models import Customer, Role
from services.integrations.clients import outside
from services.integrations.openwisp import OpenWispClient
from services.network import health, incident_desk, incident_news
from services.network.alarm_models import CheckOutcome
from services.network.discovery import discover
from services.network.incident_models import Incident, IncidentState
from services.network.incident_queries import incident_page
from services.network.models import AccessPoint, Health, Site
from services.network.uptime import uptime_by_access_point
from services.notifications import outbox
from services.notifications.models import Notification, NotificationState
from services.tickets.models import Ticket, TicketState
from services.vouchers.models import Voucher
from tests.conftest import NOON, Sandbox
from tests.depth import IS_DEEP
from tests.factories import make_gateway, staff
from tests.services.access.online import online
from tests.services.network.openwisp import Clock, OpenWisp, client_of

ADMIN = staff(Role.SYSTEM_ADMIN)
MINUTE = timedelta(minutes=1)
POLL_SECONDS = 60
# At several of each site; a whole country has 5,000.
SITES, ACCESS_POINTS = 150, 5_000 if IS_DEEP else 1_200
CUSTOMERS = SITES


@dataclass
class Drive:
    """The network's jobs, run by hand at times of the test's choosing."""

    session: Session
    sandbox: Sandbox
    openwisp: OpenWisp
    client: OpenWispClient
    clock: Clock

    def discovers(self) -> None:
        assert discover(transaction, self.client, asked_by="test", clock=self.clock).outcome is CheckOutcome.DONE
        self.polls(1)

    def polls(self, times: int = 2) -> None:
        for _ in range(times):
            self.clock.passes(POLL_SECONDS)
            assert health.poll(transaction, self.client, clock=self.clock).outcome is CheckOutcome.DONE
        self.session.expire_all()

    def tells(self) -> None:
        """What the ring of a closed incident does: write the texts, then send each."""
        for incident in self.session.exec(select(Incident)).all():
            assert incident.id is not None
            incident_news.tell(transaction, incident.id, clock=self.clock)
        for message_id in self.session.exec(select(Notification.id).where(Notification.state == NotificationState.QUEUED)).all():
            outbox.send(transaction, message_id or 0, outside(), clock=self.clock)
        self.session.expire_all()

    def takes_down(self, location: str) -> None:
        self.openwisp.order("devices", location=location, status="critical")

    def brings_back(self, location: str) -> None:
        self.openwisp.order("devices", location=location, status="ok")

    def texts(self) -> list[dict[str, Any]]:
        return list(self.sandbox.http.get("/sms").raise_for_status().json())

    def all_of(self, kind: Any) -> list[Any]:
        return list(self.session.exec(select(kind).order_by(kind.id)).all())

    def only(self, kind: Any) -> Any:
        (found,) = self.all_of(kind)
        return found


@dataclass
class Place:
    """A site with access points that are all well, behind one gateway."""

    location: str
    site: Site
    gateway: Gateway
    points: list[AccessPoint]


@pytest.fixture
def drive(session: Session, sandbox: Sandbox, openwisp: OpenWisp, client: OpenWispClient, clock: Clock) -> Drive:
    drive = Drive(session, sandbox, openwisp, client, clock)
    drive.discovers()
    return drive


@pytest.fixture
def place(drive: Drive) -> Place:
    points: dict[int, list[AccessPoint]] = {}
    for point in drive.session.exec(select(AccessPoint).where(AccessPoint.health == Health.ONLINE)).all():
        if point.site_id is not None:
            points.setdefault(point.site_id, []).append(point)
    everywhere = Counter(drive.session.exec(select(AccessPoint.site_id)).all())
    site_id = next(site_id for site_id, found in points.items() if len(found) == everywhere[site_id] > 1)
    site = drive.session.get_one(Site, site_id)
    gateway = make_gateway(drive.session)
    for point in points[site_id]:
        point.gateway_id = gateway.id
    drive.session.flush()
    assert site.external_id is not None
    return Place(site.external_id, site, gateway, points[site_id])


def customers(drive: Drive, gateway: Gateway, number: int) -> list[Entitlement]:
    return [
        online(drive.session, gateway=gateway, at=drive.clock.now, minutes=180, phone=f"+22083300{index:04d}")[1] for index in range(number)
    ]


def test_an_outage_becomes_an_incident_a_ticket_time_given_back_and_one_message_each(drive: Drive, place: Place) -> None:
    bought = customers(drive, place.gateway, 2)
    ends = {entitlement.id: entitlement.ends_at for entitlement in bought}
    drive.polls(5)
    drive.takes_down(place.location)
    drive.polls(1)
    seen_at = drive.clock.now
    assert drive.all_of(Incident) == []
    drive.polls(1)
    incident, ticket = drive.only(Incident), drive.only(Ticket)
    assert (incident.state, incident.site_id, incident.started_at) == (IncidentState.OPEN, place.site.id, seen_at)
    assert (ticket.incident_id, ticket.state, ticket.gateway_id) == (incident.id, TicketState.NEW, place.gateway.id)
    shown = incident_page(drive.session, actor=ADMIN, reference=incident.reference)
    assert (shown.standing, shown.row.hit, shown.row.access_points) == (2, 2, len(place.points))
    assert {entitlement.paused_at for entitlement in drive.all_of(Entitlement)} == {seen_at}

    drive.clock.passes(40 * POLL_SECONDS)
    drive.polls(1)
    drive.brings_back(place.location)
    drive.polls(1)
    back_at = drive.clock.now
    drive.polls(1)
    drive.tells()
    incident, ticket = drive.only(Incident), drive.only(Ticket)
    assert (incident.state, incident.resolved_at, ticket.state) == (IncidentState.RESOLVED, back_at, TicketState.CLOSED)
    lost = back_at - seen_at
    assert [(row.lost_from, row.lost_until, row.seconds) for row in drive.all_of(Compensation)] == [
        (seen_at, back_at, int(lost.total_seconds()))
    ] * 2
    for entitlement in drive.all_of(Entitlement):
        assert (entitlement.paused_at, entitlement.ends_at) == (None, (ends[entitlement.id] or NOON) + lost)
    texts = drive.texts()
    assert len({text["to"] for text in texts}) == len(texts) == 2
    minutes = f"{lost // MINUTE} min were added to your time"
    assert all(minutes in text["message"] and place.site.name in text["message"] for text in texts)
    assert incident_page(drive.session, actor=ADMIN, reference=incident.reference).messages.by_state == {NotificationState.SENT: 2}


def test_what_runs_twice_tells_and_gives_once(drive: Drive, place: Place) -> None:
    customers(drive, place.gateway, 1)
    drive.takes_down(place.location)
    drive.polls()
    drive.clock.passes(10 * POLL_SECONDS)
    drive.brings_back(place.location)
    drive.polls(4)
    for _ in range(3):
        drive.tells()
        drive.polls(1)
    assert len(drive.texts()) == len(drive.all_of(Compensation)) == len(drive.all_of(Ticket)) == len(drive.all_of(Incident)) == 1


def test_a_false_alarm_is_undone_as_if_nothing_had_been(drive: Drive, place: Place) -> None:
    bought = customers(drive, place.gateway, 2)
    ends = [entitlement.ends_at for entitlement in bought]
    before = drive.clock.now
    drive.takes_down(place.location)
    drive.clock.passes(20 * POLL_SECONDS)
    drive.polls()
    assert all(entitlement.paused_at is not None for entitlement in drive.all_of(Entitlement))
    incident = drive.only(Incident)
    incident_desk.call_false_alarm(
        drive.session, actor=ADMIN, reference=incident.reference, reason="They were online all the time", now=drive.clock.now
    )
    # OpenWISP goes on saying so for a while: that is no outage of its own.
    drive.polls(3)
    drive.brings_back(place.location)
    drive.polls(3)
    drive.tells()
    assert (drive.only(Incident).state, drive.only(Ticket).state) == (IncidentState.FALSE_ALARM, TicketState.CLOSED)
    assert [(entitlement.paused_at, entitlement.ends_at) for entitlement in drive.all_of(Entitlement)] == [(None, end) for end in ends]
    assert drive.all_of(Compensation) == drive.texts() == []
    assert {pause.end_reason for pause in drive.all_of(OutagePause)} == {"false_alarm"}
    ids = [point.id or 0 for point in place.points]
    uptimes = uptime_by_access_point(drive.session, ids, start=before, end=drive.clock.now, now=drive.clock.now)
    assert {uptime.share for uptime in uptimes.values()} == {1.0}


def test_a_flap_that_one_poll_sees_costs_nobody_anything(drive: Drive, place: Place) -> None:
    (bought,) = customers(drive, place.gateway, 1)
    ends_at = bought.ends_at
    drive.takes_down(place.location)
    drive.polls(1)
    drive.brings_back(place.location)
    drive.polls(3)
    drive.tells()
    assert drive.all_of(Incident) == drive.all_of(OutagePause) == drive.texts() == []
    assert drive.only(Entitlement).ends_at == ends_at


def test_every_site_of_a_country_down_at_once(session: Session, sandbox: Sandbox, openwisp: OpenWisp, clock: Clock) -> None:
    """All access points of 150 sites, and somebody online at each site."""
    openwisp.order("fleet", count=ACCESS_POINTS, sites=SITES, odd=0)
    with client_of(sandbox, timeout_seconds=20) as client:
        drive = Drive(session, sandbox, openwisp, client, clock)
        drive.discovers()
        _people_everywhere(session, clock.now)
        openwisp.order("devices", share=1, status="critical")
        drive.polls(2)
        _assert_one_of_each(session, IncidentState.OPEN, TicketState.NEW)
        assert session.execute(sa.select(sa.func.count()).where(col(Entitlement.paused_at).is_not(None))).scalar_one() == CUSTOMERS
        clock.passes(8 * POLL_SECONDS)
        openwisp.order("devices", share=1, status="ok")
        drive.polls(2)
    for incident_id in session.exec(select(Incident.id)).all():
        incident_news.tell(transaction, incident_id or 0, clock=clock)
    session.expire_all()
    assert incident_news.ring_untold(session, now=clock.now) == 0
    _assert_one_of_each(session, IncidentState.RESOLVED, TicketState.CLOSED)
    given = session.exec(select(Compensation)).all()
    assert Counter(row.customer_id for row in given) == Counter({row.customer_id: 1 for row in given})
    assert len(given) == CUSTOMERS
    assert {row.seconds for row in given} == {10 * POLL_SECONDS}
    told = session.exec(select(Notification.customer_id)).all()
    assert len(told) == len(set(told)) == CUSTOMERS


def _people_everywhere(session: Session, now: datetime) -> None:
    """A gateway at each site behind which somebody is online; the access points of a site are all behind it."""
    sites = session.exec(select(Site.id).order_by(col(Site.id))).all()
    assert len(sites) == SITES
    gateway, entitlement = online(session, at=now, phone="+220833099999")
    row = session.exec(select(AccessSession)).one()
    gateways = _more(session, gateway, slug="everywhere-{}", gateway_name="inet-everywhere-{}", gateway_hash="{:064d}", site_id=sites)
    people = _more(session, session.get_one(Customer, entitlement.customer_id), phone_e164="+2208330{:05d}", legacy_e164="+2200{:06d}")
    codes = _more(
        session, session.get_one(Voucher, entitlement.voucher_id), code_mac="{:064d}", porta_account_id="v-{}", customer_id=people
    )
    bought = _more(session, entitlement, voucher_id=codes, customer_id=people)
    grants = _more(session, session.get_one(Grant, row.grant_id), gateway_id=gateways, entitlement_id=bought)
    _more(session, row, grant_id=grants, gateway_id=gateways, entitlement_id=bought, customer_id=people)
    session.delete(row)
    session.execute(
        sa.update(AccessPoint)
        .where(col(AccessPoint.site_id) == Gateway.site_id, col(Gateway.id).in_(gateways))
        .values(gateway_id=Gateway.id),
        execution_options={"synchronize_session": False},
    )
    session.flush()
    session.expire_all()


def _more(session: Session, like: SQLModel, **differing: str | Sequence[int | None]) -> list[int]:
    """As many more rows like this one as there are sites; a text is what the row's number is written into. Answers their ids."""
    kind = type(like)
    same = {name: getattr(like, name) for name in kind.model_fields if name != "id"}
    rows = [
        same | {name: value.format(number) if isinstance(value, str) else value[number] for name, value in differing.items()}
        for number in range(SITES)
    ]
    return list(session.execute(sa.insert(kind).returning(sa.inspect(kind).c.id, sort_by_parameter_order=True), rows).scalars())


def _assert_one_of_each(session: Session, state: IncidentState, ticket: TicketState) -> None:
    incidents = session.exec(select(Incident)).all()
    assert len({incident.site_id for incident in incidents}) == len(incidents) == SITES
    assert {incident.state for incident in incidents} == {state}
    tickets = session.exec(select(Ticket)).all()
    assert sorted(row.incident_id or 0 for row in tickets) == sorted(incident.id or 0 for incident in incidents)
    assert {row.state for row in tickets} == {ticket}
