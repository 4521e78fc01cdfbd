"""What customers do in INET-Go with no network: ask for help, add words, rate, change their profile, take a device off, read a notice.

Buying is none of it: a purchase needs the customer's yes at Wave, at this moment.
"""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from pydantic import Field
from sqlmodel import Session, col, select

from services.access.errors import EntitlementNotFound
from services.access.models import Entitlement
from services.apps import balance, desk, documents, notices, profile
from services.apps.callers import Caller
from services.apps.models import App
from services.apps.mutations.kinds import At, Done, Kind, Payload, number_of
from services.apps.versions import ticket_versions
from services.notifications.models import Medium, Notification
from services.tickets import closure, conversation, intake
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket

NEW_TICKET = "ticket:new"
RowId = Annotated[str, Field(pattern=r"^\d{1,18}$")]


class TicketOpen(Payload):
    """`payment_id` is an own payment's id or its row's number; `place_id` is a place of the list."""

    body: str = Field(min_length=1, max_length=intake.MAX_WORDS)
    subject: str = Field(default="", max_length=200)
    payment_id: str | None = Field(default=None, min_length=1, max_length=64)
    place_id: RowId | None = None


class TicketSay(Payload):
    body: str = Field(min_length=1, max_length=intake.MAX_WORDS)


class TicketRate(Payload):
    score: int = Field(ge=1, le=5, strict=True)
    comment: str = Field(default="", max_length=closure.MAX_COMMENT)


class ProfileSet(Payload):
    """What is left out stays as it is; an empty name takes it away."""

    name: str | None = Field(default=None, max_length=profile.MAX_NAME)
    language: str | None = Field(default=None, max_length=8)


class FreeSlot(Payload):
    """`device_id`, if given, is the device that is meant: another one that has the place meanwhile is left alone."""

    number: int = Field(ge=1, le=20, strict=True)
    device_id: RowId | None = None


class NoticeRead(Payload):
    """Nothing more is said."""


def _ticket_version(session: Session, caller: Caller, entity: str) -> str | None:
    number = number_of(entity, "ticket")
    own = select(Ticket.id).where(Ticket.id == number, Ticket.customer_id == caller.customer())
    if number is None or session.exec(own).one_or_none() is None:
        return None
    conversation.whole(session, number)
    return str(ticket_versions(session, [number])[number])


def _new_version(session: Session, caller: Caller, entity: str) -> str | None:
    return "" if entity == NEW_TICKET else _ticket_version(session, caller, entity)


def _open(session: Session, caller: Caller, entity: str, payload: TicketOpen, at: At) -> Done:
    if entity != NEW_TICKET:
        raise TicketNotFound(f"A new request is named {NEW_TICKET}.", field="entity")
    place_id = int(payload.place_id) if payload.place_id is not None else None
    words = desk.Words(payload.body, payload.subject, payload.payment_id, place_id)
    return _kept(desk.open_own(session, caller, words, client_id=at.client_id, now=at.now))


def _say(session: Session, caller: Caller, entity: str, payload: TicketSay, at: At) -> Done:
    return _kept(desk.say(session, caller, _ticket(entity), body=payload.body, client_id=at.client_id, now=at.now))


def _kept(kept: desk.Kept) -> Done:
    return Done(f"ticket:{kept.ticket_id}", {"reference": kept.reference, "is_new": kept.is_new})


def _rate(session: Session, caller: Caller, entity: str, payload: TicketRate, at: At) -> Done:
    rated = desk.rate(session, caller, _ticket(entity), score=payload.score, comment=payload.comment, now=at.now)
    return Done(entity, {"score": rated.score})


def _ticket(entity: str) -> int:
    number = number_of(entity, "ticket")
    if number is None:
        raise TicketNotFound(field="entity")
    return number


def _profile_version(session: Session, caller: Caller, entity: str) -> str | None:
    if number_of(entity, "profile") != caller.customer():
        return None
    profile.locked(session, caller)
    return _version(session, caller, entity)


def _set_profile(session: Session, caller: Caller, entity: str, payload: ProfileSet, at: At) -> Done:
    changed = profile.set_profile(session, caller, name=payload.name, language=payload.language)
    return Done(entity, {"name": changed.name, "language": changed.language})


def _access_version(session: Session, caller: Caller, entity: str) -> str | None:
    own = select(Entitlement.id).where(Entitlement.id == number_of(entity, "access"), Entitlement.customer_id == caller.customer())
    if session.exec(own.with_for_update()).one_or_none() is None:
        return None
    return _version(session, caller, entity)


def _free(session: Session, caller: Caller, entity: str, payload: FreeSlot, at: At) -> Done:
    number = number_of(entity, "access")
    if number is None:
        raise EntitlementNotFound(field="entity")
    device_id = int(payload.device_id) if payload.device_id is not None else None
    # Who has taken the place since was not meant.
    freed = balance.free(session, caller, number, number=payload.number, device_id=device_id, before=at.happened, now=at.now)
    return Done(entity, {"freed": freed})


def _notice_version(session: Session, caller: Caller, entity: str) -> str | None:
    own = sa.and_(col(Notification.customer_id) == caller.customer(), col(Notification.medium) == Medium.BELL)
    wanted = select(Notification.id).where(Notification.id == number_of(entity, "notice"), own)
    if session.exec(wanted.with_for_update()).one_or_none() is None:
        return None
    return _version(session, caller, entity)


def _read(session: Session, caller: Caller, entity: str, payload: NoticeRead, at: At) -> Done:
    number = number_of(entity, "notice")
    assert number is not None  # its version was found
    notices.mark_read(session, caller, number, now=at.now)
    return Done(entity, {})


def _version(session: Session, caller: Caller, entity: str) -> str | None:
    """As the document that the phone holds says it."""
    kind, _, number = entity.partition(":")
    document = documents.one(session, caller, kind, int(number))
    return document.version if document is not None else None


def _is_another(session: Session, caller: Caller, entity: str, base: str) -> bool:
    return _version(session, caller, entity) != base


KINDS: dict[str, Kind] = {
    "ticket.open": Kind(App.GO, TicketOpen, _open, _new_version),
    "ticket.say": Kind(App.GO, TicketSay, _say, _ticket_version),
    "ticket.rate": Kind(App.GO, TicketRate, _rate, _ticket_version),
    "profile.set": Kind(App.GO, ProfileSet, _set_profile, _profile_version, _is_another),
    "access.free_slot": Kind(App.GO, FreeSlot, _free, _access_version),
    "notice.read": Kind(App.GO, NoticeRead, _read, _notice_version),
}
