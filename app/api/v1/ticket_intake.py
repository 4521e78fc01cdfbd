"""`/api/v1/tickets`: opening one for somebody, and the files that came with its messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, Reference, Wanted
from app.api.v1.writes import IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.errors import InvalidInput, NotFound
from services.access.gateways import gateway_by_slug
from services.accounts.permissions import Permission, Principal
from services.tickets import attachments, intake
from services.tickets.intake_models import Attachment
from services.tickets.models import Category, Channel, Priority, TicketState

router = APIRouter(prefix="/tickets", tags=["tickets"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]
Editor = Annotated[Principal, requires(Permission.TICKETS_EDIT)]
_Text = Annotated[str, Field(pattern=NO_NUL)]


class NewTicket(Wanted):
    """What somebody told you. Without a phone number nobody can be answered by text."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"words": "The Wi-Fi at the gate is slow since this morning.", "phone": "+220833000001"}]}
    )

    words: _Text = Field(min_length=1, max_length=intake.MAX_WORDS, description="In the customer's own words")
    phone: _Text = Field(default="", max_length=32, description="The customer's, in either form")
    name: _Text = Field(default="", max_length=120)
    subject: _Text = Field(default="", max_length=200)
    # Bodies are strict: an enumeration comes as its text.
    category: Category | None = Field(default=None, strict=False, description="Null lets the machine find out")
    priority: Priority = Field(default=Priority.NORMAL, strict=False)
    gateway: _Text | None = Field(default=None, max_length=64, description="The slug of the gateway it is about")
    site_id: int | None = Field(default=None, ge=1, le=2**63 - 1, description="The number of the place it is about")


class TicketOpened(BaseModel):
    reference: str = Field(examples=["T-7KMNPRS"])
    state: TicketState
    channel: Channel
    priority: Priority
    created_at: datetime
    first_response_due_at: datetime | None
    resolution_due_at: datetime | None

    model_config = ConfigDict(from_attributes=True)


class TicketFile(BaseModel):
    """A file that came along. A refused one has no `sha256`, and `why` says what was wrong with it."""

    id: int
    name: str = Field(examples=["photo.jpg"])
    media_type: str = Field(description="By its content", examples=["image/jpeg"])
    size_bytes: int
    sha256: str | None
    why: str | None
    created_at: datetime


class TicketFiles(BaseModel):
    items: list[TicketFile]


@router.post("", summary="Open a ticket", status_code=201, response_model=TicketOpened, responses=tagged(409, status=201))
def open_one(actor: Editor, body: NewTicket, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """For a customer who told you of it. It is read, enriched and routed like every other."""

    def work(session: Session) -> tuple[TicketOpened, dict[str, str]]:
        ticket = intake.open_by_staff(
            session,
            actor=actor,
            phone=body.phone,
            name=body.name,
            words=body.words,
            subject=body.subject,
            category=body.category,
            priority=body.priority,
            gateway_id=_gateway_id(session, body.gateway),
            site_id=body.site_id,
            channel=Channel.API,
            now=utc_now(),
        )
        return TicketOpened.model_validate(ticket), tag_header(ticket.revision)

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


def _gateway_id(session: Session, slug: str | None) -> int | None:
    if not slug:
        return None
    try:
        return gateway_by_slug(session, slug).id
    except NotFound:
        raise InvalidInput("There is no gateway of that name.", field="gateway") from None


@router.get("/{reference}/attachments", summary="The files of a ticket", responses=refusals(404))
def files(actor: Reader, reference: Reference) -> TicketFiles:
    """With every message that somebody sent; refused ones too, with the reason."""
    with transaction() as session:
        found = attachments.list_attachments(session, actor=actor, reference=reference)
    return TicketFiles(items=[_file(row) for row in found])


def _file(row: Attachment) -> TicketFile:
    return TicketFile(
        id=row.id or 0,
        name=row.name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256 if row.file is not None else None,
        why=row.why,
        created_at=row.created_at,
    )


@router.get(
    "/{reference}/attachments/{attachment_id}",
    summary="One file",
    response_class=Response,
    responses={
        200: {"description": "Its bytes", "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **refusals(404),
    },
)
def content(
    actor: Reader,
    reference: Reference,
    attachment_id: Id,
    thumb: Annotated[bool, Query(description="A picture of at most 320 points instead")] = False,
) -> Response:
    """To be saved. Its type is what its content was found to be."""
    with transaction() as session:
        if attachment_id not in {row.id for row in attachments.list_attachments(session, actor=actor, reference=reference)}:
            raise attachments.AttachmentNotFound
        row, body = attachments.content_of(session, actor=actor, attachment_id=attachment_id, is_thumbnail=thumb)
    return Response(body, headers=attachments.served_headers(row), media_type=row.media_type)
