"""The reference client in the hands of one person: log-in, offline, batteries that die, and things that are made while offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from structlog.testing import capture_logs

from app.db import transaction
from app.main import plain_app
from mobile.client import LoggedOut, Offline, Outcome, Phone, Refused
from services.apps.models import AppDevice
from services.tickets.models import Ticket, TicketMessage
from tests.mobile.client.fleet import Carried, Fleet
from tests.mobile.client.lines import Deaths, Fate, Line, client, serving
from tests.services.apps.texting import last_key, new_number


@pytest.fixture
def fleet(database: sa.Engine, tmp_path: Path) -> Iterator[Fleet]:
    deaths = Deaths(database)
    # Each death would else be told with its whole stack.
    with capture_logs(), serving(plain_app(["mobile"])) as server:
        yield Fleet(server, deaths, tmp_path)
    deaths.end()


@pytest.fixture
def carried(fleet: Fleet) -> Carried:
    """A customer's phone that is logged in and knows what there is."""
    with transaction() as session:
        fleet.customer(session, 1)
    fleet.carried[0].phone.meet()
    return fleet.carried[0]


def test_a_person_logs_in_with_the_key_from_the_text(fleet: Fleet) -> None:
    phone = Phone(fleet.folder, client(Line(fleet.server, fleet.deaths)))
    number = new_number()
    assert phone.ask_for_key(number) > 0
    with transaction() as session:
        key = last_key(session)
    with pytest.raises(Refused) as refused:
        phone.log_in(number, "000000" if key != "000000" else "111111")
    assert refused.value.code == "key_wrong"
    assert phone.log_in(number, key).person.kind == "customer"
    assert phone.store.device_token()
    phone.meet()
    (profile,) = phone.entities("profile")
    assert profile.data["phone"].endswith(number.replace(" ", "")[-6:])
    phone.log_out()
    with pytest.raises(LoggedOut):
        phone.sync()
    phone.close()


def test_what_is_done_offline_is_sent_in_its_order_after_the_battery_died(carried: Carried) -> None:
    opened = carried.phone.do("ticket.open", "ticket:new", {"body": "No internet since noon"})
    said = carried.phone.do("ticket.say", f"ticket:@{opened}", {"body": "It is the whole street"})
    carried.line.fates = [Fate.LOST]
    with pytest.raises(Offline):
        carried.phone.meet()
    carried.dies()
    assert [one.id for one in carried.phone.store.waiting()] == [opened, said]
    carried.phone.meet()
    answers = carried.phone.store.answers()
    assert {answers[one].final for one in (opened, said)} == {Outcome.APPLIED}
    (ticket,) = carried.phone.entities("ticket")
    assert answers[said].entity == f"ticket:{ticket.id}"
    with transaction() as session:
        bodies = session.exec(select(TicketMessage.body).order_by(col(TicketMessage.id))).all()
    assert bodies == ["No internet since noon", "It is the whole street"]


def test_what_belongs_to_something_refused_is_answered_too(carried: Carried) -> None:
    opened = carried.phone.do("ticket.open", "ticket:new", {"body": " "})
    said = carried.phone.do("ticket.say", f"ticket:@{opened}", {"body": "It is the whole street"})
    carried.phone.meet()
    answers = carried.phone.store.answers()
    assert {answers[one].final for one in (opened, said)} == {Outcome.REJECTED}
    assert answers[said].reason is not None
    assert not carried.phone.store.waiting()


def test_an_answer_that_is_lost_changes_nothing(carried: Carried) -> None:
    opened = carried.phone.do("ticket.open", "ticket:new", {"body": "No internet since noon"})
    carried.line.fates = [Fate.ANSWER_LOST]
    with pytest.raises(Offline):
        carried.phone.flush()
    held = carried.phone.flush()
    assert held is not None
    assert held.total == 1
    assert carried.phone.store.answers()[opened].outcome is Outcome.DUPLICATE
    with transaction() as session:
        assert len(session.exec(select(Ticket.id)).all()) == 1


def test_the_server_says_that_nothing_is_new_without_a_page(carried: Carried) -> None:
    cursor = carried.phone.store.cursor()
    assert cursor[1] is not None
    assert carried.phone.sync() == 0
    assert carried.phone.store.cursor() == cursor


def test_a_lost_answer_to_a_swap_of_keys_logs_nobody_out(carried: Carried) -> None:
    carried.phone.store.forget_access_token()
    carried.line.fates = [Fate.ANSWER_LOST]
    with pytest.raises(Offline):
        carried.phone.sync()
    carried.phone.sync()


def test_a_phone_that_was_let_go_keeps_what_waits(carried: Carried) -> None:
    waiting = carried.phone.do("ticket.open", "ticket:new", {"body": "No internet since noon"})
    with transaction() as session:
        device = session.exec(select(AppDevice)).one()
        device.revoked_at, device.revoked_why = device.created_at, "stolen"
    with pytest.raises(LoggedOut):
        carried.phone.meet()
    assert [one.id for one in carried.phone.store.waiting()] == [waiting]


def test_another_person_on_the_phone_begins_with_nothing(fleet: Fleet, carried: Carried) -> None:
    carried.phone.do("ticket.open", "ticket:new", {"body": "No internet since noon"})
    with transaction() as session:
        fleet.customer(session, 1)
    carried.phone.store.keep_log_in(fleet.carried[1].tokens, ends_at=carried.now())
    assert not carried.knows()
    assert not carried.phone.store.waiting()
    carried.phone.store.forget_access_token()
    carried.phone.meet()
    assert fleet.truth(fleet.carried[1]).keys() == carried.knows().keys()
