"""The ways by which a ticket is opened on purpose: the portal's form, the apps, staff by phone, an outside service.

The words are kept and a reference is answered before anything clever happens: triage, enrichment and routing follow in a job.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from app.errors import InvalidInput
from services.access.context import HotspotContext
from services.access.models import Gateway
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer, Device
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Site
from services.notifications import tell
from services.payments.models import Payment
from services.tickets import changes, conversation, people
from services.tickets.attachment_checks import Checked
from services.tickets.incidents import incident_at
from services.tickets.models import Category, Channel, Priority, Ticket
from services.tickets.opening import Opening, open_ticket
from services.tickets.sight import sees_all, ticket_to_change
from services.tickets.wishes import Reported, open_once, tell_of_outage

MAX_WORDS = 20_000
"""Of what a customer writes at once, in characters."""
# Holds the parts of many an emoji together.
_JOINER = "\u200d"


@dataclass(frozen=True)
class Place:
    """Where somebody stands, as far as the hotspot tells. Without an access point where there are several."""

    gateway_id: int | None = None
    site_id: int | None = None
    access_point_id: int | None = None
    incident_id: int | None = None


def report_problem(
    session: Session,
    *,
    body: str,
    phone: str | None,
    context: HotspotContext | None,
    payment: Payment | None,
    device: Device | None = None,
    key: str | None = None,
    files: Sequence[Checked] = (),
    now: datetime,
) -> Reported:
    """Store what a customer wrote at the portal, with the place, device and purchase that it is about.

    The same words of the same person within ten minutes, or under the same `key` at any time, are the same ticket. Raises InvalidInput
    for a text that is empty or too long, or BadPhone.
    """
    text = words_of(body)
    # Kept at hand until the end, so that nobody on the way has to fetch the row again.
    customer = find_or_create_customer(session, phone=phone, now=now) if phone else None
    customer_id = customer.id if customer is not None else _known(payment, device)
    place = place_of(session, context.gateway_id if context else payment.gateway_id if payment else None)
    opening = Opening(
        body=text,
        channel=Channel.PORTAL,
        customer_id=customer_id,
        payment_id=payment.id if payment else None,
        gateway_id=place.gateway_id,
        site_id=place.site_id,
        access_point_id=place.access_point_id,
        incident_id=place.incident_id,
        client_mac=context.mac if context else None,
        facts={"device_id": device.id} if device is not None else {},
    )
    proved = device.customer_id if device is not None else payment.customer_id if payment is not None else None
    return open_once(session, opening, key=key, proved=proved, files=files, now=now)


def open_by_customer(
    session: Session,
    *,
    customer_id: int,
    body: str,
    subject: str = "",
    channel: Channel = Channel.MOBILE,
    gateway_id: int | None = None,
    site_id: int | None = None,
    payment_id: int | None = None,
    client_id: str | None = None,
    files: Sequence[Checked] = (),
    now: datetime,
) -> Reported:
    """What a customer who is logged in wrote. `client_id` is the app's own name of it: sent again, it is the same ticket.

    The caller has made sure that the payment is the customer's. Raises InvalidInput.
    """
    place = place_of(session, gateway_id)
    if site_id is not None and session.get(Site, site_id) is None:
        raise InvalidInput("There is no such place any more. Choose another one.", field="place_id")
    opening = Opening(
        body=words_of(body),
        subject=line_of(subject),
        channel=channel,
        customer_id=customer_id,
        payment_id=payment_id,
        gateway_id=place.gateway_id,
        site_id=site_id or place.site_id,
        access_point_id=place.access_point_id,
        incident_id=place.incident_id or incident_at_site(session, site_id),
    )
    return open_once(session, opening, key=client_id, proved=customer_id, files=files, now=now)


def open_by_staff(
    session: Session,
    *,
    actor: Principal,
    phone: str,
    name: str = "",
    words: str,
    subject: str = "",
    category: Category | None = None,
    priority: Priority = Priority.NORMAL,
    gateway_id: int | None = None,
    site_id: int | None = None,
    channel: Channel = Channel.PHONE,
    now: datetime,
) -> Ticket:
    """What a customer told staff by phone, or an outside service told us. Whoever sees only their own tickets looks after it at once.

    Raises Forbidden, BadPhone, or InvalidInput.
    """
    actor.require(Permission.TICKETS_EDIT)
    customer = _caller(session, phone=phone, name=name, now=now) if phone.strip() else None
    place = place_of(session, gateway_id)
    if site_id is not None and session.get(Site, site_id) is None:
        raise InvalidInput("There is no such place any more. Choose another one.", field="site_id")
    opening = Opening(
        body=words_of(words, field="words"),
        subject=line_of(subject),
        channel=channel,
        customer_id=customer.id if customer else None,
        author=line_of(name)[:120] or "customer",
        gateway_id=place.gateway_id,
        site_id=site_id or place.site_id,
        access_point_id=place.access_point_id,
        incident_id=place.incident_id or incident_at_site(session, site_id),
        category=category,
        priority=priority,
    )
    ticket = open_ticket(session, opening, who=changes.by(actor), now=now)
    if not sees_all(actor):
        changes.set_field(session, ticket, "assignee_id", actor.id, who=changes.by(actor), why="Whoever took the call", now=now)
    tell_of_outage(session, ticket, now=now)
    tell_received(session, ticket, key=f"received:{ticket.id}", now=now)
    audit.record(session, actor, "ticket.open", target=("ticket", ticket.reference), now=now, after={"channel": channel.value})
    return ticket


def add_by_staff(session: Session, *, actor: Principal, reference: str, words: str, name: str = "", now: datetime) -> Ticket:
    """A caller's further words, in the ticket that they have already; answers the one they are in now.

    Raises Forbidden, TicketNotFound (also for one that is not the actor's to know of) or InvalidInput.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    said = words_of(words, field="words")
    assert ticket.id is not None
    who, author = changes.by(actor), line_of(name)[:120] or "customer"
    heard = conversation.hear(session, ticket.id, body=said, channel=Channel.PHONE, who=who, author=author, now=now)
    audit.record(session, actor, "ticket.add_call", target=("ticket", heard.ticket.reference), now=now)
    return heard.ticket


def tell_received(session: Session, ticket: Ticket, *, key: str, now: datetime) -> None:
    """Tell who cannot see it on a page that it came in, and under which reference; once for each `key`."""
    to = people.recipient(session, ticket)
    if to is not None:
        values = {"reference": ticket.reference, "subject": people.headline(ticket)}
        tell(session, event="ticket_received", to=to, values=values, dedupe_key=key, ticket_id=ticket.id, now=now)


def incident_at_site(session: Session, site_id: int | None) -> int | None:
    """The outage that goes on at a place."""
    standing = select(Incident.id).where(Incident.site_id == site_id, Incident.state == IncidentState.OPEN)
    return session.exec(standing).one_or_none() if site_id is not None else None


def words_of(text: str, *, field: str = "body") -> str:
    """What somebody wrote, as it can be stored. Raises InvalidInput when nothing can be seen of it, or it is too long."""
    # Half a surrogate is no character, and PostgreSQL takes no NUL; nobody types either. A form sends two characters for a line's end.
    cleaned = text.replace("\x00", "").replace("\r\n", "\n").encode("utf-8", "replace").decode().strip()
    if not any(unicodedata.category(character)[0] not in "CZ" for character in cleaned):
        raise InvalidInput("Write in a few words what is wrong.", field=field)
    if len(cleaned) > MAX_WORDS:
        raise InvalidInput(f"Keep it under {MAX_WORDS} characters.", field=field)
    return cleaned


def line_of(text: str) -> str:
    """A subject or a name: one line, without what cannot be seen or turns the text around."""
    visible = "".join(" " if character.isspace() else character for character in text)
    kept = (character for character in visible if unicodedata.category(character)[0] != "C" or character == _JOINER)
    return " ".join("".join(kept).split())[:200]


def place_of(session: Session, gateway_id: int | None) -> Place:
    """What a gateway tells of where its clients stand, and of the outage there."""
    gateway = session.get(Gateway, gateway_id) if gateway_id is not None else None
    if gateway is None:
        return Place()
    points = session.exec(select(AccessPoint.id).where(AccessPoint.gateway_id == gateway.id).limit(2)).all()
    return Place(gateway.id, gateway.site_id, points[0] if len(points) == 1 else None, incident_at(session, gateway.id))


def _known(payment: Payment | None, device: Device | None) -> int | None:
    if payment is not None and payment.customer_id is not None:
        return payment.customer_id
    return device.customer_id if device is not None else None


def _caller(session: Session, *, phone: str, name: str, now: datetime) -> Customer:
    """The customer of a number in either form. A name that is known is left as it is. Raises BadPhone."""
    customer = find_or_create_customer(session, phone=phone, now=now)
    if name and not customer.name:
        customer.name = line_of(name)[:120]
    return customer
