"""Tickets as the technician sees them who looks after them: whose it is, where, by when, what was said and noted, and the work at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Gateway
from services.accounts.models import Customer
from services.accounts.permissions import Permission
from services.apps.callers import Caller
from services.apps.documents.shape import Data, at, named
from services.apps.documents.words import files_of, said_among_staff
from services.fieldwork.view import work_of
from services.network.incident_models import Incident
from services.network.models import Site
from services.tickets.models import Ticket
from services.tickets.sight import in_sight

_COLUMNS = (
    *(Ticket.id, Ticket.reference, Ticket.subject, Ticket.state, Ticket.hold_reason, Ticket.priority, Ticket.category, Ticket.channel),
    *(Ticket.language, Ticket.customer_id, Ticket.site_id, Ticket.access_point_id, Ticket.created_at, Ticket.updated_at),
    *(Ticket.due_at, Ticket.first_response_due_at, Ticket.first_responded_at, Ticket.next_response_due_at, Ticket.resolution_due_at),
    *(Ticket.breached_at, Ticket.resolved_at, Ticket.merged_into_id),
)


def tickets(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """Those that the technician looks after; nobody else's, whatever the role: of those the phone would not be told."""
    return _tickets(session, caller, ids, col(Ticket.assignee_id) == caller.technician().id)


def in_sight_of(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """Those that the technician may know of at all (services/tickets/sight.py)."""
    return _tickets(session, caller, ids, *in_sight(caller.technician()))


def _tickets(session: Session, caller: Caller, ids: Sequence[int], *narrowed: sa.ColumnElement[bool]) -> dict[int, Data]:
    person = caller.technician()
    if not person.may(Permission.TICKETS_READ):
        return {}
    joined = (
        sa.select(
            *(col(of) for of in _COLUMNS),
            *(col(Customer.name).label("customer_name"), col(Customer.phone_e164)),
            *(col(Site.name).label("site_name"), col(Site.address), col(Site.latitude), col(Site.longitude)),
            *(col(Gateway.name).label("gateway_name"), col(Incident.reference).label("incident_reference")),
        )
        .outerjoin(Customer, (col(Customer.id) == col(Ticket.customer_id)) & col(Customer.erased_at).is_(None))
        .outerjoin(Site, col(Site.id) == col(Ticket.site_id))
        .outerjoin(Gateway, col(Gateway.id) == col(Ticket.gateway_id))
        .outerjoin(Incident, col(Incident.id) == col(Ticket.incident_id))
    )
    rows = session.execute(joined.where(col(Ticket.id).in_(ids), *narrowed)).all()
    found = [row.id for row in rows]
    said, totals = said_among_staff(session, found)
    files = files_of(session, [message.id for messages in said.values() for message in messages])
    work = work_of(session, found, person.id)
    return {
        row.id: _ticket(row)
        | {"messages": [_message(message, files) for message in said[row.id]], "left_out": totals[row.id] - len(said[row.id])}
        | {"work": work[row.id]}
        for row in rows
    }


def _ticket(row: sa.Row[Any]) -> Data:
    return {
        "reference": row.reference,
        "subject": row.subject,
        "state": row.state.value,
        "hold_reason": row.hold_reason.value if row.hold_reason else None,
        "priority": row.priority.value,
        "category": row.category.value if row.category else None,
        "channel": row.channel.value,
        "language": row.language,
        "created_at": at(row.created_at),
        "updated_at": at(row.updated_at),
        "due_at": at(row.due_at),
        "first_response_due_at": at(row.first_response_due_at),
        "first_responded_at": at(row.first_responded_at),
        "next_response_due_at": at(row.next_response_due_at),
        "resolution_due_at": at(row.resolution_due_at),
        "breached_at": at(row.breached_at),
        "resolved_at": at(row.resolved_at),
        # In full: a technician at the gate has to call.
        "customer": {"name": row.customer_name, "phone": row.phone_e164} if row.phone_e164 else None,
        "site": _site(row),
        "access_point_id": named(row.access_point_id),
        "gateway": row.gateway_name,
        "incident": row.incident_reference,
        "merged_into": named(row.merged_into_id),
    }


def _site(row: sa.Row[Any]) -> Data | None:
    if row.site_id is None:
        return None
    name = {"id": str(row.site_id), "name": row.site_name, "address": row.address}
    return name | {"latitude": row.latitude, "longitude": row.longitude}


def _message(message: sa.Row[Any], files: dict[int, list[Data]]) -> Data:
    return {
        "id": str(message.id),
        "kind": message.kind,
        "channel": message.channel,
        "author": message.author,
        "body": message.body,
        "is_cut": message.is_cut,
        "at": at(message.created_at),
        "files": files.get(message.id, []),
    }
