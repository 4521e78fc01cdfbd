"""`/api/v1/tickets`: what is said in a ticket, to the customer and among staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, Reference, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.tickets import notes, replies
from services.tickets.messages import list_messages
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from services.tickets.texts import MAX_WORDS

router = APIRouter(prefix="/tickets", tags=["tickets"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]
Editor = Annotated[Principal, requires(Permission.TICKETS_EDIT)]
Replier = Annotated[Principal, requires(Permission.TICKETS_REPLY)]
Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS, pattern=NO_NUL)]


class DeliveryDetail(BaseModel):
    """What became of a reply on its way."""

    model_config = ConfigDict(from_attributes=True)

    state: str = Field(description="queued, sending, sent, delivered, unknown, failed, suppressed, or none", examples=["delivered"])
    medium: str | None = Field(examples=["sms"])
    at: datetime | None
    error: str | None
    may_be_resent: bool


class MessageDetail(BaseModel):
    """One thing said."""

    id: int
    ticket: str = Field(description="The ticket it stands in", examples=["T-7KMNPRS"])
    kind: MessageKind = Field(description="`note` and `system` are never shown to the customer")
    channel: Channel
    author: str = Field(examples=["Awa Ceesay"])
    body: str = Field(examples=["Please switch your phone's Wi-Fi off and on, then try once more."])
    created_at: datetime
    delivery: DeliveryDetail | None = Field(description="Of a reply")


class NewReply(Wanted):
    """What the customer is told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "It is mended. Please try once more.", "then": "pending"}]})

    text: Words
    then: Literal["open", "pending", "resolved"] = Field(default="pending", description="How the ticket goes on")
    anyway: bool = Field(default=False, description="Also if somebody said something since the ETag was read")


class NewNote(Wanted):
    """A word among staff."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "@modou.bah please look at the mast."}]})

    text: Words


class NoteDetail(BaseModel):
    """The note, and by name who was named in it and told, or may not know of the ticket."""

    message: MessageDetail
    told: list[str] = Field(examples=[["Modou Bah"]])
    not_told: list[str]


@router.get("/{reference}/messages", summary="What was said in a ticket", responses=refusals(404))
def messages(actor: Reader, reference: Reference, paging: WantedPage) -> Page[MessageDetail]:
    """Newest first, with notes. A ticket that was merged has none: they stand in the one that took it in."""
    with transaction() as session:
        found = list_messages(session, actor=actor, reference=reference, part=paging.part())
        ticket_id = next((one.ticket_id for one in found.rows), None)
        sent = replies.deliveries(session, ticket_id) if ticket_id is not None else {}
        shown = {one.id: _message(session, one, sent.get(one.id or 0)) for one in found.rows}
    return paging.page(found.rows, lambda row: shown[row.id], lambda row: (row.created_at, row.id or 0))


@router.post(
    "/{reference}/replies",
    summary="Answer the customer",
    response_model=MessageDetail,
    status_code=201,
    responses=tagged(404, 409, 412, 428, status=201),
)
def answer(
    actor: Replier, reference: Reference, expected: Expected, body: NewReply, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """By the way they wrote. Refused when somebody said something since the ETag was read, unless `anyway`; changed fields do not matter.

    A reply to a ticket that was merged lands in the one that took it in.
    """

    def work(session: Session) -> tuple[MessageDetail, dict[str, str]]:
        said = replies.reply(
            session,
            actor=actor,
            reference=reference,
            text=body.text,
            expected_revision=expected,
            anyway=body.anyway,
            then=body.then,
            now=utc_now(),
        )
        sent = replies.deliveries(session, said.ticket_id)
        return _message(session, said, sent.get(said.id or 0)), _tag(session, said)

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.post(
    "/{reference}/notes",
    summary="Write a note among staff",
    response_model=NoteDetail,
    status_code=201,
    responses=tagged(404, 409, status=201),
)
def add_note(actor: Editor, reference: Reference, body: NewNote, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """The customer never sees it. Whoever is named with an @ is told, and watches the ticket from then on."""

    def work(session: Session) -> tuple[NoteDetail, dict[str, str]]:
        noted = notes.note(session, actor=actor, reference=reference, text=body.text, now=utc_now())
        shown = NoteDetail(message=_message(session, noted.message, None), told=list(noted.told), not_told=list(noted.not_told))
        return shown, _tag(session, noted.message)

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.post("/messages/{message_id}/resend", summary="Send a reply once more", response_model=DeliveryDetail, responses=refusals(404, 409))
def resend(actor: Replier, message_id: Id, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """One that did not arrive, or perhaps not: of that, a person decides that coming twice is better than not at all."""

    def work(session: Session) -> tuple[DeliveryDetail, dict[str, str]]:
        return DeliveryDetail.model_validate(replies.resend(session, actor=actor, message_id=message_id, now=utc_now())), {}

    return Wish(actor, request, idempotency_key).answer(work)


def _message(session: Session, message: TicketMessage, delivery: replies.Delivery | None) -> MessageDetail:
    assert message.id is not None
    return MessageDetail(
        id=message.id,
        ticket=session.get_one(Ticket, message.ticket_id).reference,
        kind=message.kind,
        channel=message.channel,
        author=message.author,
        body=message.body,
        created_at=message.created_at,
        delivery=DeliveryDetail.model_validate(delivery) if delivery is not None else None,
    )


def _tag(session: Session, message: TicketMessage) -> dict[str, str]:
    return tag_header(session.get_one(Ticket, message.ticket_id).revision)
