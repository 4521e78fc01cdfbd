"""What phone and console show of the work, for many tickets with as many questions as for one."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from services.fieldwork import findings, visits
from services.fieldwork.models import VisitState
from services.fieldwork.view import work_of
from services.tickets import changes
from services.tickets.models import TicketState
from tests.conftest import NOON
from tests.services.fieldwork.out import a_technician, given, worker


def test_a_ticket_that_nobody_worked_on_shows_its_list(session: Session) -> None:
    lamin = a_technician(session)
    ticket = given(session, lamin)
    work = work_of(session, [ticket.id or 0], lamin.id or 0)[ticket.id or 0]
    assert (work["visit"], work["parts"], work["confirmation"]) == (None, [], None)
    assert [(one["item"], one["is_done"], one["at"]) for one in work["checklist"]] == [
        ("power", False, None),
        ("portal", False, None),
        ("customer", False, None),
    ]


def test_everybody_sees_their_own_visit_and_what_all_found(session: Session) -> None:
    lamin, musa = a_technician(session), a_technician(session, "musa")
    ticket = given(session, lamin)
    number = ticket.id or 0
    visits.step(session, worker=worker(lamin), ticket_id=number, to=VisitState.ON_SITE)
    findings.check(session, worker=worker(lamin), ticket_id=number, item="power", is_done=True)
    work = work_of(session, [number], musa.id or 0)[number]
    assert work["visit"] is None
    assert (work["checklist"][0]["is_done"], work["checklist"][0]["is_own"]) == (True, False)
    own = work_of(session, [number], lamin.id or 0)[number]["visit"]
    assert own == {
        "state": "on_site",
        "reason": None,
        "since": "2026-11-22T12:00:00Z",
        "started_at": "2026-11-22T12:00:00Z",
        "ended_at": None,
    }


def test_of_a_ticket_that_is_done_only_what_was_looked_at_is_shown(session: Session) -> None:
    lamin = a_technician(session)
    ticket = given(session, lamin)
    findings.check(session, worker=worker(lamin), ticket_id=ticket.id or 0, item="portal", is_done=True)
    changes.set_state(session, ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON)
    assert [one["item"] for one in work_of(session, [ticket.id or 0], lamin.id or 0)[ticket.id or 0]["checklist"]] == ["portal"]


def test_many_tickets_cost_as_many_statements_as_one(session: Session) -> None:
    lamin = a_technician(session)
    tickets = [given(session, lamin).id or 0 for _ in range(5)]
    asked: list[str] = []
    connection = session.connection()

    def note(*args: object) -> None:
        asked.append(str(args[2]))

    sa.event.listen(connection, "before_cursor_execute", note)
    assert set(work_of(session, tickets, lamin.id or 0)) == set(tickets)
    sa.event.remove(connection, "before_cursor_execute", note)
    assert len([one for one in asked if one.startswith("SELECT")]) == 6
    assert work_of(session, [], 1) == {}
