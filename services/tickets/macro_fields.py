"""What a macro's text may name, and what stands there for one ticket."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.network.models import AccessPoint, Site
from services.tickets import people
from services.tickets.intake_models import Correspondent
from services.tickets.queries import TicketRow

FIELDS: Mapping[str, str] = {
    "customer_name": "The customer's name",
    "reference": "The ticket's reference",
    "subject": "What it is about, in a few words",
    "place": "The site or hotspot it was written at",
    "access_point": "The access point the customer stands under",
    "payment": "The receipt code of the payment it is about",
    "incident": "The outage it belongs to",
    "agent": "The name of whoever answers",
    "team": "The team that looks after it",
}


def values(session: Session, row: TicketRow, actor: Principal) -> Mapping[str, str | None]:
    """What is known of each field for this ticket; a payment only to whom may see payments."""
    ticket = row.ticket
    site = session.get(Site, ticket.site_id) if ticket.site_id is not None else None
    point = session.get(AccessPoint, ticket.access_point_id) if ticket.access_point_id is not None else None
    return {
        "customer_name": _name(session, row),
        "reference": ticket.reference,
        "subject": people.headline(ticket),
        "place": site.name if site else row.gateway_name,
        "access_point": point.name if point else None,
        "payment": row.payment_reference if actor.may(Permission.PAYMENTS_READ) else None,
        "incident": row.incident_reference,
        "agent": actor.name,
        "team": row.team_name,
    }


def _name(session: Session, row: TicketRow) -> str | None:
    if row.customer is not None and row.customer.name:
        return row.customer.name
    writer = session.get(Correspondent, row.ticket.correspondent_id) if row.ticket.correspondent_id is not None else None
    return writer.name or None if writer is not None else None
