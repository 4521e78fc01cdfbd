"""Taking back what was done to many rows, as long as it can be: each row by itself, and none that somebody changed since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select, update

from app.clock import Clock
from app.db import Begin
from services.accounts.permissions import Principal
from services.console.bulk.errors import CannotUndo, OperationNotFound
from services.console.bulk.models import BulkOperation, BulkRow, RowState
from services.console.bulk.outcome import Outcome, outcome_of
from services.console.bulk.registry import action_named
from services.console.bulk.service import UNDONE_WITHIN, one_turn, tell
from services.console.bulk.shape import Action, Doing

UNDO_REASON = "A step on several was taken back"
_MINUTES = int(UNDONE_WITHIN.total_seconds() // 60)


def undo(begin: Begin, *, actor: Principal, operation_id: int, clock: Clock) -> Outcome:
    """Take back what can be of a step of one's own. Rows that were changed since stay, and say so.

    Raises Forbidden, OperationNotFound, or CannotUndo: too late, done already, or of a kind that stays.
    """
    with begin() as session:
        operation = session.get(BulkOperation, operation_id, with_for_update=True, populate_existing=True)
        # Its rows are told as their maker may see them, so it is nobody else's to open.
        if operation is None or operation.made_by != actor.label:
            raise OperationNotFound
        action = action_named(operation.action)
        actor.require(action.permission)
        _require_undoable(operation, action, now=clock())
        _stop(session, operation_id)
        places = _done(session, operation_id)
    for place in places:
        _take_back(begin, action, operation_id, place, actor, clock)
    with begin() as session:
        operation = session.get_one(BulkOperation, operation_id, with_for_update=True, populate_existing=True)
        if operation.undone_at is None:
            operation.undone_at = clock()
            session.flush()
            tell(session, operation, "bulk.undo", actor, outcome_of(session, operation_id).counts, clock)
        return outcome_of(session, operation_id)


def latest(session: Session, *, actor: Principal, page: str, now: datetime) -> Outcome | None:
    """The last step of this person on this list that can still be taken back."""
    wanted = select(BulkOperation).where(
        BulkOperation.made_by == actor.label,
        BulkOperation.page == page,
        col(BulkOperation.undone_at).is_(None),
        col(BulkOperation.undo_until) >= now,
    )
    found = session.exec(wanted.order_by(col(BulkOperation.id).desc()).limit(1)).first()
    return outcome_of(session, found.id or 0) if found is not None else None


def _require_undoable(operation: BulkOperation, action: Action[Any], *, now: datetime) -> None:
    if operation.undone_at is not None:
        raise CannotUndo("It was taken back already.")
    if action.stays:
        raise CannotUndo(action.stays)
    if operation.undo_until is None:
        raise CannotUndo("Nothing was changed, so there is nothing to take back.")
    if now > operation.undo_until:
        raise CannotUndo(f"It can be taken back for {_MINUTES} minutes, and they are over.")


def _stop(session: Session, operation_id: int) -> None:
    """Rows that have not had their turn have none any more."""
    waiting = (col(BulkRow.operation_id) == operation_id) & (col(BulkRow.state) == RowState.WAITING)
    session.exec(update(BulkRow).where(waiting).values(state=RowState.REFUSED, said="The step was taken back before its turn."))


def _done(session: Session, operation_id: int) -> list[int]:
    """What was done last is taken back first."""
    wanted = select(BulkRow.place).where(BulkRow.operation_id == operation_id, BulkRow.state == RowState.DONE)
    return list(session.exec(wanted.order_by(col(BulkRow.place).desc())).all())


def _take_back(begin: Begin, action: Action[Any], operation_id: int, place: int, actor: Principal, clock: Clock) -> None:
    def turn(session: Session, row: BulkRow) -> None:
        stays = action.undo(session, row.row_id, row.kept, Doing(actor, UNDO_REASON, clock(), place))
        row.state, row.said = RowState.UNDONE, f"As it was, but for {stays}." if stays else "As it was."

    one_turn(begin, operation_id, place, RowState.DONE, turn, refused=RowState.KEPT, clock=clock)
