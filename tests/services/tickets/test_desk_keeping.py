"""The board: tickets by state."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.tickets import board, changes
from services.tickets.board import BadMove
from services.tickets.models import HoldReason, TicketState
from services.tickets.queries import TicketFilter
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person


def somebody(session: Session, name: str, role: Role = Role.CUSTOMER_CARE) -> Principal:
    return principal_of(a_person(session, f"{name}@inet.test", role=role))


def test_the_board_has_a_column_for_each_state_with_what_is_due_first_on_top(session: Session) -> None:
    root = somebody(session, "root", Role.ROOT)
    tickets = [builders.a_ticket(session, body=f"number {number}", at=NOON) for number in range(3)]
    for ticket, hours in zip(tickets, (3, 1, 2), strict=True):
        ticket.due_at = NOON + timedelta(hours=hours)
    changes.set_state(session, tickets[2], TicketState.RESOLVED, who=changes.SYSTEM, now=NOON)
    session.flush()
    columns = {column.state: column for column in board.board(session, actor=root, wanted=TicketFilter(), now=NOON)}
    assert [row.ticket.id for row in columns[TicketState.NEW].rows] == [tickets[1].id, tickets[0].id]
    assert columns[TicketState.RESOLVED].total == 1
    assert columns[TicketState.PENDING].rows == ()


def test_a_technicians_board_shows_their_own(session: Session) -> None:
    person = a_person(session, "tech@inet.test")
    mine = builders.a_ticket(session, assignee=person, at=NOON)
    builders.a_ticket(session, at=NOON)
    columns = board.board(session, actor=principal_of(person), wanted=TicketFilter(), now=NOON)
    assert [row.ticket.id for column in columns for row in column.rows] == [mine.id]


def test_a_card_moves_and_a_bad_move_is_refused_in_words(session: Session) -> None:
    root = somebody(session, "root", Role.ROOT)
    ticket = builders.a_ticket(session, at=NOON)

    def move(to: TicketState, **more: object) -> TicketState:
        return board.move(session, actor=root, reference=ticket.reference, to=to, now=NOON, **more).state  # type: ignore[arg-type]

    assert move(TicketState.OPEN) is TicketState.OPEN
    with pytest.raises(BadMove, match="Nothing becomes new again"):
        move(TicketState.NEW)
    with pytest.raises(BadMove, match="what it waits for"):
        move(TicketState.ON_HOLD)
    assert move(TicketState.ON_HOLD, hold=HoldReason.PART) is TicketState.ON_HOLD
    assert move(TicketState.RESOLVED) is TicketState.RESOLVED
    with pytest.raises(BadMove, match="Open it again first"):
        move(TicketState.PENDING)
    with pytest.raises(InvalidInput):
        move(TicketState.OPEN)
    assert move(TicketState.OPEN, note="It is dark again") is TicketState.OPEN
