"""The board: undone tickets by state, what is due first on top, and moving one from column to column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import Conflict
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.revision import require
from services.tickets import changes
from services.tickets import service as tickets
from services.tickets.models import UNDONE, HoldReason, Ticket, TicketState
from services.tickets.queries import TicketFilter, TicketRow, conditions_of, first_due, rows_in_order
from services.tickets.sight import in_sight, ticket_to_change

COLUMN_MOST = 50
COUNTED = 200
COLUMNS = (TicketState.NEW, TicketState.OPEN, TicketState.PENDING, TicketState.ON_HOLD, TicketState.RESOLVED)
# What was resolved longer ago is no longer anybody's work.
RESOLVED_WITHIN = timedelta(days=7)


class BadMove(Conflict):
    code, title = "bad_move", "It cannot be moved there"


@dataclass(frozen=True)
class BoardColumn:
    """`total` is exact up to COUNTED, and `is_more` says that there are more."""

    state: TicketState
    rows: tuple[TicketRow, ...]
    total: int
    is_more: bool


def board(session: Session, *, actor: Principal, wanted: TicketFilter, now: datetime) -> tuple[BoardColumn, ...]:
    """At most COLUMN_MOST tickets a column. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    found = {state: _ids(session, actor, state, wanted, now) for state in COLUMNS}
    shown = [one for ids in found.values() for one in ids[:COLUMN_MOST]]
    rows = {row.ticket.id: row for row in rows_in_order(session, shown)}
    return tuple(
        BoardColumn(state, tuple(rows[one] for one in ids[:COLUMN_MOST] if one in rows), min(len(ids), COUNTED), len(ids) > COUNTED)
        for state, ids in found.items()
    )


def _ids(session: Session, actor: Principal, state: TicketState, wanted: TicketFilter, now: datetime) -> list[int]:
    """Those of a column, in its order, as far as they are counted."""
    if state in UNDONE:
        return first_due(session, actor=actor, wanted=replace(wanted, state=state), most=COUNTED + 1)
    is_done = sa.literal_column("ticket.state IN ('resolved', 'closed')", sa.Boolean)
    recent = (is_done, col(Ticket.state) == state, col(Ticket.updated_at) > now - RESOLVED_WITHIN)
    conditions = [*in_sight(actor), *recent, *conditions_of(replace(wanted, state=None, is_undone=False, due_before=None))]
    newest_first = (col(Ticket.updated_at).desc(), col(Ticket.id).desc())
    return list(session.execute(pick(Ticket.id).where(*conditions).order_by(*newest_first).limit(COUNTED + 1)).scalars())


def move(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    to: TicketState,
    hold: HoldReason | None = None,
    note: str = "",
    expected_revision: str | None = None,
    now: datetime,
) -> Ticket:
    """Put a ticket into another column. To `on_hold` it needs a reason, out of what is done words that say why.

    Raises Forbidden, TicketNotFound, Stale, InvalidInput, or BadMove where no such move exists.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if ticket.merged_into_id is not None:
        raise BadMove("It was merged into another ticket. Work on that one, or undo the merge first.")
    if to is TicketState.NEW:
        raise BadMove("Nothing becomes new again. Move it to “Open” to have it worked on.")
    if to is TicketState.ON_HOLD and hold is None:
        raise BadMove("Say what it waits for, then it can be put on hold.", field="hold")
    if not ticket.is_open and to in (TicketState.PENDING, TicketState.ON_HOLD):
        raise BadMove("It is done. Open it again first, then it can wait.")
    if not ticket.is_open and to is TicketState.OPEN:
        return tickets.reopen(session, actor=actor, reference=reference, note=note, now=now)
    if to is TicketState.CLOSED:
        return tickets.close(session, actor=actor, reference=reference, note=note, now=now)
    if to is TicketState.RESOLVED and ticket.state is TicketState.CLOSED:
        raise BadMove("It is closed already.")
    changes.set_state(session, ticket, to, hold=hold, note=note or None, who=changes.by(actor), now=now)
    return ticket
