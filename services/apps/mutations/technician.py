"""What technicians do in INET-Tech, also with no network: through the same services as the console, with the same permissions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

import sqlalchemy as sa
from pydantic import Field
from sqlmodel import Session, col, select

from app.clock import isoformat
from app.errors import InvalidInput
from services.accounts.permissions import Permission
from services.apps import documents, versions
from services.apps.callers import Caller
from services.apps.models import App, AppDevice
from services.apps.mutations.kinds import At, Done, Kind, Payload, number_of
from services.apps.mutations.own import own_spans
from services.fieldwork import findings, visits
from services.fieldwork.models import VisitState
from services.fieldwork.steps import Place, Worker
from services.tickets import duty, locks, notes, replies, service
from services.tickets.errors import TicketNotFound
from services.tickets.models import HoldReason, MessageKind, Ticket, TicketEvent, TicketMessage, TicketState
from services.tickets.sight import in_sight

# What somebody else did that a step of the work would go past.
_SPEAKS_AGAINST = ("state", "assignee", "merged", "unmerged", visits.VISIT)
# After these the words may be read by other people than they were written to.
_MOVED = ("merged", "unmerged", "took_in", "gave_back")
_OUR_NAMES = {"note": "words", "hold": "hold_reason"}
_SAID_OUTSIDE = (MessageKind.CUSTOMER, MessageKind.REPLY)
_Latitude, _Longitude = Field(ge=-90, le=90, allow_inf_nan=False), Field(ge=-180, le=180, allow_inf_nan=False)


class VisitStep(Payload):
    state: VisitState
    reason: str = Field(default="", max_length=300)
    hold_reason: HoldReason | None = None
    resolution: str = Field(default="", max_length=500)
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)
    accuracy: float | None = Field(default=None, ge=0, le=100_000, allow_inf_nan=False)

    def place(self) -> Place | None:
        """Raises InvalidInput for half a position."""
        if (self.latitude is None) is not (self.longitude is None):
            raise InvalidInput("A position is a latitude and a longitude.", field="latitude" if self.latitude is None else "longitude")
        if self.latitude is None or self.longitude is None:
            return None
        return Place(self.latitude, self.longitude, self.accuracy)


class Note(Payload):
    text: str = Field(min_length=1, max_length=20_000)


class Reply(Note):
    then: Literal["open", "pending", "resolved"] = "pending"


class State(Payload):
    state: TicketState
    hold_reason: HoldReason | None = None
    words: str = Field(default="", max_length=500)


class Check(Payload):
    item: str = Field(min_length=1, max_length=40)
    is_done: bool
    note: str = Field(default="", max_length=300)
    text: str = Field(default="", max_length=200)


class Part(Payload):
    name: str = Field(min_length=1, max_length=120)
    serial: str = Field(default="", max_length=80)
    quantity: int = Field(default=1, ge=1, le=1000)


class Confirmation(Payload):
    works: bool
    name: str = Field(default="", max_length=120)
    comment: str = Field(default="", max_length=500)


class Duty(Payload):
    is_on_duty: bool


class Position(Payload):
    latitude: float = _Latitude
    longitude: float = _Longitude


def _worker(caller: Caller, at: At) -> Worker:
    return Worker(caller.technician(Permission.TICKETS_EDIT), at.happened, at.now)


def _number(entity: str) -> int:
    number = number_of(entity, "ticket")
    if number is None:
        raise TicketNotFound
    return number


def _reference(session: Session, entity: str) -> str:
    return session.get_one(Ticket, _number(entity)).reference


def _visit(session: Session, caller: Caller, entity: str, payload: VisitStep, at: At) -> Done:
    visit = visits.step(
        session,
        worker=_worker(caller, at),
        ticket_id=_number(entity),
        to=payload.state,
        place=payload.place(),
        reason=payload.reason,
        hold=payload.hold_reason,
        resolution=payload.resolution,
    )
    return Done(entity, {"state": visit.state.value, "since": isoformat(visit.since)})


def _note(session: Session, caller: Caller, entity: str, payload: Note, at: At) -> Done:
    noted = notes.note(session, actor=caller.technician(), reference=_reference(session, entity), text=payload.text, now=at.now)
    return Done(entity, {"message_id": str(noted.message.id), "told": list(noted.told), "not_told": list(noted.not_told)})


def _reply(session: Session, caller: Caller, entity: str, payload: Reply, at: At) -> Done:
    # What was said since the phone saw it is asked as a conflict, with what this phone itself said left out.
    reference = _reference(session, entity)
    actor = caller.technician()
    said = replies.reply(
        session, actor=actor, reference=reference, text=payload.text, expected_revision=None, then=payload.then, now=at.now
    )
    return Done(entity, {"message_id": str(said.id)})


def _state(session: Session, caller: Caller, entity: str, payload: State, at: At) -> Done:
    try:
        ticket = service.move(
            session,
            actor=caller.technician(),
            reference=_reference(session, entity),
            to=payload.state,
            hold=payload.hold_reason,
            note=payload.words,
            now=at.now,
        )
    except InvalidInput as refusal:
        raise InvalidInput(refusal.text, field=_OUR_NAMES.get(refusal.field or "", refusal.field)) from None
    return Done(entity, {"state": ticket.state.value, "hold_reason": ticket.hold_reason})


def _check(session: Session, caller: Caller, entity: str, payload: Check, at: At) -> Done:
    worker, number = _worker(caller, at), _number(entity)
    kept = findings.check(
        session, worker=worker, ticket_id=number, item=payload.item, is_done=payload.is_done, note=payload.note, text=payload.text
    )
    return Done(entity, {"item": kept.item, "is_done": kept.is_done})


def _part(session: Session, caller: Caller, entity: str, payload: Part, at: At) -> Done:
    worker, number = _worker(caller, at), _number(entity)
    part = findings.use_part(session, worker=worker, ticket_id=number, name=payload.name, serial=payload.serial, quantity=payload.quantity)
    return Done(entity, {"part_id": str(part.id)})


def _confirmation(session: Session, caller: Caller, entity: str, payload: Confirmation, at: At) -> Done:
    worker, number = _worker(caller, at), _number(entity)
    findings.confirm(session, worker=worker, ticket_id=number, works=payload.works, name=payload.name, comment=payload.comment)
    return Done(entity, {"works": payload.works})


def _duty(session: Session, caller: Caller, entity: str, payload: Duty, at: At) -> Done:
    own = duty.set_own_duty(session, actor=caller.technician(), is_on_duty=payload.is_on_duty, now=at.now)
    return Done(entity, {"is_on_duty": own.is_on_duty, "teams": list(own.teams)})


def _position(session: Session, caller: Caller, entity: str, payload: Position, at: At) -> Done:
    """The newest counts, in whatever order they come."""
    caller.technician()
    phone = session.get_one(AppDevice, caller.app_device_id)
    is_newest = phone.located_at is None or at.happened >= phone.located_at
    if is_newest:
        phone.latitude, phone.longitude, phone.located_at = payload.latitude, payload.longitude, at.happened
    return Done(entity, {"is_newest": is_newest})


def _lock_itself(session: Session, caller: Caller, number: int) -> None:
    wanted = sa.select(col(Ticket.id)).where(col(Ticket.id) == number, *in_sight(caller.technician()))
    session.execute(wanted.with_for_update()).one_or_none()


def _lock_end(session: Session, caller: Caller, number: int) -> None:
    """What is said to a merged ticket is said to the one that took it in: only that one is locked, as everywhere."""
    locks.end_of(session, number)


def _ticket_version(lock: Callable[[Session, Caller, int], None]) -> Callable[[Session, Caller, str], str | None]:
    def version(session: Session, caller: Caller, entity: str) -> str | None:
        number = number_of(entity, "ticket")
        seen = sa.select(col(Ticket.id)).where(col(Ticket.id) == number, *in_sight(caller.technician()))
        if number is None or session.execute(seen).one_or_none() is None:
            return None
        lock(session, caller, number)
        # Asked again of what stands: it may have been handed over while this waited.
        if session.execute(seen).one_or_none() is None:
            return None
        return str(versions.ticket_versions(session, [number])[number])

    return version


def _own_profile(session: Session, caller: Caller, entity: str) -> str | None:
    number = number_of(entity, "profile")
    if number is None or number != caller.technician().id:
        return None
    found = documents.one(session, caller, "profile", number)
    return found.version if found is not None else None


def _base(base: str) -> versions.TicketVersion:
    seen = versions.parse(base)
    if seen is None:
        raise InvalidInput("That is no version of a ticket.", field="base_version")
    return seen


def _went_on(session: Session, caller: Caller, entity: str, base: str) -> bool:
    """Whether somebody else moved it, handed it over, merged it or went there since."""
    return _happened(session, caller, entity, base, _SPEAKS_AGAINST)


def _happened(session: Session, caller: Caller, entity: str, base: str, kinds: Collection[str]) -> bool:
    """Whether there is one of these events since that was not this phone's own doing."""
    number, since = _number(entity), _base(base).event_id
    wanted = select(TicketEvent.id).where(TicketEvent.ticket_id == number, col(TicketEvent.id) > since, col(TicketEvent.kind).in_(kinds))
    own = [(before.event_id, after.event_id) for before, after in _own(session, caller, entity)]
    return any(not _is_within(found, own) for found in session.exec(wanted).all())


def _was_said(session: Session, caller: Caller, entity: str, base: str) -> bool:
    """Whether the customer wrote since, or somebody else answered them, or what they wrote lies in another ticket now."""
    if _happened(session, caller, entity, base, _MOVED):
        return True
    number, since = _number(entity), _base(base).message_id
    wanted = select(TicketMessage.id).where(
        TicketMessage.ticket_id == number, col(TicketMessage.id) > since, col(TicketMessage.kind).in_(_SAID_OUTSIDE)
    )
    own = [(before.message_id, after.message_id) for before, after in _own(session, caller, entity)]
    return any(not _is_within(found, own) for found in session.exec(wanted).all())


def _own(session: Session, caller: Caller, entity: str) -> list[tuple[versions.TicketVersion, versions.TicketVersion]]:
    return [(_base(before), _base(after)) for before, after in own_spans(session, caller=caller, entity=entity)]


def _is_within(number: int | None, spans: list[tuple[int, int]]) -> bool:
    return number is not None and any(before < number <= after for before, after in spans)


_itself, _end = _ticket_version(_lock_itself), _ticket_version(_lock_end)
KINDS: Mapping[str, Kind] = {
    "ticket.visit": Kind(App.TECH, VisitStep, _visit, _itself, _went_on),
    "ticket.state": Kind(App.TECH, State, _state, _itself, _went_on),
    "ticket.reply": Kind(App.TECH, Reply, _reply, _end, _was_said),
    "ticket.note": Kind(App.TECH, Note, _note, _end),
    "ticket.check": Kind(App.TECH, Check, _check, _itself),
    "ticket.part": Kind(App.TECH, Part, _part, _itself),
    "ticket.confirmation": Kind(App.TECH, Confirmation, _confirmation, _itself),
    "duty.set": Kind(App.TECH, Duty, _duty, _own_profile),
    "position.report": Kind(App.TECH, Position, _position, _own_profile),
}
