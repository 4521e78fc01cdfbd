"""Problem reports as the console lists them."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from services.listing import Slice
from services.tickets.errors import TicketNotFound
from services.tickets.models import TicketState
from services.tickets.queries import TicketFilter, list_tickets, ticket_page
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.people import a_person


def test_reports_are_found_by_reference_phone_and_state(session: Session) -> None:
    customer = builders.a_customer(session, 1, now=NOON)
    theirs = builders.a_ticket(session, customer=customer, payment=None, gateway=None, body="slow", at=NOON)
    other = builders.a_ticket(session, customer=None, payment=None, gateway=None, body="no page", at=NOON)

    def found(wanted: TicketFilter) -> list[str]:
        return [row.ticket.reference for row in list_tickets(session, actor=staff(), wanted=wanted, part=Slice()).rows]

    assert found(TicketFilter()) == [other.reference, theirs.reference]
    assert found(TicketFilter(search=other.reference.lower())) == [other.reference]
    assert found(TicketFilter(search="3000001")) == [theirs.reference]
    assert found(TicketFilter(state=TicketState.CLOSED)) == []
    assert ticket_page(session, actor=staff(), reference=theirs.reference).customer is customer
    with pytest.raises(TicketNotFound):
        ticket_page(session, actor=staff(), reference="T-NONE")


def test_reports_are_found_by_whom_they_lie_with(session: Session) -> None:
    person = a_person(session, "tech@inet.test")
    theirs = builders.a_ticket(session, assignee=person, at=NOON)
    nobodys = builders.a_ticket(session, at=NOON)

    def found(wanted: TicketFilter) -> list[str]:
        return [row.ticket.reference for row in list_tickets(session, actor=staff(), wanted=wanted, part=Slice()).rows]

    assert found(TicketFilter(assignee_id=person.id)) == [theirs.reference]
    assert found(TicketFilter(is_unassigned=True)) == [nobodys.reference]
