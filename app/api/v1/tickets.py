"""`/api/v1/tickets`: what customers ask for help with. A Field Technician's log-in knows only of those given to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, IdFilter, Person, Reference, Search, Wanted, person
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.tickets import service as tickets
from services.tickets.models import Category, Channel, Priority, Ticket, TicketState
from services.tickets.queries import TicketFilter, TicketRow, list_tickets, row_of, ticket_page

router = APIRouter(prefix="/tickets", tags=["tickets"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]
Editor = Annotated[Principal, requires(Permission.TICKETS_EDIT)]
Assigner = Annotated[Principal, requires(Permission.TICKETS_ASSIGN)]


class TicketAssignee(BaseModel):
    """Who looks after it."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="The number of the staff member")
    name: str = Field(examples=["Modou Bah"])
    is_active: bool = Field(description="False when the account was disabled; the ticket waits to be handed over")


class TicketDetail(BaseModel):
    """The ETag of one stands for its state and its assignee."""

    reference: str = Field(examples=["T-7KMNPRS"])
    state: TicketState
    priority: Priority
    category: Category | None = Field(description="What it is about; null until somebody or the machine is sure")
    channel: Channel
    subject: str = Field(examples=["No internet at the market"])
    body: str = Field(examples=["The Wi-Fi is slow near the gate since this morning."])
    customer: Person | None
    gateway: str | None = Field(description="The slug of the gateway it was written at", examples=["5f0c2a9be1d34770"])
    gateway_name: str | None = Field(examples=["Serekunda Market north"])
    payment_reference: str | None = Field(examples=["7KMNPRST"])
    assignee: TicketAssignee | None = Field(description="Null while it lies with nobody")
    incident: str | None = Field(description="The outage that it is about", examples=["I-7KMNPR"])
    created_at: datetime
    first_response_due_at: datetime | None
    resolution_due_at: datetime | None
    resolved_at: datetime | None


class TicketChange(Wanted):
    """To whom the ticket is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"assignee_id": 4}, {"assignee_id": None}]})

    assignee_id: int | None = Field(ge=1, le=2**63 - 1, description="The number of a staff member whose account is active; null for nobody")


class TicketNote(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "New power supply at the gate; the customer confirmed it."}]})

    note: str = Field(
        min_length=tickets.NOTE_LENGTH[0],
        max_length=tickets.NOTE_LENGTH[1],
        pattern=NO_NUL,
        description="What was done, or why; kept in the ticket's history",
    )


def _detail(row: TicketRow, actor: Principal) -> TicketDetail:
    return TicketDetail(
        reference=row.ticket.reference,
        state=row.ticket.state,
        priority=row.ticket.priority,
        category=row.ticket.category,
        channel=row.ticket.channel,
        subject=row.ticket.subject,
        body=row.ticket.body,
        customer=person(row.customer, actor) if row.customer else None,
        gateway=row.gateway_slug,
        gateway_name=row.gateway_name,
        payment_reference=row.payment_reference,
        assignee=TicketAssignee.model_validate(row.assignee) if row.assignee else None,
        incident=row.incident_reference,
        created_at=row.ticket.created_at,
        first_response_due_at=row.ticket.first_response_due_at,
        resolution_due_at=row.ticket.resolution_due_at,
        resolved_at=row.ticket.resolved_at,
    )


@router.get("", summary="List tickets")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: TicketState | None = None,
    priority: Priority | None = None,
    customer_id: IdFilter = None,
    assignee_id: IdFilter = None,
    unassigned: Annotated[bool, Query(description="Only those that lie with nobody")] = False,
    search: Annotated[Search, Query(description="A ticket's reference, or a phone number in either form")] = "",
) -> Page[TicketDetail]:
    """Newest first."""
    wanted = TicketFilter(
        state=state, priority=priority, search=search, customer_id=customer_id, assignee_id=assignee_id, is_unassigned=unassigned
    )
    with transaction() as session:
        found = list_tickets(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, lambda row: _detail(row, actor), lambda row: (row.ticket.created_at, row.ticket.id or 0))


@router.get("/{reference}", summary="One ticket", responses=tagged(404))
def one(actor: Reader, reference: Reference, response: Response) -> TicketDetail:
    """With what was known of the place and the purchase when it was written. Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        row = ticket_page(session, actor=actor, reference=reference)
    response.headers.update(tag_header(row.ticket.revision))
    return _detail(row, actor)


@router.patch("/{reference}", summary="Give a ticket to a person", responses=tagged(404, 409, 412, 428))
def change(actor: Assigner, reference: Reference, expected: Expected, body: TicketChange, response: Response) -> TicketDetail:
    """Or take it from everybody, with null. A closed ticket is opened again first."""
    with transaction() as session:
        ticket = tickets.assign(
            session, actor=actor, reference=reference, staff_id=body.assignee_id, expected_revision=expected, now=utc_now()
        )
        response.headers.update(tag_header(ticket.revision))
        return _detail(row_of(session, ticket), actor)


@router.post("/{reference}/close", summary="Close a ticket", response_model=TicketDetail, responses=tagged(404, 409))
def close(actor: Editor, reference: Reference, body: TicketNote, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It stays with whoever had it."""
    return _said(actor, reference, body, request, idempotency_key, tickets.close)


@router.post("/{reference}/reopen", summary="Open a closed ticket again", response_model=TicketDetail, responses=tagged(404, 409))
def reopen(actor: Editor, reference: Reference, body: TicketNote, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Whoever had it has it again."""
    return _said(actor, reference, body, request, idempotency_key, tickets.reopen)


def _said(
    actor: Principal, reference: str, body: TicketNote, request: Request, key: str | None, change_state: Callable[..., Ticket]
) -> Response:
    def work(session: Session) -> tuple[TicketDetail, dict[str, str]]:
        ticket = change_state(session, actor=actor, reference=reference, note=body.note, now=utc_now())
        return _detail(row_of(session, ticket), actor), tag_header(ticket.revision)

    return Wish(actor, request, key).answer(work, body=body)
