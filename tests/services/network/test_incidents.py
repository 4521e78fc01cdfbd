"""From access points that go down to one incident, one ticket, time given back and one message each; and back again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput, Stale
from app.keys import unseal
from services.access.models import Entitlement, Gateway
from services.access.outage_models import Compensation, OutagePause
from services.accounts.models import Role
from services.network import incident_desk, incident_news, incidents
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Health, HealthPeriod, Site
from services.notifications.models import Notification
from services.tickets.changes import By
from services.tickets.incidents import incident_at as incident_for_report
from services.tickets.models import Channel, Ticket, TicketState
from services.tickets.opening import Opening, open_ticket
from tests.conftest import NOON
from tests.factories import make_gateway, staff
from tests.services.access.online import online
from tests.services.network.places import make_access_point, make_site, turn

MINUTE = timedelta(minutes=1)
ADMIN = staff(Role.SYSTEM_ADMIN)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def go_down(session: Session, *points: AccessPoint, seen: datetime, confirmed: datetime) -> None:
    incidents.react(session, [turn(session, point, Health.OFFLINE, seen) for point in points], now=confirmed)


def come_back(session: Session, *points: AccessPoint, seen: datetime, confirmed: datetime) -> None:
    incidents.react(session, [turn(session, point, Health.ONLINE, seen) for point in points], now=confirmed)


def a_report(session: Session, gateway: Gateway, moment: datetime) -> Ticket:
    opening = Opening(body="No internet", channel=Channel.PORTAL, gateway_id=gateway.id)
    return open_ticket(session, opening, who=By("customer"), now=moment)


def the_incident(session: Session) -> Incident:
    return session.exec(select(Incident)).one()


def tell(session: Session) -> int:
    @contextmanager
    def begin() -> Iterator[Session]:
        yield session
        session.flush()

    return sum(incident_news.tell(begin, incident.id or 0, clock=lambda: at(120)) for incident in session.exec(select(Incident)).all())


def messages(session: Session) -> list[str]:
    rows = session.exec(select(Notification).where(col(Notification.dedupe_key).like("incident:%")).order_by(col(Notification.id))).all()
    return [unseal("sms-body", row.body_sealed).decode() for row in rows]


@pytest.fixture
def site(session: Session) -> Site:
    return make_site(session, "Brikama market")


class TestOneCauseOneIncident:
    def test_several_down_at_one_place_are_one_incident(self, session: Session, site: Site) -> None:
        first, second, third = (make_access_point(session, site=site) for _ in range(3))
        go_down(session, first, second, seen=at(10), confirmed=at(11))
        go_down(session, third, seen=at(12), confirmed=at(13))
        incident = the_incident(session)
        assert (incident.state, incident.started_at, incident.opened_at) == (IncidentState.OPEN, at(10), at(11))
        assert len(session.exec(select(IncidentMember)).all()) == 3

    def test_two_places_are_two_incidents(self, session: Session, site: Site) -> None:
        here, there = make_access_point(session, site=site), make_access_point(session, site=make_site(session))
        go_down(session, here, there, seen=at(10), confirmed=at(11))
        assert len(session.exec(select(Incident)).all()) == 2

    def test_one_without_a_place_is_an_incident_of_its_own(self, session: Session) -> None:
        go_down(session, make_access_point(session), make_access_point(session), seen=at(10), confirmed=at(11))
        assert [incident.site_id for incident in session.exec(select(Incident)).all()] == [None, None]

    def test_telling_the_same_change_twice_adds_nothing(self, session: Session, site: Site) -> None:
        point = make_access_point(session, site=site)
        change = turn(session, point, Health.OFFLINE, at(10))
        incidents.react(session, [change], now=at(11))
        incidents.react(session, [change], now=at(12))
        assert len(session.exec(select(IncidentMember)).all()) == len(session.exec(select(Ticket)).all()) == 1

    def test_a_problem_that_is_not_an_outage_opens_nothing(self, session: Session, site: Site) -> None:
        point = make_access_point(session, site=site)
        incidents.react(session, [turn(session, point, Health.DEGRADED, at(10))], now=at(11))
        assert session.exec(select(Incident)).all() == []

    def test_it_is_over_when_the_last_one_is_back(self, session: Session, site: Site) -> None:
        first, second = (make_access_point(session, site=site) for _ in range(2))
        go_down(session, first, second, seen=at(10), confirmed=at(11))
        come_back(session, first, seen=at(20), confirmed=at(21))
        assert the_incident(session).state is IncidentState.OPEN
        come_back(session, second, seen=at(30), confirmed=at(31))
        incident = the_incident(session)
        assert (incident.state, incident.resolved_at) == (IncidentState.RESOLVED, at(30))

    def test_down_again_at_once_is_the_same_incident(self, session: Session, site: Site) -> None:
        point = make_access_point(session, site=site)
        go_down(session, point, seen=at(10), confirmed=at(11))
        come_back(session, point, seen=at(20), confirmed=at(21))
        go_down(session, point, seen=at(25), confirmed=at(26))
        assert the_incident(session).state is IncidentState.OPEN

    def test_down_again_much_later_is_another(self, session: Session, site: Site) -> None:
        point = make_access_point(session, site=site)
        go_down(session, point, seen=at(10), confirmed=at(11))
        come_back(session, point, seen=at(20), confirmed=at(21))
        go_down(session, point, seen=at(40), confirmed=at(41))
        assert len(session.exec(select(Incident)).all()) == 2


class TestPaidTime:
    @pytest.fixture
    def gateway(self, session: Session, site: Site) -> Gateway:
        gateway = make_gateway(session)
        gateway.site_id = site.id
        return gateway

    @pytest.fixture
    def entitlement(self, session: Session, gateway: Gateway) -> Entitlement:
        return online(session, gateway=gateway, minutes=60)[1]

    def test_an_outage_gives_the_time_back_and_tells_it_once(
        self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement
    ) -> None:
        point = make_access_point(session, site=site, gateway=gateway)
        go_down(session, point, seen=at(10), confirmed=at(11))
        assert entitlement.seconds_left(now=at(40)) == 50 * 60
        come_back(session, point, seen=at(41), confirmed=at(42))
        assert entitlement.ends_at == at(91)
        assert tell(session) == 1
        assert tell(session) == 0
        assert messages(session) == [
            "INET: the Wi-Fi at Brikama market was down. 31 min were added to your time, so none is lost. It runs on when you are online."
        ]

    def test_nobody_is_told_while_it_lasts(self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement) -> None:
        go_down(session, make_access_point(session, site=site, gateway=gateway), seen=at(10), confirmed=at(11))
        assert tell(session) == 0
        assert entitlement.paused_at == at(10)

    def test_an_outage_that_comes_and_goes_is_told_of_once(
        self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement
    ) -> None:
        point = make_access_point(session, site=site, gateway=gateway)
        go_down(session, point, seen=at(10), confirmed=at(11))
        come_back(session, point, seen=at(20), confirmed=at(21))
        tell(session)
        go_down(session, point, seen=at(25), confirmed=at(26))
        come_back(session, point, seen=at(35), confirmed=at(36))
        tell(session)
        assert len(messages(session)) == 1
        assert entitlement.ends_at == at(80)
        assert len(session.exec(select(Compensation)).all()) == 2

    def test_with_another_access_point_alive_nobody_is_cut_off(
        self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement
    ) -> None:
        first, second = (make_access_point(session, site=site, gateway=gateway) for _ in range(2))
        go_down(session, first, seen=at(10), confirmed=at(11))
        assert entitlement.paused_at is None
        go_down(session, second, seen=at(20), confirmed=at(21))
        assert entitlement.paused_at == at(20)
        come_back(session, first, seen=at(30), confirmed=at(31))
        assert (entitlement.paused_at, entitlement.ends_at) == (None, at(70))

    def test_one_that_vanished_or_was_retired_does_not_keep_the_others_up(
        self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement
    ) -> None:
        point = make_access_point(session, site=site, gateway=gateway)
        make_access_point(session, site=site, gateway=gateway, health=Health.RETIRED)
        make_access_point(session, site=site, gateway=gateway).vanished_at = NOON
        go_down(session, point, seen=at(10), confirmed=at(11))
        assert entitlement.paused_at == at(10)

    def test_a_false_alarm_leaves_no_trace_in_anybodys_time(
        self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement
    ) -> None:
        point = make_access_point(session, site=site, gateway=gateway)
        go_down(session, point, seen=at(10), confirmed=at(11))
        incident_desk.call_false_alarm(
            session, actor=ADMIN, reference=the_incident(session).reference, reason="The probe was wrong", now=at(30)
        )
        assert (entitlement.paused_at, entitlement.ends_at) == (None, at(60))
        assert tell(session) == 0
        assert messages(session) == []
        assert session.exec(select(OutagePause)).one().end_reason == "false_alarm"

    def test_the_network_coming_back_after_a_false_alarm_changes_nothing(
        self, session: Session, site: Site, gateway: Gateway, entitlement: Entitlement
    ) -> None:
        point = make_access_point(session, site=site, gateway=gateway)
        go_down(session, point, seen=at(10), confirmed=at(11))
        incident_desk.call_false_alarm(session, actor=ADMIN, reference=the_incident(session).reference, reason="Seen it work", now=at(30))
        come_back(session, point, seen=at(40), confirmed=at(41))
        assert entitlement.ends_at == at(60)
        assert the_incident(session).state is IncidentState.FALSE_ALARM


class TestTickets:
    def test_an_incident_has_one_ticket_that_names_the_place(self, session: Session, site: Site) -> None:
        points = [make_access_point(session, site=site) for _ in range(7)]
        go_down(session, *points, seen=at(10), confirmed=at(11))
        ticket = session.exec(select(Ticket)).one()
        assert ticket.body.startswith(f"Outage {the_incident(session).reference}: 7 access points are down at Brikama market since 12:10")
        assert ticket.body.endswith("and 2 more.")

    def test_it_is_closed_with_the_outage_unless_somebody_took_it(self, session: Session, site: Site) -> None:
        point = make_access_point(session, site=site)
        go_down(session, point, seen=at(10), confirmed=at(11))
        come_back(session, point, seen=at(20), confirmed=at(21))
        assert session.exec(select(Ticket)).one().state is TicketState.CLOSED

    def test_what_customers_wrote_about_it_joins_it(self, session: Session, site: Site) -> None:
        gateway = make_gateway(session)
        gateway.site_id = site.id
        report = a_report(session, gateway, at(8))
        old = a_report(session, gateway, at(-300))
        go_down(session, make_access_point(session, site=site, gateway=gateway), seen=at(10), confirmed=at(11))
        assert report.incident_id == the_incident(session).id
        assert old.incident_id is None
        assert incident_for_report(session, gateway.id) == the_incident(session).id

    def test_a_false_alarm_closes_its_ticket_and_lets_reports_stand_alone(self, session: Session, site: Site) -> None:
        gateway = make_gateway(session)
        report = a_report(session, gateway, at(8))
        go_down(session, make_access_point(session, site=site, gateway=gateway), seen=at(10), confirmed=at(11))
        incident_desk.call_false_alarm(session, actor=ADMIN, reference=the_incident(session).reference, reason="Works here", now=at(20))
        own = session.exec(select(Ticket).where(Ticket.channel == "incident")).one()
        assert own.state is TicketState.CLOSED
        assert (report.state, report.incident_id) == (TicketState.NEW, None)


class TestTheDesk:
    @pytest.fixture
    def point(self, session: Session, site: Site) -> AccessPoint:
        point = make_access_point(session, site=site)
        go_down(session, point, seen=at(10), confirmed=at(11))
        return point

    def test_a_false_alarm_makes_the_up_time_whole(self, session: Session, point: AccessPoint) -> None:
        incident_desk.call_false_alarm(session, actor=ADMIN, reference=the_incident(session).reference, reason="Probe wrong", now=at(20))
        period = session.exec(select(HealthPeriod).where(HealthPeriod.access_point_id == point.id)).one()
        assert (period.state, period.started_at, period.ended_at) == (Health.ONLINE, NOON, None)
        assert (point.health, point.health_since) == (Health.ONLINE, NOON)

    def test_afterwards_too(self, session: Session, point: AccessPoint) -> None:
        come_back(session, point, seen=at(20), confirmed=at(21))
        incident_desk.call_false_alarm(session, actor=ADMIN, reference=the_incident(session).reference, reason="Probe wrong", now=at(60))
        period = session.exec(select(HealthPeriod).where(HealthPeriod.access_point_id == point.id)).one()
        assert (period.state, period.ended_at) == (Health.ONLINE, None)

    def test_it_wants_a_reason_and_is_said_once(self, session: Session, point: AccessPoint) -> None:
        reference = the_incident(session).reference
        with pytest.raises(InvalidInput):
            incident_desk.call_false_alarm(session, actor=ADMIN, reference=reference, reason=" ", now=at(20))
        incident_desk.call_false_alarm(session, actor=ADMIN, reference=reference, reason="Probe wrong", now=at(20))
        with pytest.raises(incident_desk.AlreadyFalseAlarm):
            incident_desk.call_false_alarm(session, actor=ADMIN, reference=reference, reason="Probe wrong", now=at(21))

    @pytest.mark.parametrize("role", [Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER])
    def test_others_may_not(self, session: Session, point: AccessPoint, role: Role) -> None:
        with pytest.raises(Forbidden):
            incident_desk.call_false_alarm(session, actor=staff(role), reference="I-X", reason="Probe wrong", now=at(20))

    def test_a_note_over_somebody_elses_is_refused(self, session: Session, point: AccessPoint) -> None:
        incident = the_incident(session)
        seen = incident.revision
        incident_desk.note(session, actor=ADMIN, reference=incident.reference, text="Power cut", expected_revision=seen, now=at(30))
        with pytest.raises(Stale):
            incident_desk.note(session, actor=ADMIN, reference=incident.reference, text="Rain", expected_revision=seen, now=at(31))
        assert incident.note == "Power cut"
