"""Asking for help (INET-Go). Conversations come with a sync; photos go their own way (`/photos`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.limits import Limit, count, count_once
from mobile.security import CustomerPhone
from mobile.shapes import Body, ClientId, RowId, RowText
from services.apps import desk
from services.apps.desk import Kept
from services.tickets.closure import MAX_COMMENT
from services.tickets.intake import MAX_WORDS

TICKETS_OF_CUSTOMER = Limit("tickets-of-customer", "10 per 10 minutes")
WORDS_OF_CUSTOMER = Limit("words-of-customer", "40 per 10 minutes")
VOTES_OF_CUSTOMER = Limit("votes-of-customer", "30 per 10 minutes")
router = APIRouter(tags=["mobile"])


class _Said(Body):
    @field_validator("body", mode="before", check_fields=False)
    @classmethod
    def _lines(cls, value: object) -> object:
        return value.replace("\r\n", "\n") if isinstance(value, str) else value


Said = Annotated[str, Field(min_length=1, max_length=MAX_WORDS)]


class TicketWanted(_Said):
    """`place_id` is a place of the list; without it, it is where the customer was online within two hours."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"body": "It is slow near the gate", "subject": "Slow", "client_id": "0192f1c2-7c1e-7d9a-b1a4-6a1b2c3d4e5f"}]
        }
    )

    body: Said
    subject: str = Field(default="", max_length=200)
    payment_id: str | None = Field(default=None, min_length=1, max_length=64, description="An own payment, by its id or its record")
    place_id: RowText | None = None
    client_id: ClientId


class WordsKept(BaseModel):
    """`id` is the ticket that holds the words now: a new one, if the old was done more than a week ago."""

    id: RowText
    entity: str = Field(description="As a sync and mutations name it", examples=["ticket:17"])
    reference: str = Field(examples=["T-7KMNPRS"])
    is_new: bool


class MoreWords(_Said):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"body": "It works again, thank you", "client_id": "0192f1c2-7c1e-7d9a-b1a4-6a1b2c3d4e60"}]}
    )

    body: Said
    client_id: ClientId


class Vote(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"score": 5, "comment": "Quick and friendly"}]})

    score: int = Field(ge=1, le=5, strict=True, description="From 1 (bad) to 5 (good)")
    comment: str = Field(default="", max_length=MAX_COMMENT)


class VoteKept(BaseModel):
    id: RowText
    score: int


@router.post("/tickets", summary="Ask for help", status_code=201, responses=refusals(404))
def open_ticket(caller: CustomerPhone, body: TicketWanted) -> WordsKept:
    """Open a ticket. The same `client_id` and words, or the same words within ten minutes, are the same ticket."""
    count_once(TICKETS_OF_CUSTOMER, body.client_id, str(caller.customer_id))
    words = desk.Words(body.body, body.subject, body.payment_id, int(body.place_id) if body.place_id is not None else None)
    with transaction() as session:
        kept = desk.open_own(session, caller, words, client_id=body.client_id, now=utc_now())
    return _kept(kept)


def _kept(kept: Kept) -> WordsKept:
    return WordsKept(id=str(kept.ticket_id), entity=f"ticket:{kept.ticket_id}", reference=kept.reference, is_new=kept.is_new)


@router.post("/tickets/{ticket_id}/messages", summary="Add words to a ticket", status_code=201, responses=refusals(404, 409))
def say(caller: CustomerPhone, ticket_id: RowId, body: MoreWords) -> WordsKept:
    """Say something further; what was done within the last week is opened again by it. The same `client_id` is kept once."""
    count_once(WORDS_OF_CUSTOMER, body.client_id, str(caller.customer_id))
    with transaction() as session:
        kept = desk.say(session, caller, ticket_id, body=body.body, client_id=body.client_id, now=utc_now())
    return _kept(kept)


@router.post("/tickets/{ticket_id}/rating", summary="Say how our help was", responses=refusals(404, 409))
def rate_ticket(caller: CustomerPhone, ticket_id: RowId, body: Vote) -> VoteKept:
    """From 1 to 5, for a ticket that is done; the last word within a week counts."""
    count(VOTES_OF_CUSTOMER, str(caller.customer_id))
    with transaction() as session:
        rated = desk.rate(session, caller, ticket_id, score=body.score, comment=body.comment, now=utc_now())
    return VoteKept(id=str(ticket_id), score=rated.score)
