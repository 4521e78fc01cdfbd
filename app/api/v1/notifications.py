"""`/api/v1/notifications`: messages to people, what became of each, and what is done with one that was given up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, IdFilter, Moment, Search
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.notifications import desk
from services.notifications.models import Medium, NotificationState, Urgency
from services.notifications.queries import NotificationFilter, NotificationRow, list_notifications, notification_row

router = APIRouter(prefix="/notifications", tags=["notifications"])
Reader = Annotated[Principal, requires(Permission.NOTIFICATIONS_READ)]
Editor = Annotated[Principal, requires(Permission.NOTIFICATIONS_EDIT)]


class NotificationItem(BaseModel):
    """One message to one person on one medium. What it says is not told here."""

    id: int
    event: str = Field(examples=["purchase_receipt"])
    medium: Medium
    urgency: Urgency
    language: str = Field(examples=["en"])
    state: NotificationState
    to: str = Field(description="Masked", examples=["+220 ••• 0001"])
    customer_id: int | None
    ticket: str | None = Field(description="The reference of the ticket it is about", examples=["T-4KM7PX"])
    attempts: int
    next_attempt_at: datetime | None
    provider: str | None = Field(examples=["africastalking"])
    why: str | None = Field(description="Why it was not sent, or not yet")
    given_up: bool = Field(description="Whether it waits for a person")
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None


def _shown(row: NotificationRow) -> NotificationItem:
    message = row.notification
    assert message.id is not None
    return NotificationItem(
        id=message.id,
        event=message.event,
        medium=message.medium,
        urgency=message.urgency,
        language=message.language,
        state=message.state,
        to=row.to,
        customer_id=message.customer_id,
        ticket=row.ticket_reference,
        attempts=message.attempts,
        next_attempt_at=message.next_attempt_at,
        provider=message.provider,
        why=message.error,
        given_up=row.is_given_up,
        created_at=message.created_at,
        sent_at=message.sent_at,
        delivered_at=message.delivered_at,
    )


@router.get("", summary="List messages to people")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: NotificationState | None = None,
    medium: Medium | None = None,
    event: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    given_up: Annotated[bool, Query(description="Only those that wait for a person")] = False,
    customer_id: IdFilter = None,
    ticket_id: IdFilter = None,
    since: Annotated[Moment | None, Query(description="Those made at this moment or later")] = None,
    until: Annotated[Moment | None, Query(description="Those made before this moment")] = None,
    search: Annotated[Search, Query(description="A phone number, a ticket's reference, or how an event's name begins")] = "",
) -> Page[NotificationItem]:
    """The newest first."""
    wanted = NotificationFilter(state, medium, event, given_up, customer_id, ticket_id, since, until, search)
    with transaction() as session:
        found = list_notifications(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _shown, lambda row: (row.notification.created_at, row.notification.id or 0))


@router.get("/{notification_id}", summary="One message", responses=refusals(404))
def one(actor: Reader, notification_id: Id) -> NotificationItem:
    with transaction() as session:
        return _shown(notification_row(session, actor=actor, notification_id=notification_id))


@router.post("/{notification_id}/retry", summary="Send one again", response_model=NotificationItem, responses=refusals(404, 409))
def retry(actor: Editor, notification_id: Id, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Of one whose answer was lost: it may then come twice. A one-time code is not sent again."""

    def work(session: Session) -> tuple[NotificationItem, dict[str, str]]:
        desk.retry(session, actor=actor, notification_id=notification_id, now=utc_now())
        return _shown(notification_row(session, actor=actor, notification_id=notification_id)), {}

    return Wish(actor, request, idempotency_key).answer(work)


@router.post("/{notification_id}/dismiss", summary="Take one off the list", response_model=NotificationItem, responses=refusals(404, 409))
def dismiss(actor: Editor, notification_id: Id, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """A person has seen that it was given up."""

    def work(session: Session) -> tuple[NotificationItem, dict[str, str]]:
        desk.dismiss(session, actor=actor, notification_id=notification_id, now=utc_now())
        return _shown(notification_row(session, actor=actor, notification_id=notification_id)), {}

    return Wish(actor, request, idempotency_key).answer(work)
