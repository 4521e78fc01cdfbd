"""What was looked at, what was fitted, and what the customer said stand with the ticket and in its history."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts.models import Staff
from services.fieldwork import checklists, findings
from services.fieldwork.checklists import Item
from services.fieldwork.view import work_of
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from tests.conftest import NOON
from tests.factories import staff
from tests.services.fieldwork.out import a_technician, given, worker
from tests.services.tickets.working import history


@pytest.fixture
def lamin(session: Session) -> Staff:
    return a_technician(session)


@pytest.fixture
def ticket(session: Session, lamin: Staff) -> Ticket:
    return given(session, lamin)


def seen(session: Session, lamin: Staff, ticket: Ticket) -> dict[str, object]:
    return work_of(session, [ticket.id or 0], lamin.id or 0)[ticket.id or 0]


def tick(session: Session, lamin: Staff, ticket: Ticket, item: str, **more: object) -> None:
    findings.check(session, worker=worker(lamin), ticket_id=ticket.id or 0, item=item, **({"is_done": True} | more))  # type: ignore[arg-type]


def test_the_last_word_on_an_item_counts(session: Session, lamin: Staff, ticket: Ticket) -> None:
    tick(session, lamin, ticket, "power")
    tick(session, lamin, ticket, "power", is_done=False, note="Light is red")
    shown = seen(session, lamin, ticket)["checklist"]
    assert isinstance(shown, list)
    assert [(one["item"], one["is_done"], one["note"]) for one in shown] == [
        ("power", False, "Light is red"),
        ("portal", False, ""),
        ("customer", False, ""),
    ]
    assert history(session, ticket)[-2:] == ["check", "check"]


def test_a_tick_keeps_its_words_when_the_list_changes(session: Session, lamin: Staff, ticket: Ticket) -> None:
    tick(session, lamin, ticket, "power")
    checklists.save(session, actor=staff(), category="*", items=[Item("power", "Other words"), Item("", "Something new")], now=NOON)
    tick(session, lamin, ticket, "power", note="Looked again")
    shown = seen(session, lamin, ticket)["checklist"]
    assert isinstance(shown, list)
    assert [(one["text"], one["is_done"]) for one in shown] == [
        ("The access point has power, and its light is as it should be", True),
        ("Something new", False),
    ]


def test_an_item_that_was_taken_off_the_list_meanwhile_is_kept_with_the_words_that_were_seen(
    session: Session, lamin: Staff, ticket: Ticket
) -> None:
    with pytest.raises(InvalidInput):
        tick(session, lamin, ticket, "mast")
    tick(session, lamin, ticket, "mast", text="The mast stands")
    shown = seen(session, lamin, ticket)["checklist"]
    assert isinstance(shown, list)
    assert (shown[-1]["text"], shown[-1]["is_done"]) == ("The mast stands", True)


def test_parts_add_up(session: Session, lamin: Staff, ticket: Ticket) -> None:
    for quantity in (1, 20):
        findings.use_part(session, worker=worker(lamin), ticket_id=ticket.id or 0, name=" PoE  injector ", serial="SN1", quantity=quantity)
    shown = seen(session, lamin, ticket)["parts"]
    assert isinstance(shown, list)
    assert [(one["name"], one["serial"], one["quantity"]) for one in shown] == [("PoE injector", "SN1", 1), ("PoE injector", "SN1", 20)]
    for wrong in ({"name": "", "quantity": 1}, {"name": "cable", "quantity": 0}, {"name": "cable", "serial": "9" * 81}):
        with pytest.raises(InvalidInput):
            findings.use_part(session, worker=worker(lamin), ticket_id=ticket.id or 0, **wrong)  # type: ignore[arg-type]


def test_the_customers_last_word_counts(session: Session, lamin: Staff, ticket: Ticket) -> None:
    findings.confirm(session, worker=worker(lamin), ticket_id=ticket.id or 0, works=False)
    findings.confirm(session, worker=worker(lamin), ticket_id=ticket.id or 0, works=True, name="Fatou", comment="Quick now")
    assert seen(session, lamin, ticket)["confirmation"] == {
        "works": True,
        "name": "Fatou",
        "comment": "Quick now",
        "at": "2026-11-22T12:00:00Z",
    }


def test_nobody_writes_into_the_ticket_of_another(session: Session, ticket: Ticket) -> None:
    musa = a_technician(session, "musa")
    with pytest.raises(TicketNotFound):
        tick(session, musa, ticket, "power")
    with pytest.raises(TicketNotFound):
        findings.use_part(session, worker=worker(musa), ticket_id=ticket.id or 0, name="cable")
    with pytest.raises(TicketNotFound):
        findings.confirm(session, worker=worker(musa), ticket_id=0, works=True)
