"""Taking merges and splits back, as long as it can be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.tickets import locks, merging, splitting
from services.tickets.errors import CannotUndo, OperationNotFound
from services.tickets.models import Ticket
from services.tickets.sight import in_sight
from services.tickets.work_models import OperationKind, TicketOperation


@dataclass(frozen=True)
class Undone:
    """`kept` names in words what somebody changed since, which therefore stays as it is."""

    operation: TicketOperation
    kept: tuple[str, ...]


def undo(session: Session, *, actor: Principal, operation_id: int, now: datetime) -> Undone:
    """Take a merge or a split back within a day.

    Raises Forbidden, OperationNotFound, or CannotUndo: too late, done already, or something that has to be undone first.
    """
    actor.require(Permission.TICKETS_EDIT)
    named = session.get(TicketOperation, operation_id)
    if named is None or not _in_sight(session, actor, named):
        raise OperationNotFound
    # The tickets before the step: so everybody takes them in one order.
    tickets = locks.by_ids(session, _ticket_ids(named))
    operation = session.get_one(TicketOperation, operation_id, with_for_update=True, populate_existing=True)
    _require_undoable(operation, now=now)
    kept = _undo(session, operation, tickets, actor, now=now)
    operation.undone_at = now
    audit.record(session, actor, "ticket.undo", target=("ticket", _target(operation)), now=now, after={"step": words(operation)})
    session.flush()
    return Undone(operation, tuple(kept))


def latest(session: Session, ticket_id: int, *, now: datetime | None = None) -> TicketOperation | None:
    """The last merge or split of this ticket that stands; with `now` only if it can still be undone."""
    took_part = sa.or_(
        col(TicketOperation.ticket_id) == ticket_id,
        # The one that was merged is shown its way back as well.
        sa.and_(
            col(TicketOperation.ticket_id) == sa.select(col(Ticket.merged_into_id)).where(col(Ticket.id) == ticket_id).scalar_subquery(),
            col(TicketOperation.data)["source_id"].as_integer() == ticket_id,
        ),
    )
    wanted = select(TicketOperation).where(took_part, col(TicketOperation.undone_at).is_(None))
    if now is not None:
        wanted = wanted.where(TicketOperation.undo_until >= now)
    return session.exec(wanted.order_by(col(TicketOperation.id).desc()).limit(1)).first()


def words(operation: TicketOperation) -> str:
    """What the step was."""
    data = operation.data
    match operation.kind:
        case OperationKind.MERGE:
            return f"{data['source']} was merged into {data['into']}"
        case OperationKind.SPLIT:
            return f"{data['new']} was split off {data['source']}"


def _require_undoable(operation: TicketOperation, *, now: datetime) -> None:
    if operation.undone_at is not None:
        raise CannotUndo("It was undone already.")
    if now > operation.undo_until:
        raise CannotUndo("It can be undone for 24 hours, and they are over.")


def _undo(session: Session, operation: TicketOperation, tickets: dict[int, Ticket], actor: Principal, *, now: datetime) -> list[str]:
    data = operation.data
    match operation.kind:
        case OperationKind.MERGE:
            one, other = tickets[data["source_id"]], tickets[data["into_id"]]
            return merging.take_apart(session, operation, one, other, actor=actor, now=now)
        case OperationKind.SPLIT:
            return splitting.put_back(session, operation, tickets[data["source_id"]], tickets[data["new_id"]], actor=actor, now=now)


def _ticket_ids(operation: TicketOperation) -> Collection[int]:
    data = operation.data
    return [data["source_id"], data["into_id" if operation.kind is OperationKind.MERGE else "new_id"]]


def _in_sight(session: Session, actor: Principal, operation: TicketOperation) -> bool:
    """Whoever may know of all the tickets may take the step back; of one that was merged away, the one it lies in counts."""
    ids = set(_ticket_ids(operation))
    if operation.kind is OperationKind.MERGE:
        ids = {operation.data["into_id"]}
    seen = session.exec(select(Ticket.id).where(col(Ticket.id).in_(ids), *in_sight(actor))).all()
    return len(seen) == len(ids)


def _target(operation: TicketOperation) -> str:
    data = operation.data
    return str(data.get("into") or data.get("source"))
