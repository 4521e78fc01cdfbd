"""Two tickets about one thing become one: all that was said moves into the one that stays, and can be taken apart again for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications import tell
from services.revision import require
from services.tickets import changes, locks, mail_out, people, steps, tags, watching
from services.tickets.errors import CannotMerge, CannotUndo, MergeNotConfirmed
from services.tickets.intake_models import Attachment
from services.tickets.models import MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.queries import ticket_page
from services.tickets.work_models import OperationKind, TicketOperation

UNDONE_WITHIN = timedelta(hours=24)
_JOINED = (
    "Your request {source} is about the same matter as another one that we work on already, so both are handled together. "
    "You can still answer here."
)


@dataclass(frozen=True)
class MergePreview:
    """What merging would do. With `refusal` it would be refused, in these words; `other_customer` asks for a confirmation."""

    source: str
    into: str
    messages: int
    attachments: int
    tags: tuple[str, ...]
    other_customer: bool
    warnings: tuple[str, ...]
    refusal: str | None


def preview(session: Session, *, actor: Principal, source: str, into: str) -> MergePreview:
    """Changes nothing. Raises Forbidden or TicketNotFound."""
    actor.require(Permission.TICKETS_EDIT)
    one, other = (ticket_page(session, actor=actor, reference=reference).ticket for reference in (source, into))
    assert one.id is not None
    is_other = not people.same(session, one, other)
    return MergePreview(
        source=one.reference,
        into=other.reference,
        messages=len(steps.messages_of(session, one)),
        attachments=len(session.exec(select(Attachment.id).where(Attachment.ticket_id == one.id)).all()),
        tags=tags.of(session, [one.id]).get(one.id, ()),
        other_customer=is_other,
        warnings=_warnings(one, other, is_other=is_other),
        refusal=refusal(session, one, other),
    )


def merge(
    session: Session,
    *,
    actor: Principal,
    source: str,
    into: str,
    expected_revision: str | None = None,
    confirm: bool = False,
    now: datetime,
) -> TicketOperation:
    """Move all that was said in `source` to `into`, and close `source`: what is written to it later is heard in the other one.

    `expected_revision` is the source's. Raises Forbidden, TicketNotFound, InvalidInput, CannotMerge, Stale, or MergeNotConfirmed for
    tickets of different customers without `confirm`.
    """
    actor.require(Permission.TICKETS_EDIT)
    one, other = locks.pair(session, actor=actor, first=source, second=into)
    return merge_locked(session, one, other, actor=actor, expected_revision=expected_revision, confirm=confirm, now=now)


def merge_locked(
    session: Session,
    one: Ticket,
    other: Ticket,
    *,
    actor: Principal,
    expected_revision: str | None = None,
    confirm: bool,
    now: datetime,
) -> TicketOperation:
    """The same for two tickets that the caller may change and has locked."""
    if (why := refusal(session, one, other)) is not None:
        raise CannotMerge(why)
    require(expected_revision, one.revision)
    is_other = not people.same(session, one, other)
    if is_other and not confirm:
        raise MergeNotConfirmed
    operation = _take_in(session, one, other, actor, now=now)
    if is_other:
        _tell_customer(session, one, other, now=now)
    text = f"{one.reference} was merged into it by {actor.name}"
    watching.news(session, other, text, who=changes.by(actor), key=f"merge:{operation.id}", now=now)
    audit.record(session, actor, "ticket.merge", target=("ticket", one.reference), now=now, after={"into": other.reference})
    return operation


def refusal(session: Session, one: Ticket, other: Ticket) -> str | None:
    """Why these two cannot be merged as they stand, in words."""
    if one.id == other.id:
        return f"{one.reference} cannot be merged into itself."
    for ticket in (one, other):
        if ticket.merged_into_id is not None:
            into = session.get_one(Ticket, ticket.merged_into_id).reference
            return f"{ticket.reference} was merged into {into} already. Read it again."
    if one.is_open and not other.is_open:
        return f"{other.reference} is done. Open it again first, or merge it into {one.reference} instead."
    return None


def _warnings(one: Ticket, other: Ticket, *, is_other: bool) -> tuple[str, ...]:
    found = []
    if is_other:
        found.append(MergeNotConfirmed.message)
    if one.incident_id is not None and other.incident_id is not None and one.incident_id != other.incident_id:
        found.append("They are about different outages.")
    if one.assignee_id is not None and one.assignee_id != other.assignee_id:
        found.append(f"Somebody looks after {one.reference}; from then on it is whoever looks after {other.reference}.")
    return tuple(found)


def _take_in(session: Session, one: Ticket, other: Ticket, actor: Principal, *, now: datetime) -> TicketOperation:
    assert one.id is not None
    assert other.id is not None
    who = changes.by(actor)
    operation = steps.record_step(session, kind=OperationKind.MERGE, ticket=other, actor=actor, lasts=UNDONE_WITHIN, now=now)
    before = {"source_state": steps.kept_state(one), "into_state": steps.kept_state(other)}
    owed = one.state in (TicketState.NEW, TicketState.OPEN)
    moved = steps.move(session, steps.messages_of(session, one), to=other)
    watchers = watching.add(session, other.id, people.watchers(session, one) - people.watchers(session, other))
    room = tags.MAX_TAGS - len(tags.of(session, [other.id]).get(other.id, ()))
    added, _ = tags.put(session, other, add=tags.of(session, [one.id]).get(one.id, ())[:room], who=who, now=now)
    one.merged_into_id = other.id
    changes.set_state(session, one, TicketState.CLOSED, who=who, note=f"Merged into {other.reference}", quietly=True, now=now)
    changes.record(session, one, "merged", {"into": other.reference, "operation_id": operation.id}, who=who, now=now)
    ids = [number for number, _ in moved]
    took_in = {"from": one.reference, "messages": len(ids), "message_ids": ids, "operation_id": operation.id}
    changes.record(session, other, "took_in", took_in, who=who, now=now)
    opened = owed and other.state is TicketState.PENDING
    if opened:
        note = f"{one.reference} came into it and still waits for an answer"
        changes.set_state(session, other, TicketState.OPEN, who=who, note=note, now=now)
    for ticket in (one, other):
        steps.retell(session, ticket)
    operation.data = {
        "source": one.reference,
        "into": other.reference,
        "source_id": one.id,
        "into_id": other.id,
        "moved": moved,
        "watchers": watchers,
        "tags": added,
        "opened": opened,
        **before,
    }
    session.flush()
    return operation


def _tell_customer(session: Session, one: Ticket, other: Ticket, *, now: datetime) -> None:
    """Once, also when it is taken apart and merged again."""
    to = people.recipient(session, one)
    if to is not None:
        tell(
            session,
            event="ticket_reply",
            to=to,
            values={"reference": one.reference, "subject": people.headline(one), "text": _JOINED.format(source=one.reference)},
            dedupe_key=f"merged:{one.id}:{other.id}",
            ticket_id=one.id,
            headers=mail_out.headers(session, one) if to.email is not None else None,
            now=now,
        )


def take_apart(session: Session, operation: TicketOperation, one: Ticket, other: Ticket, *, actor: Principal, now: datetime) -> list[str]:
    """Undo a merge of these two locked tickets; answers what stays as it is now, in words. Raises CannotUndo."""
    require_in_place(session, operation, other)
    if one.merged_into_id != other.id:
        raise CannotUndo(f"{one.reference} does not lie in {other.reference} any more.")
    who, data = changes.by(actor), operation.data
    steps.move_back(session, data["moved"], to=one)
    assert other.id is not None
    watching.remove(session, other.id, data["watchers"])
    tags.put(session, other, remove=data["tags"], who=who, now=now)
    one.merged_into_id = None
    changes.record(session, one, "unmerged", {"from": other.reference, "operation_id": operation.id}, who=who, now=now)
    steps.restore_state(session, one, data["source_state"], who=who, note="The merge was undone", now=now)
    gave_back = {"to": one.reference, "messages": len(data["moved"]), "operation_id": operation.id}
    changes.record(session, other, "gave_back", gave_back, who=who, now=now)
    kept = _stays(session, operation, other)
    if data["opened"] and other.state is TicketState.OPEN and not kept:
        steps.restore_state(session, other, data["into_state"], who=who, note="The merge was undone", now=now)
    for ticket in (one, other):
        steps.retell(session, ticket)
    return kept


def require_in_place(session: Session, operation: TicketOperation, holder: Ticket) -> None:
    """Raises CannotUndo, naming what has to be undone first, unless all that a step moved still stands where it put it."""
    ids = [int(number) for number, _ in operation.data["moved"]]
    elsewhere = set(
        session.exec(select(TicketMessage.ticket_id).where(col(TicketMessage.id).in_(ids), TicketMessage.ticket_id != holder.id)).all()
    )
    if holder.merged_into_id is not None:
        elsewhere.add(holder.merged_into_id)
    if elsewhere:
        names = session.exec(select(Ticket.reference).where(col(Ticket.id).in_(elsewhere)).order_by(col(Ticket.reference))).all()
        raise CannotUndo(f"What was moved went on to {' and '.join(names)} since. Undo that first.")


def _stays(session: Session, operation: TicketOperation, other: Ticket) -> list[str]:
    """What was said in the ticket since the merge stays there."""
    since = session.exec(
        select(TicketMessage.id).where(
            TicketMessage.ticket_id == other.id,
            TicketMessage.created_at >= operation.created_at,
            col(TicketMessage.kind).in_([MessageKind.CUSTOMER, MessageKind.REPLY, MessageKind.NOTE]),
            col(TicketMessage.said_in_id).is_(None),
        )
    ).all()
    if not since:
        return []
    many = "One message that was" if len(since) == 1 else f"{len(since)} messages that were"
    return [f"{many} said since the merge: in {other.reference}"]
