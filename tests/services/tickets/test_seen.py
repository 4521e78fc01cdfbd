"""What makes a person's decision about a ticket stale: what others did, not what the product noted by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import Stale
from services.tickets import changes, notes, service
from services.tickets.changes import SYSTEM
from services.tickets.models import Priority, Ticket
from services.tickets.seen import whatever_was_noted
from tests.conftest import NOON
from tests.services.tickets import working

LATER = NOON + timedelta(minutes=1)


def gives(session: Session, ticket: Ticket, seen: str) -> None:
    awa = working.care(session)
    give = whatever_was_noted(service.assign)
    give(session, actor=awa, reference=ticket.reference, staff_id=awa.id, expected_revision=seen, now=LATER)


@pytest.mark.parametrize("kind", ["facts", "triaged", "sla", "outage_told"])
def test_what_the_product_noted_meanwhile_refuses_nobody(session: Session, kind: str) -> None:
    ticket = working.a_ticket(session, "one")
    seen = ticket.revision
    changes.record(session, ticket, kind, {}, who=SYSTEM, now=NOON)
    gives(session, ticket, seen)
    assert ticket.assignee_id is not None


def test_a_program_that_names_a_revision_is_refused_all_the_same(session: Session) -> None:
    ticket = working.a_ticket(session, "one")
    seen = ticket.revision
    changes.record(session, ticket, "facts", {}, who=SYSTEM, now=NOON)
    awa = working.care(session)
    with pytest.raises(Stale):
        service.assign(session, actor=awa, reference=ticket.reference, staff_id=awa.id, expected_revision=seen, now=LATER)


def test_a_colleagues_word_before_the_products_note_refuses(session: Session) -> None:
    ticket = working.a_ticket(session, "one")
    seen = ticket.revision
    notes.note(session, actor=working.care(session, "binta"), reference=ticket.reference, text="I am at it", now=NOON)
    changes.record(session, ticket, "facts", {}, who=SYSTEM, now=NOON)
    with pytest.raises(Stale):
        gives(session, ticket, seen)


def test_a_change_that_chose_another_policy_with_it_refuses(session: Session) -> None:
    ticket = working.a_ticket(session, "one")
    seen = ticket.revision
    changes.set_field(session, ticket, "priority", Priority.URGENT, who=SYSTEM, now=NOON)
    with pytest.raises(Stale):
        gives(session, ticket, seen)


def test_a_revision_that_never_was_refuses(session: Session) -> None:
    with pytest.raises(Stale):
        gives(session, working.a_ticket(session, "one"), "0" * 20)
