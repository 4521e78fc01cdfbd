"""Live facts: what a person may know of, what was known when the ticket came, the place that is found, the outage that is told once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from services.access.models import Gateway
from services.accounts.models import Customer, Role
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Health, HealthPeriod
from services.notifications.models import Notification
from services.payments.models import PaymentStatus
from services.tickets import changes, enrichment, incidents, outage_news
from services.tickets.errors import TicketNotFound
from services.tickets.models import Priority, Ticket, TicketEvent
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders

HOUR = timedelta(hours=1)


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return builders.a_gateway(session, now=NOON)


@pytest.fixture
def point(session: Session, gateway: Gateway) -> AccessPoint:
    found = AccessPoint(
        external_id="ap-1",
        name="Market 1",
        site_id=gateway.site_id,
        gateway_id=gateway.id,
        discovered_at=NOON,
        health=Health.ONLINE,
        health_since=NOON,
    )
    session.add(found)
    session.flush()
    return found


@pytest.fixture
def customer(session: Session) -> Customer:
    return builders.a_customer(session, 1, now=NOON)


def served(session: Session, customer: Customer, gateway: Gateway, *, at: object = NOON - HOUR) -> None:
    offer = builders.an_offer(session, now=NOON)
    builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=at, gateway=gateway)  # type: ignore[arg-type]


def an_outage(session: Session, gateway: Gateway) -> Incident:
    incident = Incident(reference="I-234567", site_id=gateway.site_id, started_at=NOON - HOUR, opened_at=NOON - HOUR)
    session.add(incident)
    session.flush()
    return incident


def kinds(session: Session, ticket: Ticket) -> list[str]:
    return list(session.exec(select(TicketEvent.kind).where(TicketEvent.ticket_id == ticket.id)).all())


def outages_told(session: Session) -> int:
    return len(session.exec(select(Notification).where(Notification.event == "ticket_outage")).all())


def test_everything_that_is_known_stands_beside_the_ticket(
    session: Session, customer: Customer, gateway: Gateway, point: AccessPoint
) -> None:
    served(session, customer, gateway)
    session.add(HealthPeriod(access_point_id=point.id, state=Health.OFFLINE, started_at=NOON - HOUR, ended_at=NOON + HOUR))  # type: ignore[arg-type]
    earlier = builders.a_ticket(session, customer=customer, at=NOON - 2 * HOUR)
    ticket = builders.a_ticket(session, customer=customer, gateway=gateway, at=NOON)
    facts = enrichment.story(session, ticket, actor=staff(), now=NOON + HOUR)
    assert facts.payments is not None
    assert [(payment.status, package) for payment, package in facts.payments] == [(PaymentStatus.SERVED, "1 day")]
    assert facts.vouchers is not None
    assert facts.sessions is not None
    assert (len(facts.vouchers), [row.gateway_name for row in facts.sessions]) == (1, [gateway.name])
    assert facts.time is not None
    assert facts.time.seconds_left > 0
    assert facts.point is not None
    assert (facts.point.name, facts.point.health, facts.point.then) == ("Market 1", Health.ONLINE, Health.OFFLINE)
    assert [other.reference for other in facts.earlier] == [earlier.reference]


def test_a_piece_that_a_person_may_not_know_of_is_left_out(session: Session, customer: Customer, gateway: Gateway) -> None:
    served(session, customer, gateway)
    ticket = builders.a_ticket(session, customer=customer, gateway=gateway, at=NOON)
    technician = staff(Role.FIELD_TECHNICIAN)
    facts = enrichment.story(session, ticket, actor=technician, now=NOON)
    assert (facts.payments, facts.unserved, facts.vouchers) == (None, None, None)
    assert facts.sessions is not None
    assert enrichment.story(session, ticket, actor=staff(Role.BILLING_OFFICER), now=NOON).payments is not None
    with pytest.raises(TicketNotFound):
        enrichment.story_of(session, actor=technician, reference=ticket.reference, now=NOON)
    nobody = type(technician)(kind="token", id=1, name="x", permissions=frozenset())
    with pytest.raises(Forbidden):
        enrichment.story(session, ticket, actor=nobody, now=NOON)


def test_the_place_is_found_where_the_customer_was_online(
    session: Session, customer: Customer, gateway: Gateway, point: AccessPoint
) -> None:
    served(session, customer, gateway)
    ticket = builders.a_ticket(session, customer=customer, at=NOON)
    for _ in range(2):
        enrichment.enrich(session, ticket, now=NOON)
    assert (ticket.gateway_id, ticket.access_point_id, ticket.site_id) == (gateway.id, point.id, gateway.site_id)
    assert kinds(session, ticket).count("facts") == 1
    stranger = builders.a_ticket(session, customer=builders.a_customer(session, 2, now=NOON), at=NOON)
    enrichment.enrich(session, stranger, now=NOON)
    assert stranger.gateway_id is None


def test_how_things_stood_is_kept_without_what_is_secret(
    session: Session, customer: Customer, gateway: Gateway, point: AccessPoint
) -> None:
    served(session, customer, gateway)
    ticket = builders.a_ticket(session, customer=customer, gateway=gateway, at=NOON)
    enrichment.enrich(session, ticket, now=NOON)
    kept = enrichment.story(session, ticket, actor=staff(), now=NOON).at_report
    assert kept is not None
    assert kept["access_point"] == {"id": point.id, "name": "Market 1", "health": "online"}
    assert (kept["payment"]["status"], kept["voucher"]["state"], kept["session"]["state"]) == ("served", "used", "active")
    assert customer.phone_e164 not in str(kept)


def test_what_was_paid_and_not_served_jumps_the_queue_and_says_why(session: Session, customer: Customer) -> None:
    offer = builders.an_offer(session, now=NOON)
    payment = builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.PAID, at=NOON - HOUR)
    ticket = builders.a_ticket(session, customer=customer, at=NOON)
    enrichment.enrich(session, ticket, now=NOON)
    assert ticket.priority is Priority.URGENT
    why = session.exec(select(TicketEvent.data).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "priority")).one()
    assert why["why"] == enrichment.UNSERVED_WHY
    found = enrichment.story(session, ticket, actor=staff(), now=NOON).unserved
    assert found is not None
    assert found.reference == payment.reference
    other = builders.a_ticket(session, customer=customer, at=NOON)
    changes.record(session, other, "priority", {}, who=changes.by(staff()), now=NOON)
    enrichment.enrich(session, other, now=NOON)
    assert other.priority is Priority.NORMAL


def test_a_known_outage_is_linked_at_once_and_told_once(session: Session, customer: Customer, gateway: Gateway) -> None:
    incident = an_outage(session, gateway)
    ticket = builders.a_ticket(session, customer=customer, gateway=gateway, at=NOON)
    for _ in range(3):
        enrichment.enrich(session, ticket, now=NOON)
    assert (ticket.incident_id, outages_told(session)) == (incident.id, 1)
    assert kinds(session, ticket).count("outage_told") == 1


def test_an_outage_that_opens_later_is_told_too_and_one_that_is_over_is_not(session: Session, customer: Customer, gateway: Gateway) -> None:
    ticket = builders.a_ticket(session, customer=customer, gateway=gateway, at=NOON)
    nobody = builders.a_ticket(session, gateway=gateway, at=NOON)
    for one in (ticket, nobody):
        enrichment.enrich(session, one, now=NOON)
    incident = an_outage(session, gateway)
    incidents.open_for(session, [incident], now=NOON)
    session.refresh(ticket)
    session.refresh(nobody)
    assert {ticket.incident_id, nobody.incident_id} == {incident.id}
    enrichment.enrich(session, ticket, now=NOON)
    assert outages_told(session) == 1
    incident.state, incident.resolved_at = IncidentState.RESOLVED, NOON
    later = builders.a_ticket(session, customer=customer, gateway=gateway, at=NOON)
    outage_news.join(session, later, incident, now=NOON)
    assert outages_told(session) == 1
