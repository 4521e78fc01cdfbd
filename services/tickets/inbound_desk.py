"""The desk of what came in and needs a person: looking at it, letting it through, throwing it away; and how both sides count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound
from app.events import publish
from app.keys import BadSeal
from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import Listing, Slice, count, fetch, pick
from services.tickets import changes, inbound_store, mail_fetching
from services.tickets.intake_models import InboundCount, InboundMessage, InboundSource, InboundState
from services.tickets.mail_fetching import TOO_LARGE
from services.tickets.mail_reading import Unreadable, read_mail
from services.tickets.models import MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.sight import in_sight

_READ_JOBS = {InboundSource.IMAP: mail_fetching.READ_JOB, InboundSource.SMS: "jobs.intake_sms.read"}
_FIRST_WORDS, _SHOWN = 160, 4000
S = InboundState
_SORTS: dict[str, Sequence[Any]] = {"received": (col(InboundMessage.received_at), col(InboundMessage.id))}


class InboundNotFound(NotFound):
    code, title = "inbound_not_found", "No such message"
    message = "No message with that number came in."


class NotToBeReleased(Conflict):
    code, title = "not_to_be_released", "It is not held"
    message = "Only what is held, ignored or discarded can be let through. Look at it once more."


class NotToBeDiscarded(Conflict):
    code, title = "not_to_be_discarded", "It cannot be thrown away"
    message = "It is part of a conversation that goes on. Work on the ticket instead."


@dataclass(frozen=True)
class InboundRow:
    """`words` is how it begins; `ticket_reference` only for who may know of that ticket."""

    message: InboundMessage
    sender: str
    words: str
    ticket_reference: str | None

    @property
    def may_be_released(self) -> bool:
        return self.message.state in (S.HELD, S.IGNORED, S.DISCARDED)

    @property
    def may_be_discarded(self) -> bool:
        return self.message.state is S.HELD or (self.message.handled_by is not None and self.message.state in (S.STORED, S.TAKEN))


@dataclass(frozen=True)
class SourceCount:
    """Both sides of one source: what it says it has, and what of that we hold."""

    source: InboundSource
    place: str
    theirs: int
    ours: int
    counted_at: datetime
    newest_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class Overview:
    sources: tuple[SourceCount, ...]
    waiting: int
    held: int


def list_inbound(session: Session, *, actor: Principal, state: InboundState | None, part: Slice) -> Listing[InboundRow]:
    """One page of what came in. Raises Forbidden."""
    actor.require(Permission.NOTIFICATIONS_READ)
    # Spelled out, so that PostgreSQL sees that the index of held ones serves it.
    held = sa.literal_column("inbound_message.state = 'held'", sa.Boolean)
    conditions = [] if state is None else [held if state is S.HELD else col(InboundMessage.state) == state]
    found = fetch(session, pick(InboundMessage).where(*conditions), part, sorts=_SORTS, default_sort="received")
    total, is_estimate = count(
        session, pick(InboundMessage.id).where(*conditions), whole_table=None if conditions else "inbound_message", part=part
    )
    messages = [row[0] for row in found]
    references = _references(session, actor, messages)
    return Listing(tuple(_row(message, references, longest=_FIRST_WORDS) for message in messages), total, is_estimate)


def inbound_row(session: Session, *, actor: Principal, inbound_id: int) -> InboundRow:
    """One of them, with more of its words. Raises Forbidden or InboundNotFound."""
    actor.require(Permission.NOTIFICATIONS_READ)
    message = session.get(InboundMessage, inbound_id)
    if message is None:
        raise InboundNotFound
    return _row(message, _references(session, actor, [message]), longest=_SHOWN)


def overview(session: Session, *, actor: Principal) -> Overview:
    """Raises Forbidden."""
    actor.require(Permission.NOTIFICATIONS_READ)
    rows = session.exec(select(InboundCount).order_by(col(InboundCount.source), col(InboundCount.place))).all()
    newest = {
        source: session.execute(
            sa.select(sa.func.max(col(InboundMessage.received_at))).where(col(InboundMessage.source) == source)
        ).scalar_one()
        for source in {row.source for row in rows}
    }
    sources = tuple(SourceCount(row.source, row.place, row.theirs, row.ours, row.counted_at, newest[row.source], row.error) for row in rows)
    return Overview(sources, _how_many(session, "stored"), _how_many(session, "held"))


def release(session: Session, *, actor: Principal, inbound_id: int, now: datetime) -> InboundMessage:
    """Let it through: it is read, and no rule is asked again. One that was thrown away with its ticket gives the ticket back.

    Raises Forbidden, InboundNotFound or NotToBeReleased.
    """
    message = _to_change(session, actor, inbound_id)
    if message.state not in (S.HELD, S.IGNORED, S.DISCARDED):
        raise NotToBeReleased
    before, opened = message.state, _opened_by(session, message)
    # What was said of one that was cut short stays said.
    message.why, message.handled_by, message.attempts = (message.why if message.why == TOO_LARGE else None), actor.label, 0
    message.state = S.STORED if opened is None else S.TAKEN
    if opened is not None:
        changes.set_state(session, opened, TicketState.OPEN, who=changes.by(actor), note="Let through after all.", now=now)
    else:
        assert message.id is not None
        ring(session, _READ_JOBS[message.source], *([message.id] if message.source is InboundSource.SMS else []))
    _note(session, actor, "inbound.release", message, before, now=now)
    return message


def discard(session: Session, *, actor: Principal, inbound_id: int, now: datetime) -> InboundMessage:
    """Throw it away; it stays kept. One that was let through takes its ticket along, as long as nobody has answered there.

    Raises Forbidden, InboundNotFound or NotToBeDiscarded.
    """
    message = _to_change(session, actor, inbound_id)
    before = message.state
    if before is S.TAKEN and message.handled_by is not None:
        opened = _opened_by(session, message)
        if opened is None or _has_gone_on(session, opened):
            raise NotToBeDiscarded
        who = changes.by(actor)
        changes.set_state(session, opened, TicketState.CLOSED, who=who, note="Thrown away as unwanted.", quietly=True, now=now)
    elif before is not S.HELD and not (before is S.STORED and message.handled_by is not None):
        raise NotToBeDiscarded
    message.state, message.handled_by = S.DISCARDED, actor.label
    _note(session, actor, "inbound.discard", message, before, now=now)
    return message


def _to_change(session: Session, actor: Principal, inbound_id: int) -> InboundMessage:
    actor.require(Permission.TICKETS_REPLY)
    actor.require(Permission.NOTIFICATIONS_READ)
    message = session.get(InboundMessage, inbound_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise InboundNotFound
    return message


def _opened_by(session: Session, message: InboundMessage) -> Ticket | None:
    """The ticket that began with this message, locked."""
    if message.ticket_id is None:
        return None
    ticket = changes.locked(session, message.ticket_id)
    first = session.exec(
        select(TicketMessage.inbound_id).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id)).limit(1)
    ).first()
    return ticket if first == message.id and ticket.merged_into_id is None else None


def _has_gone_on(session: Session, ticket: Ticket) -> bool:
    said = select(TicketMessage.id).where(
        TicketMessage.ticket_id == ticket.id, col(TicketMessage.kind).in_((MessageKind.CUSTOMER, MessageKind.REPLY))
    )
    return len(session.exec(said.limit(2)).all()) > 1


def _note(session: Session, actor: Principal, action: str, message: InboundMessage, before: InboundState, *, now: datetime) -> None:
    old, new = {"state": before.value}, {"state": message.state.value}
    audit.record(session, actor, action, target=("inbound", message.id), now=now, before=old, after=new)
    publish(session, inbound_store.TOPIC, message.id)
    session.flush()


def _references(session: Session, actor: Principal, messages: list[InboundMessage]) -> dict[int, str]:
    ids = [message.ticket_id for message in messages if message.ticket_id is not None]
    if not ids or not actor.may(Permission.TICKETS_READ):
        return {}
    rows = session.execute(sa.select(col(Ticket.id), col(Ticket.reference)).where(col(Ticket.id).in_(ids), *in_sight(actor))).all()
    return {row[0]: row[1] for row in rows}


def _row(message: InboundMessage, references: dict[int, str], *, longest: int) -> InboundRow:
    try:
        sender, words = inbound_store.sender_of(message), _words_of(message)
    except (BadSeal, Unreadable, OSError, ValueError) as failure:
        sender, words = "", f"({str(failure) or 'It cannot be opened with the keys that are configured.'})"
    shown = words if len(words) <= longest else words[: longest - 1] + "…"
    return InboundRow(message, sender, shown, references.get(message.ticket_id or 0))


def _words_of(message: InboundMessage) -> str:
    if message.raw_file is not None:
        return ""  # large: it would be opened for its first words alone
    raw = inbound_store.raw_of(message)
    if message.source is InboundSource.IMAP:
        return read_mail(raw).text
    return str(orjson.loads(raw).get("text", ""))


def _how_many(session: Session, state: str) -> int:
    found = sa.literal_column(f"inbound_message.state = '{state}'", sa.Boolean)
    return count(session, pick(InboundMessage.id).where(found))[0]
