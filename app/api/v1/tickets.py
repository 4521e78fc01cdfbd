"""`/api/v1/tickets`: what customers ask for help with. A Field Technician's log-in knows only of those given to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, IdFilter, Reference, Search, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.ticket_details import TicketDetail, detail, details
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.tickets import service as tickets
from services.tickets.models import Category, Channel, Priority, Ticket, TicketState
from services.tickets.queries import TicketFilter, list_tickets, ticket_page

router = APIRouter(prefix="/tickets", tags=["tickets"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]
Editor = Annotated[Principal, requires(Permission.TICKETS_EDIT)]
Assigner = Annotated[Principal, requires(Permission.TICKETS_ASSIGN)]


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


@router.get("", summary="List tickets")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: TicketState | None = None,
    priority: Priority | None = None,
    customer_id: IdFilter = None,
    assignee_id: IdFilter = None,
    unassigned: Annotated[bool, Query(description="Only those that lie with nobody")] = False,
    team_id: IdFilter = None,
    category: Category | None = None,
    channel: Channel | None = None,
    tag: Annotated[str | None, Query(max_length=40, pattern=NO_NUL)] = None,
    undone: Annotated[bool, Query(description="Only those on which somebody still owes something")] = False,
    search: Annotated[Search, Query(description="A reference, a phone number in either form, or words that were said")] = "",
) -> Page[TicketDetail]:
    """Newest first."""
    wanted = TicketFilter(
        state=state,
        priority=priority,
        is_undone=undone,
        search=search,
        customer_id=customer_id,
        assignee_id=assignee_id,
        is_unassigned=unassigned,
        team_id=team_id,
        category=category,
        channel=channel,
        tag=tag.lower() if tag else None,
    )
    with transaction() as session:
        found = list_tickets(session, actor=actor, wanted=wanted, part=paging.part())
        shown = {one.reference: one for one in details(session, found.rows, actor)}
    return paging.page(found.rows, lambda row: shown[row.ticket.reference], lambda row: (row.ticket.created_at, row.ticket.id or 0))


@router.get("/{reference}", summary="One ticket", responses=tagged(404))
def one(actor: Reader, reference: Reference, response: Response) -> TicketDetail:
    """With what was known of the place and the purchase when it was written. Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        row = ticket_page(session, actor=actor, reference=reference)
        response.headers.update(tag_header(row.ticket.revision))
        return details(session, [row], actor)[0]


@router.patch("/{reference}", summary="Give a ticket to a person", responses=tagged(404, 409, 412, 428))
def change(actor: Assigner, reference: Reference, expected: Expected, body: TicketChange, response: Response) -> TicketDetail:
    """Or take it from everybody, with null. A closed ticket is opened again first."""
    with transaction() as session:
        ticket = tickets.assign(
            session, actor=actor, reference=reference, staff_id=body.assignee_id, expected_revision=expected, now=utc_now()
        )
        response.headers.update(tag_header(ticket.revision))
        return detail(session, ticket, actor)


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
        return detail(session, ticket, actor), tag_header(ticket.revision)

    return Wish(actor, request, key).answer(work, body=body)
