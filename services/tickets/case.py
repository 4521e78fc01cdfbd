"""What is known about a ticket before it is read: its words, and certain facts from our own records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, Health, Site
from services.payments.models import TO_BE_SERVED, Payment, PaymentStatus
from services.tickets.incidents import incident_at
from services.tickets.models import MessageKind, Ticket, TicketEvent, TicketMessage
from services.tickets.triage.entities import KnownNames
from services.tickets.triage.facts import Facts

# Of a customer's payments, those that they may still be writing about.
_PAID_LATELY = timedelta(days=7)
_MAX_NAMES, _MAX_NEAR = 2000, 200


@dataclass(frozen=True)
class Case:
    """One ticket as it stood when it was looked at. `messages` counts what the customer said: with a further one it is another case."""

    ticket_id: int
    subject: str
    body: str
    messages: int
    place: str | None
    facts: Facts
    names: KnownNames
    # Names that must not leave this machine.
    people: tuple[str, ...]
    # Ready to be read, for suggested replies (services/tickets/triage/replies.py).
    said: Mapping[str, str]


def gather(session: Session, ticket: Ticket, *, now: datetime) -> Case:
    """Read all that a reader may be told. Changes nothing."""
    assert ticket.id is not None
    said = session.exec(
        select(TicketMessage)
        .where(TicketMessage.ticket_id == ticket.id, TicketMessage.kind == MessageKind.CUSTOMER)
        .order_by(col(TicketMessage.id))
    ).all()
    body = "\n".join(message.body for message in said)
    incident = _incident(session, ticket)
    access_point = standing_under(session, ticket)
    payment = unserved(session, ticket, now=now)
    is_down = access_point is not None and access_point.health is Health.OFFLINE
    return Case(
        ticket_id=ticket.id,
        subject=ticket.subject,
        body=body,
        messages=len(said),
        place=place_of(session, ticket),
        facts=Facts(
            code_refused=_code_refused(session, ticket.id),
            paid_not_served=payment is not None,
            access_point_down=access_point.name if access_point is not None and is_down else None,
            incident=incident.reference if incident else None,
            people_affected=_affected(session, incident),
        ),
        names=_names(session, ticket, f"{ticket.subject}\n{body}"),
        people=tuple({message.author for message in said} - {"customer", ""}),
        said=_ready(ticket, access_point, incident, payment),
    )


def place_of(session: Session, ticket: Ticket) -> str | None:
    """The access point if it is known, the hotspot otherwise: what two tickets have in common that come from one place."""
    if ticket.access_point_id is not None:
        return session.get_one(AccessPoint, ticket.access_point_id).name
    return session.get_one(Gateway, ticket.gateway_id).name if ticket.gateway_id is not None else None


def _code_refused(session: Session, ticket_id: int) -> bool:
    known = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket_id, TicketEvent.kind == "facts")).all()
    return any(bool(event.data.get("code_refused")) for event in known)


def unserved(session: Session, ticket: Ticket, *, now: datetime) -> Payment | None:
    """The newest payment of this ticket or its customer whose money was taken and that led to no service yet."""
    stuck = sa.or_(col(Payment.status).in_(TO_BE_SERVED), col(Payment.status) == PaymentStatus.ATTENTION)
    unserved = select(Payment).where(stuck, col(Payment.paid_at).is_not(None)).order_by(col(Payment.id).desc()).limit(1)
    if ticket.payment_id is not None and (own := session.exec(unserved.where(Payment.id == ticket.payment_id)).first()) is not None:
        return own
    if ticket.customer_id is None:
        return None
    return session.exec(unserved.where(Payment.customer_id == ticket.customer_id, Payment.created_at > now - _PAID_LATELY)).first()


def _incident(session: Session, ticket: Ticket) -> Incident | None:
    """The open outage at the place of this ticket."""
    incident_id = ticket.incident_id or incident_at(session, ticket.gateway_id)
    incident = session.get(Incident, incident_id) if incident_id is not None else None
    return incident if incident is not None and incident.state is IncidentState.OPEN else None


def standing_under(session: Session, ticket: Ticket) -> AccessPoint | None:
    """The one that the customer stands under; of a gateway only where it has but one, or all of its own are down: anything else guesses."""
    if ticket.access_point_id is not None:
        return session.get(AccessPoint, ticket.access_point_id)
    if ticket.gateway_id is None:
        return None
    own = select(AccessPoint).where(AccessPoint.gateway_id == ticket.gateway_id, col(AccessPoint.vanished_at).is_(None))
    found = session.exec(own.order_by(col(AccessPoint.id)).limit(_MAX_NEAR)).all()
    return found[0] if len(found) == 1 or (found and all(one.health is Health.OFFLINE for one in found)) else None


def _affected(session: Session, incident: Incident | None) -> int:
    """How many wrote about this outage."""
    if incident is None:
        return 0
    writers = select(sa.func.count()).select_from(Ticket).where(Ticket.incident_id == incident.id, col(Ticket.customer_id).is_not(None))
    return session.exec(writers).one()


def _names(session: Session, ticket: Ticket, text: str) -> KnownNames:
    """Our places that the text may name: looked for roughly here, for each name handed on costs a pattern."""
    squashed = _squashed(text)
    sites = session.exec(select(Site.name).order_by(col(Site.id)).limit(_MAX_NAMES)).all()
    near = [
        column == value
        for column, value in (
            (col(AccessPoint.site_id), ticket.site_id),
            (col(AccessPoint.gateway_id), ticket.gateway_id),
            (col(AccessPoint.id), ticket.access_point_id),
        )
        if value is not None
    ]
    points = session.exec(select(AccessPoint.name).where(sa.or_(*near)).limit(_MAX_NEAR)).all() if near else ()
    return KnownNames(
        sites=tuple(name for name in sites if _squashed(name) in squashed),
        access_points=tuple(name for name in points if _squashed(name) in squashed),
    )


def _squashed(text: str) -> str:
    return "".join(character for character in text.casefold() if character not in " \t\n_-")


def _ready(ticket: Ticket, access_point: AccessPoint | None, incident: Incident | None, payment: Payment | None) -> dict[str, str]:
    said = {"reference": ticket.reference}
    if access_point is not None and access_point.health is not Health.UNKNOWN:
        said |= {"access_point": access_point.name, "access_point_state": access_point.health.value}
    if incident is not None:
        said |= {"incident": incident.reference, "incident_since": f"{incident.started_at:%d %b %H:%M}"}
    if payment is not None:
        amount = f"D{payment.amount_bututs / 100:.2f}".removesuffix(".00")
        said |= {"payment_amount": amount, "payment_at": f"{payment.created_at:%d %b %H:%M}", "payment_state": "paid and not served yet"}
    return said
