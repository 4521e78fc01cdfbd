"""`mutations`: what was done in an app, also with no network, in one batch; each applied once, in its order, and each answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app import limits
from app.clock import utc_now
from app.db import transaction
from mobile.security import AnyPhone
from mobile.shapes import Moment
from services.apps.models import MutationOutcome
from services.apps.mutations import engine
from services.apps.mutations.engine import Result, Sent
from services.apps.mutations.receiving import receive

router = APIRouter(prefix="/mutations", tags=["mobile"])
# New ones; what is sent again is free, or a bad network would use them up. Far above what a person does in a day without a network.
OF_CUSTOMER = limits.Limit("mutations-of-customer", "300 per 10 minutes")
OF_TECHNICIAN = limits.Limit("mutations-of-technician", "3000 per 10 minutes")
_NO_NUL = r"^[^\x00]*$"
ClientId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
_SENT: dict[str, Any] = {
    "sent_at": "2026-11-22T12:00:00Z",
    "mutations": [
        {
            "id": "0198c1f4-7f7e-7c31-a1b2-3c4d5e6f7a8b",
            "type": "ticket.visit",
            "entity": "ticket:17",
            "base_version": "412.96",
            "at": "2026-11-22T11:42:10Z",
            "payload": {"state": "on_site", "latitude": 13.4432, "longitude": -16.6781, "accuracy": 12},
        }
    ],
}
_ANSWERED: dict[str, Any] = {
    "results": [
        {
            "id": "0198c1f4-7f7e-7c31-a1b2-3c4d5e6f7a8b",
            "outcome": "applied",
            "first": None,
            "entity": "ticket:17",
            "version": "415.96",
            "data": {"state": "on_site", "since": "2026-11-22T11:42:11Z"},
            "reason": None,
            "server": None,
        }
    ],
    "held": {"total": 41, "applied": 40, "conflict": 1, "rejected": 0},
    "skew_ms": 1200,
    "server_time": "2026-11-22T12:00:01.200000Z",
}


class Mutation(BaseModel):
    """One thing that was done on the phone. `id` is the phone's own name of it: sent again, it gets the same answer."""

    model_config = ConfigDict(extra="forbid")

    id: ClientId
    type: str = Field(min_length=1, max_length=40, pattern=_NO_NUL, examples=["ticket.visit"])
    entity: str = Field(min_length=1, max_length=80, pattern=_NO_NUL, description="`kind:id`, or `ticket:new`", examples=["ticket:17"])
    base_version: str | None = Field(
        default=None, max_length=80, pattern=_NO_NUL, description="The version that the phone last had from the server when it was done"
    )
    at: Moment = Field(description="By the phone's clock")
    payload: dict[str, Any] = Field(default_factory=dict)


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SENT]})

    sent_at: Moment = Field(description="The phone's clock at the moment of sending")
    mutations: list[Mutation] = Field(min_length=1, max_length=engine.MOST_AT_ONCE)


class Reason(BaseModel):
    code: str = Field(examples=["ticket_closed"])
    message: str
    field: str | None


class ServerDocument(BaseModel):
    """An entity as a sync tells it."""

    kind: str
    id: str
    version: str
    data: dict[str, Any]


class MutationResult(BaseModel):
    """`server` is what stands here, where the phone's word did not count and the person may know of it."""

    id: str
    outcome: Literal["applied", "duplicate", "conflict", "rejected"]
    first: MutationOutcome | None = Field(description="Of a duplicate: what was answered when it came first")
    entity: str = Field(description="How it is named from now on; a new one gets its name here")
    version: str | None = Field(description="Of the entity right after it was applied")
    data: dict[str, Any]
    reason: Reason | None
    server: ServerDocument | None


class HeldCount(BaseModel):
    """How many mutations of this phone the server holds, by what became of them first."""

    total: int
    applied: int
    conflict: int
    rejected: int


class Answered(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWERED]})

    results: list[MutationResult] = Field(description="One for each that was sent, in their order")
    held: HeldCount
    skew_ms: int = Field(description="How far the phone's clock is behind the server's, in milliseconds; negative when it is ahead")
    server_time: datetime


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": ["0198c1f4-7f7e-7c31-a1b2-3c4d5e6f7a8b"]}]})

    ids: list[ClientId] = Field(max_length=engine.MOST_KNOWN)


class Known(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"known": {"0198c1f4-7f7e-7c31-a1b2-3c4d5e6f7a8b": "applied"}}]})

    known: dict[str, MutationOutcome] = Field(description="Those of the names that the server holds; what is missing was never received")


@router.post("", summary="Send what was done")
def send(caller: AnyPhone, batch: Batch) -> Answered:
    """Each is done once, in the order given, and answered; the batch may be sent again, in whole or in part, until its answer arrived.

    At most 100 at once, and 256 KB. With 429 or 503 nothing is lost: what was done by then is answered as a duplicate the next time.
    """
    limit = OF_TECHNICIAN if caller.staff is not None else OF_CUSTOMER
    limits.refuse_spent(limit, caller.label)
    sent = [Sent(one.id, one.type, one.entity, one.base_version, one.at, one.payload) for one in batch.mutations]
    answers = receive(transaction, caller=caller, sent_at=batch.sent_at, sent=sent, clock=utc_now)
    limits.note_all([(limit, (caller.label,)) for one in answers.results if one.outcome != "duplicate"])
    return Answered(
        results=[_result(one) for one in answers.results],
        held=HeldCount.model_validate(answers.held, from_attributes=True),
        skew_ms=answers.skew_ms,
        server_time=answers.server_time,
    )


@router.get("/held", summary="How many are held")
def held(caller: AnyPhone) -> HeldCount:
    """The receipt for everything that this phone ever sent: "phone says 41, we hold 41"."""
    with transaction() as session:
        return HeldCount.model_validate(engine.held(session, caller=caller), from_attributes=True)


@router.post("/known", summary="Which are held")
def known(caller: AnyPhone, asked: Asked) -> Known:
    """For a phone that lost its answers: which of its names are held here, and what became of each."""
    with transaction() as session:
        return Known(known=engine.known(session, caller=caller, ids=asked.ids))


def _result(one: Result) -> MutationResult:
    return MutationResult(
        id=one.id,
        outcome=one.outcome,
        first=one.first,
        entity=one.entity,
        version=one.version,
        data=dict(one.data),
        reason=Reason.model_validate(one.reason) if one.reason is not None else None,
        server=ServerDocument.model_validate(one.server) if one.server is not None else None,
    )
