"""Two people at one ticket at the same moment, on a database that really commits."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.db import transaction
from app.errors import Stale
from services.accounts.models import Role
from services.accounts.sessions import principal_of
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from services.tickets.service import assign, close
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person


def until_it_waits_for_a_lock(database: sa.Engine, work: Future[None]) -> None:
    asked = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with database.connect() as connection:
            if connection.execute(asked).scalar_one():
                return
        assert not work.done()
    raise AssertionError("it never waited")


def test_a_technician_does_not_close_what_is_taken_from_them_while_they_press_the_button(database: sa.Engine) -> None:
    with transaction() as session:
        technician, care = a_person(session, "tech@inet.test"), a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE)
        ticket = builders.a_ticket(session, assignee=technician, at=NOON)
    reference = ticket.reference

    def press_close() -> None:
        with transaction() as session:
            close(session, actor=principal_of(technician), reference=reference, note="all is well", now=NOON)

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            assign(session, actor=principal_of(care), reference=reference, staff_id=None, expected_revision=None, now=NOON)
            pressed = pool.submit(press_close)
            until_it_waits_for_a_lock(database, pressed)
        with pytest.raises(TicketNotFound):
            pressed.result(timeout=20)
    with transaction() as session:
        assert session.get_one(Ticket, ticket.id).is_open


def test_of_two_who_take_it_at_once_one_has_it_and_the_other_is_told(database: sa.Engine) -> None:
    with transaction() as session:
        people = [a_person(session, f"care{number}@inet.test", role=Role.CUSTOMER_CARE) for number in range(4)]
        ticket = builders.a_ticket(session, at=NOON)

    def take(number: int) -> bool:
        actor = principal_of(people[number])
        try:
            with transaction() as session:
                revision = ticket.revision
                assign(session, actor=actor, reference=ticket.reference, staff_id=actor.id, expected_revision=revision, now=NOON)
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, False, True]
