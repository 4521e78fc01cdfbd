from __future__ import annotations

import pytest
from sqlmodel import Session, select

from jobs import tickets
from services.tickets import routing
from services.tickets.desk_models import TeamMember
from services.tickets.models import TicketEvent
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.desk import a_member, a_team


def test_a_ticket_is_read_by_the_shipped_model(session: Session) -> None:
    ticket = builders.a_ticket(session, body="The voucher code I bought is refused as already used", at=NOON)
    assert ticket.id is not None
    tickets.process(ticket.id)
    said = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "triaged")).one().data
    assert (said["category"], said["abstain"]) == ("voucher", False)


def test_a_sweep_may_run_on_nothing(session: Session) -> None:
    tickets.sweep()


def test_whatever_ails_the_reader_a_ticket_finds_its_people(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    care = a_team(session, "Care")
    awa = a_member(session, care, "awa")
    ticket = builders.a_ticket(session, at=NOON)

    def broken() -> None:
        raise OSError("the model's file is gone")

    monkeypatch.setattr(tickets, "_reader", broken)
    with pytest.raises(OSError, match="the model's file is gone"):
        tickets.process(ticket.id or 0)
    session.refresh(ticket)
    assert (ticket.team_id, ticket.assignee_id) == (care.id, awa.id)
    why = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "routed")).one().data["why"]
    assert why.startswith("It could not be read.")


def test_what_waits_in_a_team_is_given_out_to_whoever_can_carry_it(session: Session) -> None:
    care = a_team(session, "Care")
    awa = a_member(session, care, "awa", is_on_duty=False, capacity=2)
    waiting = [builders.a_ticket(session, at=NOON) for _ in range(3)]
    for ticket in waiting:
        routing.route(session, ticket, now=NOON)
    session.get_one(TeamMember, (care.id, awa.id)).is_on_duty = True
    session.flush()
    for _ in range(2):
        tickets.give_out(care.id or 0)
    for ticket in waiting:
        session.refresh(ticket)
    assert [ticket.assignee_id for ticket in waiting].count(awa.id) == 2
