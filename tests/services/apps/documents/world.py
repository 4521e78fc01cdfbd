"""One of everything that documents are made of: a customer who bought and complains, and the technician who looks after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session

from app.keys import seal
from services.access.models import AccessSession, DeviceSlot, Entitlement, Gateway, Grant, SessionState
from services.accounts.models import Device
from services.apps.callers import Caller
from services.apps.models import App, AppDevice
from services.fieldwork.models import PartUsed, Visit, VisitCheck, VisitConfirmation, VisitState
from services.network.incident_models import Incident, IncidentMember
from services.network.models import AccessPoint, HealthPeriod, Site
from services.notifications.models import Medium, Notification, Urgency
from services.notifications.service import BODY
from services.payments.models import Checkout, Payment
from services.tickets import changes, closure
from services.tickets.changes import By
from services.tickets.desk_models import Team, TeamMember
from services.tickets.intake_models import Attachment
from services.tickets.models import Category, Channel, MessageKind, Ticket, TicketState
from services.tickets.opening import Opening, open_ticket
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import NOON
from tests.factories import make_gateway, make_payment
from tests.services.apps.syncing import a_customer, a_technician

CARE = By("staff:care@inet.test")
CODE = codes.new_code()


@dataclass
class World:
    """`ticket` waits to be worked on, `done` is rated, `merged` was taken in by `ticket`."""

    customer: Caller
    stranger: Caller
    tech: Caller
    other_tech: Caller
    payment: Payment
    voucher: Voucher
    gateway: Gateway
    site: Site
    ticket: Ticket
    done: Ticket
    merged: Ticket
    team: Team
    notice: Notification


def a_world(session: Session) -> World:
    customer, stranger = a_customer(session), a_customer(session)
    tech, other_tech = a_technician(session), a_technician(session)
    gateway = make_gateway(session)
    site = session.get_one(Site, gateway.site_id)
    payment = _bought(session, customer)
    voucher = _used(session, customer, payment, gateway)
    team = Team(name="Field", created_at=NOON)
    session.add(team)
    session.flush()
    session.add(TeamMember(team_id=team.id or 0, staff_id=tech.technician().id))
    _network(session, site, gateway)
    ticket, done, merged = (_ticket(session, customer, tech, gateway) for _ in range(3))
    _work(session, ticket, tech)
    changes.set_state(session, done, TicketState.RESOLVED, who=CARE, now=NOON, quietly=True)
    closure.rate(session, done.id or 0, 5, now=NOON)
    merged.merged_into_id, merged.state, merged.closed_at = ticket.id, TicketState.CLOSED, NOON
    notice = Notification(
        dedupe_key=f"world:{customer.customer_id}",
        event="ticket_reply",
        medium=Medium.BELL,
        urgency=Urgency.NORMAL,
        customer_id=customer.customer_id,
        body_sealed=seal(BODY, b"We answered you."),
        created_at=NOON,
    )
    session.add(notice)
    session.flush()
    return World(customer, stranger, tech, other_tech, payment, voucher, gateway, site, ticket, done, merged, team, notice)


def _bought(session: Session, customer: Caller) -> Payment:
    payment = make_payment(session)
    payment.customer_id = customer.customer()
    session.add(
        Checkout(
            payment_id=payment.id or 0,
            wave_session_id=f"cos-{payment.reference}",
            launch_url="https://pay.wave.com/c/cos-1",
            checkout_status="open",
            expires_at=NOON + timedelta(minutes=30),
            created_at=NOON,
        )
    )
    session.flush()
    payment.move(type(payment.status).CHECKOUT_OPEN, now=NOON)
    session.flush()
    return payment


def _used(session: Session, customer: Caller, payment: Payment, gateway: Gateway) -> Voucher:
    voucher = Voucher(
        code_mac=codes.code_mac(CODE),
        code_sealed=codes.seal_code(CODE),
        package_version_id=payment.package_version_id,
        customer_id=customer.customer_id,
        state=VoucherState.USED,
        created_at=NOON,
        used_at=NOON,
        use_before=NOON + timedelta(days=30),
        porta_account_id=f"inet-{payment.reference}",
    )
    device = Device(customer_id=customer.customer_id, last_mac="02:00:00:bb:00:50", created_at=NOON, last_seen_at=NOON)
    session.add_all([voucher, device])
    session.flush()
    time = Entitlement(
        voucher_id=voucher.id or 0,
        customer_id=customer.customer_id,
        package_version_id=payment.package_version_id,
        seconds_total=3600,
        created_at=NOON,
        use_before=voucher.use_before,
    )
    time.start(at=NOON)
    session.add(time)
    session.flush()
    grant = Grant(gateway_id=gateway.id or 0, mac="02:00:00:bb:00:50", entitlement_id=time.id, seconds=3600, created_at=NOON)
    session.add_all([grant, DeviceSlot(entitlement_id=time.id or 0, number=1, device_id=device.id or 0, taken_at=NOON)])
    session.flush()
    session.add(
        AccessSession(
            grant_id=grant.id or 0,
            gateway_id=gateway.id or 0,
            entitlement_id=time.id,
            device_id=device.id,
            customer_id=customer.customer_id,
            state=SessionState.ACTIVE,
            started_at=NOON,
            ends_at=NOON + timedelta(hours=1),
        )
    )
    app = AppDevice(public_id=f"p{device.id}", app=App.GO, customer_id=customer.customer_id, device_id=device.id, key_mac=f"k{device.id}")
    app.name, app.key_rotated_at, app.created_at, app.last_seen_at = "Awa's phone", NOON, NOON, NOON
    session.add(app)
    session.flush()
    return voucher


def _network(session: Session, site: Site, gateway: Gateway) -> None:
    point = AccessPoint(
        external_id=f"ap-{site.id}", name="Market 2", mac="02:aa:00:00:00:01", site_id=site.id, discovered_at=NOON, health_since=NOON
    )
    incident = Incident(reference=f"I-{site.id:06d}", site_id=site.id, started_at=NOON, opened_at=NOON)
    session.add_all([point, incident])
    session.flush()
    point.gateway_id = gateway.id
    session.add_all(
        [
            HealthPeriod(access_point_id=point.id or 0, state=point.health, started_at=NOON),
            IncidentMember(incident_id=incident.id or 0, access_point_id=point.id or 0, started_at=NOON),
        ]
    )
    session.flush()


def _ticket(session: Session, customer: Caller, tech: Caller, gateway: Gateway) -> Ticket:
    opening = Opening(
        body="No page comes up", channel=Channel.MOBILE, customer_id=customer.customer_id, gateway_id=gateway.id, site_id=gateway.site_id
    )
    ticket = open_ticket(session, opening, who=By("customer"), now=NOON)
    changes.set_field(session, ticket, "assignee_id", tech.technician().id, who=CARE, now=NOON)
    changes.set_field(session, ticket, "category", Category.CONNECTIVITY, who=CARE, now=NOON)
    said = changes.say(session, ticket, kind=MessageKind.REPLY, body="We look", channel=Channel.MOBILE, who=CARE, author="Fatou", now=NOON)
    changes.say(session, ticket, kind=MessageKind.NOTE, body="Bring a ladder", channel=Channel.MOBILE, who=CARE, author="Fatou", now=NOON)
    session.add(
        Attachment(
            ticket_id=ticket.id or 0,
            message_id=said.id or 0,
            name="map.png",
            media_type="image/png",
            size_bytes=3,
            sha256="0" * 64,
            file="00/0",
            created_at=NOON,
        )
    )
    session.flush()
    return ticket


def _work(session: Session, ticket: Ticket, tech: Caller) -> None:
    own = {"ticket_id": ticket.id or 0, "staff_id": tech.technician().id}
    session.add_all(
        [
            Visit(**own, state=VisitState.ACCEPTED, since=NOON, started_at=NOON),
            VisitCheck(**own, item="power", text="Power is on", is_done=True, at=NOON),
            PartUsed(**own, name="PoE injector", at=NOON),
            VisitConfirmation(**own, works=True, at=NOON),
        ]
    )
    session.flush()
