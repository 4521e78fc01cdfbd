"""Who may know of which ticket: a Field Technician of those given to them, the desks and outside services of all (design.md, 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlmodel import Session

from services.accounts.models import Role
from services.accounts.permissions import Permission, Principal
from services.accounts.sessions import principal_of
from services.listing import Slice
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from services.tickets.queries import OpenTickets, TicketFilter, list_tickets, open_tickets, ticket_page, ticket_story
from services.tickets.service import close, reopen
from services.tickets.sight import sees_all
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person, a_service

DESKS = [role for role in Role if role is not Role.FIELD_TECHNICIAN]
NOTE = "mended at the gate"


@dataclass(frozen=True)
class Three:
    """One ticket of the technician's, one of another's, one of nobody's, newest first."""

    technician: Principal
    mine: Ticket
    theirs: Ticket
    nobodys: Ticket

    @property
    def foreign(self) -> tuple[Ticket, Ticket]:
        return self.theirs, self.nobodys


@pytest.fixture
def three(session: Session) -> Three:
    technician, other = a_person(session, "mine@inet.test"), a_person(session, "other@inet.test")
    customer = builders.a_customer(session, 1, now=NOON)
    mine, theirs, nobodys = (builders.a_ticket(session, customer=customer, assignee=whose, at=NOON) for whose in (technician, other, None))
    return Three(principal_of(technician), mine, theirs, nobodys)


def seen(session: Session, actor: Principal, wanted: TicketFilter | None = None) -> set[str]:
    found = list_tickets(session, actor=actor, wanted=wanted or TicketFilter(), part=Slice())
    assert found.total == len(found.rows)
    return {row.ticket.reference for row in found.rows}


def test_a_technician_lists_only_what_was_given_to_them(session: Session, three: Three) -> None:
    assert seen(session, three.technician) == {three.mine.reference}


@pytest.mark.parametrize(
    "asked",
    [
        lambda three: TicketFilter(search=three.theirs.reference),
        lambda three: TicketFilter(assignee_id=three.theirs.assignee_id),
        lambda three: TicketFilter(is_unassigned=True),
    ],
    ids=["reference", "assignee", "unassigned"],
)
def test_no_filter_shows_a_technician_more(session: Session, three: Three, asked: Callable[[Three], TicketFilter]) -> None:
    assert seen(session, three.technician, asked(three)) == set()


def test_the_phone_of_a_customer_finds_a_technician_only_their_own(session: Session, three: Three) -> None:
    assert seen(session, three.technician, TicketFilter(search="3000001")) == {three.mine.reference}
    assert seen(session, three.technician, TicketFilter(customer_id=three.theirs.customer_id)) == {three.mine.reference}


def test_a_foreign_reference_is_to_a_technician_as_if_it_were_none(session: Session, three: Three) -> None:
    refused = set()
    for reference in (three.theirs.reference, three.nobodys.reference, three.theirs.reference.lower(), "T-NOSUCH2"):
        for read in (ticket_page, ticket_story):
            with pytest.raises(TicketNotFound) as refusal:
                read(session, actor=three.technician, reference=reference)
            refused.add(str(refusal.value))
        for change in (close, reopen):
            with pytest.raises(TicketNotFound) as refusal:
                change(session, actor=three.technician, reference=reference, note=NOTE, now=NOON)
            refused.add(str(refusal.value))
    assert len(refused) == 1
    assert all(ticket.is_open for ticket in three.foreign)


def test_a_technician_closes_what_was_given_to_them(session: Session, three: Three) -> None:
    close(session, actor=three.technician, reference=three.mine.reference, note=NOTE, now=NOON)
    assert not three.mine.is_open
    reopen(session, actor=three.technician, reference=three.mine.reference, note="it is back", now=NOON)
    assert three.mine.is_open


@pytest.mark.parametrize("role", DESKS)
def test_the_desks_see_all(session: Session, three: Three, role: Role) -> None:
    actor = principal_of(a_person(session, f"{role}@inet.test", role=role))
    assert seen(session, actor) == {three.mine.reference, *(ticket.reference for ticket in three.foreign)}
    for ticket in three.foreign:
        assert ticket_page(session, actor=actor, reference=ticket.reference).ticket is ticket


def test_a_token_sees_all_though_its_number_is_a_technicians(session: Session, three: Three) -> None:
    service = a_service(Permission.TICKETS_READ, number=three.technician.id)
    assert len(seen(session, service)) == 3


def test_a_principal_without_a_known_role_sees_nothing_but_their_own(three: Three) -> None:
    stranger = Principal(kind="staff", id=0, name="new", permissions=frozenset({Permission.TICKETS_READ}))
    assert not sees_all(stranger)


def test_the_dashboard_counts_what_its_reader_may_know_of(session: Session, three: Three) -> None:
    care = principal_of(a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE))
    assert open_tickets(session, actor=care) == OpenTickets(3, 1)
    assert open_tickets(session, actor=three.technician) == OpenTickets(1, 0)
    close(session, actor=care, reference=three.nobodys.reference, note=NOTE, now=NOON)
    assert open_tickets(session, actor=care) == OpenTickets(2, 0)
