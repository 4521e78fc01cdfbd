from __future__ import annotations

from sqlmodel import Session, select

from jobs import tickets
from services.tickets.models import TicketEvent
from tests.conftest import NOON
from tests.pages import builders


def test_a_ticket_is_read_by_the_shipped_model(session: Session) -> None:
    ticket = builders.a_ticket(session, body="The voucher code I bought is refused as already used", at=NOON)
    assert ticket.id is not None
    tickets.process(ticket.id)
    said = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "triaged")).one().data
    assert (said["category"], said["abstain"]) == ("voucher", False)


def test_a_sweep_may_run_on_nothing(session: Session) -> None:
    tickets.sweep()
