"""`/api/v1/tickets`: state, priority, category, tags; merging, splitting and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, Reference, Wanted
from app.api.v1.ticket_details import TicketDetail, detail
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.tickets import locks, merging, operations, service, splitting, tags
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketState
from services.tickets.work_models import OperationKind, TicketOperation

router = APIRouter(prefix="/tickets", tags=["tickets"])
Editor = Annotated[Principal, requires(Permission.TICKETS_EDIT)]
_Text = Annotated[str, Field(pattern=NO_NUL)]
_Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=NO_NUL)]


class WantedState(Wanted):
    """`new` cannot be given. Closing, and opening what is closed, need a note."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "on_hold", "hold_reason": "part", "note": "A mast bracket"}]})

    # Bodies are strict: an enumeration comes as its text.
    state: TicketState = Field(strict=False)
    hold_reason: HoldReason | None = Field(default=None, strict=False, description="With `on_hold`, and with nothing else")
    note: _Text = Field(default="", max_length=service.NOTE_LENGTH[1])


class WantedPriority(Wanted):
    """How urgent it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": "high"}]})

    priority: Priority = Field(strict=False)


class WantedCategory(Wanted):
    """What it is about; kept beside what the machine said, which learns from it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"category": "slow-speed"}]})

    category: Category = Field(strict=False)


class WantedTags(Wanted):
    """What is put on and what is taken off; others stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"add": ["market"], "remove": ["to-check"]}]})

    add: list[_Tag] = Field(default_factory=list, max_length=tags.MAX_TAGS)
    remove: list[_Tag] = Field(default_factory=list, max_length=tags.MAX_TAGS)


class WantedMerge(Wanted):
    """`confirm` is asked for when the tickets are of different customers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "T-7KMNPRS", "confirm": False}]})

    into: _Text = Field(min_length=1, max_length=16)
    confirm: bool = False


class WantedSplit(Wanted):
    """The messages that become a ticket of their own; never the first one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message_ids": [41, 42], "subject": "Refund of a voucher"}]})

    message_ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(min_length=1, max_length=500)
    subject: _Text = Field(min_length=1, max_length=service.MAX_SUBJECT)


class Step(BaseModel):
    """What moved or changed several things at once, and can be taken back."""

    id: int
    kind: OperationKind
    said: str = Field(description="What was done, in words", examples=["T-7KMNPRS was merged into T-4PRSTVW"])
    ticket: str | None = Field(description="The ticket that took the other in, or that is new", examples=["T-4PRSTVW"])
    undo_until: datetime
    undone_at: datetime | None


class StepUndone(BaseModel):
    """`kept` names what somebody changed since, which stays as it is."""

    step: Step
    kept: list[str]


@router.put("/{reference}/state", summary="Give a ticket another state", responses=tagged(404, 409, 412, 428))
def set_state(actor: Editor, reference: Reference, expected: Expected, body: WantedState, response: Response) -> TicketDetail:
    """The customer is told when it is resolved or closed."""
    with transaction() as session:
        ticket = service.move(
            session,
            actor=actor,
            reference=reference,
            to=body.state,
            hold=body.hold_reason,
            note=body.note,
            expected_revision=expected,
            now=utc_now(),
        )
        return _shown(session, ticket, actor, response)


@router.put("/{reference}/priority", summary="Say how urgent a ticket is", responses=tagged(404, 409, 412, 428))
def set_priority(actor: Editor, reference: Reference, expected: Expected, body: WantedPriority, response: Response) -> TicketDetail:
    """Its deadlines follow."""
    with transaction() as session:
        ticket = service.triage(
            session, actor=actor, reference=reference, priority=body.priority, expected_revision=expected, now=utc_now()
        )
        return _shown(session, ticket, actor, response)


@router.put("/{reference}/category", summary="Say what a ticket is about", responses=tagged(404, 409, 412, 428))
def set_category(actor: Editor, reference: Reference, expected: Expected, body: WantedCategory, response: Response) -> TicketDetail:
    """Its deadlines follow, where a policy goes by it."""
    with transaction() as session:
        ticket = service.triage(
            session, actor=actor, reference=reference, category=body.category, expected_revision=expected, now=utc_now()
        )
        return _shown(session, ticket, actor, response)


@router.post("/{reference}/tags", summary="Put tags on a ticket, or take them off", response_model=TicketDetail, responses=tagged(404, 409))
def set_tags(actor: Editor, reference: Reference, body: WantedTags, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """What is as wanted already changes nothing."""

    def work(session: Session) -> tuple[TicketDetail, dict[str, str]]:
        tags.change(session, actor=actor, reference=reference, add=body.add, remove=body.remove, now=utc_now())
        ticket = locks.one(session, actor=actor, reference=reference)
        return detail(session, ticket, actor), tag_header(ticket.revision)

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post("/{reference}/merge", summary="Merge a ticket into another", response_model=Step, responses=refusals(404, 409, 412, 428))
def merge(
    actor: Editor, reference: Reference, expected: Expected, body: WantedMerge, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """All that was said moves, and this one is closed: what is written to it later is heard in the other. The ETag is this one's."""

    def work(session: Session) -> tuple[Step, dict[str, str]]:
        done = merging.merge(
            session,
            actor=actor,
            source=reference,
            into=body.into,
            expected_revision=expected,
            confirm=body.confirm,
            now=utc_now(),
        )
        return _step(done), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post(
    "/{reference}/split", summary="Split messages off", response_model=Step, status_code=201, responses=refusals(404, 409, 412, 428)
)
def split(
    actor: Editor, reference: Reference, expected: Expected, body: WantedSplit, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Into a new ticket of the same customer and place, whose clocks begin now. The ETag is the old one's."""

    def work(session: Session) -> tuple[Step, dict[str, str]]:
        done = splitting.split(
            session,
            actor=actor,
            reference=reference,
            message_ids=body.message_ids,
            subject=body.subject,
            expected_revision=expected,
            now=utc_now(),
        )
        return _step(done), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.post(
    "/operations/{operation_id}/undo", summary="Take a merge or a split back", response_model=StepUndone, responses=refusals(404, 409)
)
def undo(actor: Editor, operation_id: Id, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Within 24 hours; a change of many tickets within ten minutes. What came since stays where it came."""

    def work(session: Session) -> tuple[StepUndone, dict[str, str]]:
        undone = operations.undo(session, actor=actor, operation_id=operation_id, now=utc_now())
        return StepUndone(step=_step(undone.operation), kept=list(undone.kept)), {}

    return Wish(actor, request, idempotency_key).answer(work)


def _shown(session: Session, ticket: Ticket, actor: Principal, response: Response) -> TicketDetail:
    response.headers.update(tag_header(ticket.revision))
    return detail(session, ticket, actor)


def _step(operation: TicketOperation) -> Step:
    assert operation.id is not None
    return Step(
        id=operation.id,
        kind=operation.kind,
        said=operations.words(operation),
        ticket=operation.data.get("into") or operation.data.get("new"),
        undo_until=operation.undo_until,
        undone_at=operation.undone_at,
    )
