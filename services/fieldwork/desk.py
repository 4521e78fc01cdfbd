"""The work in the field about one ticket as the office sees it: everybody's visits, what was looked at, fitted and said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.models import Staff
from services.fieldwork.models import PartUsed, Visit, VisitCheck, VisitConfirmation


@dataclass(frozen=True)
class FieldWork:
    """Each with the name of who it is of, oldest first."""

    visits: tuple[tuple[Visit, str], ...]
    checks: tuple[tuple[VisitCheck, str], ...]
    parts: tuple[tuple[PartUsed, str], ...]
    confirmation: tuple[VisitConfirmation, str] | None

    @property
    def is_any(self) -> bool:
        return bool(self.visits or self.checks or self.parts or self.confirmation)


def field_work(session: Session, ticket_id: int) -> FieldWork:
    """For whoever may see the ticket."""
    said = _named(session, VisitConfirmation, ticket_id, col(VisitConfirmation.at))
    return FieldWork(
        visits=_named(session, Visit, ticket_id, col(Visit.since)),
        checks=_named(session, VisitCheck, ticket_id, col(VisitCheck.at)),
        parts=_named(session, PartUsed, ticket_id, col(PartUsed.id)),
        confirmation=said[0] if said else None,
    )


def _named(session: Session, table: type[Any], ticket_id: int, order: Any) -> tuple[tuple[Any, str], ...]:
    rows = sa.select(table, col(Staff.name)).join(Staff, col(Staff.id) == col(table.staff_id)).where(col(table.ticket_id) == ticket_id)
    found = session.execute(rows.order_by(order).execution_options(populate_existing=True)).all()
    return tuple((row[0], row[1]) for row in found)
