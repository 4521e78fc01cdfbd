"""What became of each row of a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from services.console.bulk.models import BulkOperation, BulkRow, RowState, Second


@dataclass(frozen=True)
class RowOutcome:
    row_id: int
    name: str
    state: RowState
    said: str


@dataclass(frozen=True)
class Outcome:
    """`undo_until` is None when there is nothing that could be taken back, or no more. `is_asked`: it waits for a second person."""

    operation_id: int
    action: str
    rows: tuple[RowOutcome, ...]
    undo_until: datetime | None
    is_asked: bool = False

    @property
    def counts(self) -> Mapping[RowState, int]:
        return Counter(row.state for row in self.rows)

    def those(self, *states: RowState) -> tuple[RowOutcome, ...]:
        return tuple(row for row in self.rows if row.state in states)


def outcome_of(session: Session, operation_id: int) -> Outcome:
    """As it stands now."""
    operation = session.get_one(BulkOperation, operation_id)
    found = session.exec(
        select(BulkRow).where(BulkRow.operation_id == operation_id).order_by(col(BulkRow.place)).execution_options(populate_existing=True)
    ).all()
    rows = tuple(RowOutcome(row.row_id, row.name, row.state, row.said) for row in found)
    undo_until = operation.undo_until if operation.undone_at is None else None
    return Outcome(operation_id, operation.action, rows, undo_until, is_asked=operation.second is Second.ASKED)
