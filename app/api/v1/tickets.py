"""`/api/v1/tickets`: what customers ask for help with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.security import requires
from app.api.v1.fields import IdFilter, Person, Reference, Search, person
from app.api.v1.paging import Page, Wanted
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.tickets.models import TicketState
from services.tickets.queries import TicketFilter, TicketRow, list_tickets, ticket_page

router = APIRouter(prefix="/tickets", tags=["tickets"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]


class TicketDetail(BaseModel):
    reference: str = Field(examples=["T-7KMNPRS"])
    state: TicketState
    channel: str = Field(examples=["portal"])
    body: str
    customer: Person | None
    gateway: str | None = Field(description="The slug of the gateway it was written at")
    gateway_name: str | None
    payment_reference: str | None
    created_at: datetime


def _detail(row: TicketRow, actor: Principal) -> TicketDetail:
    return TicketDetail(
        reference=row.ticket.reference,
        state=row.ticket.state,
        channel=row.ticket.channel,
        body=row.ticket.body,
        customer=person(row.customer, actor) if row.customer else None,
        gateway=row.gateway_slug,
        gateway_name=row.gateway_name,
        payment_reference=row.payment_reference,
        created_at=row.ticket.created_at,
    )


@router.get("", summary="List tickets")
def list_all(
    actor: Reader,
    paging: Wanted,
    state: TicketState | None = None,
    customer_id: IdFilter = None,
    search: Annotated[Search, Query(description="A ticket's reference, or a phone number in either form")] = "",
) -> Page[TicketDetail]:
    """Newest first."""
    with transaction() as session:
        found = list_tickets(session, actor=actor, wanted=TicketFilter(state, search, customer_id), part=paging.part())
    return paging.page(found.rows, lambda row: _detail(row, actor), lambda row: (row.ticket.created_at, row.ticket.id or 0))


@router.get("/{reference}", summary="One ticket", responses=refusals(404))
def one(actor: Reader, reference: Reference) -> TicketDetail:
    """With what was known of the place and the purchase when it was written."""
    with transaction() as session:
        return _detail(ticket_page(session, actor=actor, reference=reference), actor)
