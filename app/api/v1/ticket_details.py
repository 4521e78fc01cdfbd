"""A ticket as `/api/v1` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from app.api.v1.fields import Person, person
from services.accounts.permissions import Principal
from services.tickets import tags
from services.tickets.models import Category, Channel, HoldReason, Priority, Ticket, TicketState
from services.tickets.queries import TicketRow, row_of


class TicketAssignee(BaseModel):
    """Who looks after it."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="The number of the staff member")
    name: str = Field(examples=["Modou Bah"])
    is_active: bool = Field(description="False when the account was disabled; the ticket waits to be handed over")


class TicketDetail(BaseModel):
    """The ETag of one stands for all that was changed or said in it."""

    reference: str = Field(examples=["T-7KMNPRS"])
    state: TicketState
    hold_reason: HoldReason | None = Field(description="For what a ticket on hold waits")
    priority: Priority
    category: Category | None = Field(description="What it is about; null until somebody or the machine is sure")
    channel: Channel
    subject: str = Field(examples=["No internet at the market"])
    body: str = Field(description="How it begins", examples=["The Wi-Fi is slow near the gate since this morning."])
    tags: list[str] = Field(examples=[["market"]])
    customer: Person | None
    gateway: str | None = Field(description="The slug of the gateway it was written at", examples=["5f0c2a9be1d34770"])
    gateway_name: str | None = Field(examples=["Serekunda Market north"])
    payment_reference: str | None = Field(examples=["7KMNPRST"])
    assignee: TicketAssignee | None = Field(description="Null while it lies with nobody")
    team: str | None = Field(description="The name of the team it lies with", examples=["Field"])
    incident: str | None = Field(description="The outage that it is about", examples=["I-7KMNPR"])
    merged_into: str | None = Field(description="The ticket that took it in: what is said to this one is heard there")
    created_at: datetime
    updated_at: datetime
    first_response_due_at: datetime | None
    next_response_due_at: datetime | None
    resolution_due_at: datetime | None
    resolved_at: datetime | None


def details(session: Session, rows: Sequence[TicketRow], actor: Principal) -> list[TicketDetail]:
    """These rows as they are shown to `actor`."""
    known = tags.of(session, [row.ticket.id or 0 for row in rows])
    ends = {row.ticket.merged_into_id for row in rows if row.ticket.merged_into_id is not None}
    named = session.exec(select(Ticket.id, Ticket.reference).where(col(Ticket.id).in_(ends))).all() if ends else []
    into = {number: reference for number, reference in named if number is not None}
    return [_detail(row, actor, known.get(row.ticket.id or 0, ()), into.get(row.ticket.merged_into_id or 0)) for row in rows]


def detail(session: Session, ticket: Ticket, actor: Principal) -> TicketDetail:
    """A ticket that the caller was just allowed to change."""
    return details(session, [row_of(session, ticket)], actor)[0]


def _detail(row: TicketRow, actor: Principal, tagged_with: Sequence[str], merged_into: str | None) -> TicketDetail:
    ticket = row.ticket
    return TicketDetail(
        reference=ticket.reference,
        state=ticket.state,
        hold_reason=ticket.hold_reason,
        priority=ticket.priority,
        category=ticket.category,
        channel=ticket.channel,
        subject=ticket.subject,
        body=ticket.body,
        tags=list(tagged_with),
        customer=person(row.customer, actor) if row.customer else None,
        gateway=row.gateway_slug,
        gateway_name=row.gateway_name,
        payment_reference=row.payment_reference,
        assignee=TicketAssignee.model_validate(row.assignee) if row.assignee else None,
        team=row.team_name,
        incident=row.incident_reference,
        merged_into=merged_into,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        first_response_due_at=ticket.first_response_due_at,
        next_response_due_at=ticket.next_response_due_at,
        resolution_due_at=ticket.resolution_due_at,
        resolved_at=ticket.resolved_at,
    )
