"""Prepared answers: what they name exists, what has no value is named and nothing sent, and none can run another."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.tickets import macros, tags
from services.tickets.errors import AnsweredMeanwhile, MacroIncomplete, MacroNotFound, MacroRefused
from services.tickets.macros import MacroTerms
from services.tickets.models import Priority, TicketState
from services.tickets.work_models import Macro
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets import working


@pytest.fixture
def awa(session: Session) -> Principal:
    return working.care(session)


@pytest.fixture
def admin(session: Session) -> Principal:
    return working.care(session, "admin", Role.SYSTEM_ADMIN)


def save(session: Session, actor: Principal, text: str = "Hello", *, name: str = "Greeting", shared: bool = False, **more: object) -> Macro:
    return macros.save(session, actor=actor, terms=MacroTerms(name, text, **more), shared=shared, now=NOON)  # type: ignore[arg-type]


def test_its_fields_are_filled_in_for_the_ticket(session: Session, awa: Principal) -> None:
    customer = working.a_customer(session)
    customer.name = "Fatou {payment}"
    gateway = builders.a_gateway(session, now=NOON)
    ticket = working.a_ticket(session, "slow at the gate", customer=customer, gateway=gateway)
    macro = save(session, awa, "{customer_name}, about {reference} ({subject}) at { place }: {agent}")
    filled = macros.fill(session, actor=awa, macro_id=macro.id or 0, reference=ticket.reference)
    # What stands in the customer's name is not read as a field.
    assert filled.text == f"Fatou {{payment}}, about {ticket.reference} (slow at the gate) at Serekunda Market: Awa"
    assert filled.missing == ()


def test_a_field_without_a_value_is_named_and_nothing_is_sent(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session)
    macro = save(session, awa, "Your payment {payment} at {access_point}, {payment}", changes={"priority": "high"})
    filled = macros.fill(session, actor=awa, macro_id=macro.id or 0, reference=ticket.reference)
    assert filled.missing == ("payment", "access_point")
    with pytest.raises(MacroIncomplete, match=r"\{payment\}, \{access_point\}"):
        macros.apply(session, actor=awa, macro_id=macro.id or 0, reference=ticket.reference, now=NOON)
    assert working.told(session, "ticket_reply") == []
    assert ticket.priority is Priority.NORMAL


@pytest.mark.parametrize(
    ("text", "named"), [("Hi {nme}", "{nme}"), ("{}", "{}"), ("{customer_name} {phone}", "{phone}"), ("{macro:Other}", "{macro:Other}")]
)
def test_a_field_that_does_not_exist_is_refused_by_its_name(session: Session, awa: Principal, text: str, named: str) -> None:
    with pytest.raises(MacroRefused) as refusal:
        save(session, awa, text)
    assert named in refusal.value.text
    assert refusal.value.field == "text"


@pytest.mark.parametrize(
    "changes",
    [
        {"macro_id": 1},
        {"assignee_id": 1},
        {"state": "new"},
        {"state": "closed"},
        {"state": "on_hold"},
        {"hold_reason": "part"},
        {"state": "no such"},
        {"priority": "huge"},
        {"category": 7},
        {"team_id": 999_999},
        {"team_id": "x"},
        {"add_tags": ["no/slash"]},
        {"add_tags": 5},
    ],
    ids=str,
)
def test_a_change_that_cannot_be_made_is_refused(session: Session, awa: Principal, changes: dict[str, object]) -> None:
    with pytest.raises(MacroRefused) as refusal:
        save(session, awa, changes=changes)
    assert refusal.value.field == "changes"


def test_its_answer_and_its_changes_are_made_together_or_not_at_all(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session)
    seen = ticket.revision
    macro = save(session, awa, "Solved, {agent}", changes={"state": "resolved", "add_tags": ["Quick"], "priority": "low"})
    working.hear(session, ticket, "more")
    with pytest.raises(AnsweredMeanwhile):
        macros.apply(session, actor=awa, macro_id=macro.id or 0, reference=ticket.reference, expected_revision=seen, now=NOON)
    assert ticket.priority is Priority.NORMAL
    macros.apply(session, actor=awa, macro_id=macro.id or 0, reference=ticket.reference, expected_revision=ticket.revision, now=NOON)
    assert (ticket.state, ticket.priority, working.said(session, ticket)[-1]) == (TicketState.RESOLVED, Priority.LOW, "Solved, Awa")
    assert tags.of(session, [ticket.id or 0]) == {ticket.id: ("quick",)}


def test_one_for_staff_is_a_note(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session)
    macro = save(session, awa, "Called, no answer.", is_note=True)
    macros.apply(session, actor=awa, macro_id=macro.id or 0, reference=ticket.reference, now=NOON)
    assert working.told(session, "ticket_reply") == []
    assert working.said(session, ticket)[-1] == "Called, no answer."


def test_everybodys_are_kept_by_the_desk_and_ones_own_by_oneself(session: Session, awa: Principal, admin: Principal) -> None:
    with pytest.raises(Forbidden):
        save(session, awa, shared=True)
    shared, mine = save(session, admin, shared=True, name="All"), save(session, awa, name="Mine")
    assert [one.name for one in macros.list_macros(session, actor=awa)] == ["All", "Mine"]
    assert [one.name for one in macros.list_macros(session, actor=admin)] == ["All"]
    with pytest.raises(Forbidden):
        macros.delete(session, actor=awa, macro_id=shared.id or 0, now=NOON)
    with pytest.raises(MacroNotFound):
        macros.delete(session, actor=admin, macro_id=mine.id or 0, now=NOON)
    macros.save(session, actor=awa, macro_id=mine.id, terms=MacroTerms("Mine", "Another text"), now=NOON)
    assert macros.one(session, actor=awa, macro_id=mine.id or 0).text == "Another text"
    macros.delete(session, actor=awa, macro_id=mine.id or 0, now=NOON)
    assert [one.name for one in macros.list_macros(session, actor=awa)] == ["All"]


def test_names_are_told_apart_and_nothing_is_not_a_macro(session: Session, awa: Principal) -> None:
    save(session, awa, name="Hello there")
    for name, text in (("hello  There", "x"), ("", "x"), ("x" * 81, "x"), ("Other", " ")):
        with pytest.raises(MacroRefused):
            save(session, awa, text, name=name)
