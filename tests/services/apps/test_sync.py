"""A phone holds what the server holds for it, whatever is written meanwhile, and is told each thing once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import orjson
import pytest
import sqlalchemy as sa

from app.db import transaction
from app.errors import InvalidInput
from services.apps import documents, sync
from services.apps.callers import Caller
from services.apps.sync_cursor import CursorUnknown
from services.packages.models import Package
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from services.tickets.opening import Opening, open_ticket
from tests.conftest import NOON
from tests.factories import make_package
from tests.services.apps.syncing import MOVED, SEEN, Phone, a_customer, a_device, a_mac, a_technician, standing

CARE = By("staff:care@inet.test")


@pytest.fixture
def phone(database: sa.Engine) -> Phone:
    with transaction() as session:
        return Phone(a_customer(session))


def devices(caller: Caller, many: int) -> list[int]:
    with transaction() as session:
        return [a_device(session, caller) for _ in range(many)]


def write(statement: sa.TextClause, **values: object) -> None:
    with transaction() as session:
        session.execute(statement, values)


def holds_all(phone: Phone) -> bool:
    with transaction() as session:
        return phone.held == standing(session, phone.caller)


@pytest.fixture
def long_one(database: sa.Engine) -> Iterator[sa.Connection]:
    with database.connect() as connection:
        yield connection
        connection.rollback()


def test_a_long_transaction_is_told_when_it_ends_and_holds_nobody_up(phone: Phone, long_one: sa.Connection) -> None:
    early, other = devices(phone.caller, 2)
    phone.sync()
    long_one.execute(SEEN, {"mac": a_mac(), "id": early})
    for _ in range(3):
        # Later numbers are committed and told while the earlier one is still open.
        write(SEEN, mac=a_mac(), id=other)
        answer = phone.ask()
        assert [orjson.loads(change)["id"] for change in answer.changes] == [str(other)]
    assert phone.ask().is_same
    long_one.commit()
    assert phone.sync() == 1
    assert holds_all(phone)


def test_also_during_the_first_sync(phone: Phone, long_one: sa.Connection) -> None:
    ids = devices(phone.caller, 6)
    long_one.execute(SEEN, {"mac": a_mac(), "id": ids[0]})
    long_one.execute(MOVED, {"owner": None, "id": ids[1]})
    phone.ask(limit=3)
    long_one.commit()
    phone.sync(limit=3)
    assert phone.names("device") == set(ids) - {ids[1]}
    assert holds_all(phone)


def test_ten_changes_of_one_thing_are_told_once(phone: Phone) -> None:
    (device,) = devices(phone.caller, 1)
    phone.sync()
    for _ in range(10):
        write(SEEN, mac=a_mac(), id=device)
    assert phone.sync() == 1
    assert holds_all(phone)


def test_with_nothing_changed_the_cursor_stays_the_same(phone: Phone) -> None:
    devices(phone.caller, 1)
    phone.sync()
    before = phone.cursor
    stranger = Phone(phone.caller)
    with transaction() as session:
        other = a_customer(session)
    devices(other, 3)
    answer = phone.ask()
    assert (answer.changes, answer.cursor, answer.more, answer.start_over, answer.is_same) == ((), before, False, False, True)
    assert stranger.ask().start_over


def test_what_goes_to_another_person_comes_as_a_removal(phone: Phone) -> None:
    with transaction() as session:
        other = Phone(a_customer(session))
    (device,) = devices(phone.caller, 1)
    phone.sync()
    other.sync()
    write(MOVED, owner=other.caller.customer_id, id=device)
    assert orjson.loads(phone.ask().changes[0]) == {"kind": "device", "id": str(device), "removed": True}
    assert phone.names("device") == set()
    other.sync()
    assert other.names("device") == {device}


def test_a_ticket_taken_away_goes_from_its_technician_and_comes_to_the_next(database: sa.Engine) -> None:
    with transaction() as session:
        first, second = Phone(a_technician(session)), Phone(a_technician(session))
        ticket = open_ticket(session, Opening(body="No page", channel=Channel.PHONE), who=CARE, now=NOON)
        changes.set_field(session, ticket, "assignee_id", first.caller.technician().id, who=CARE, now=NOON)
    for phone in (first, second):
        phone.sync()
    assert first.names("ticket") == {ticket.id}
    with transaction() as session:
        changes.set_field(
            session, changes.locked(session, ticket.id or 0), "assignee_id", second.caller.technician().id, who=CARE, now=NOON
        )
    for phone in (first, second):
        phone.sync()
        assert holds_all(phone)
    assert (first.names("ticket"), second.names("ticket")) == (set(), {ticket.id})


def test_the_first_sync_is_gone_on_with_while_rows_change(phone: Phone) -> None:
    ids = devices(phone.caller, 24)
    with transaction() as session:
        other = a_customer(session)
    page = 0
    while phone.ask(limit=5).more:
        page += 1
        # Told already, still to be told, given away, and new.
        write(SEEN, mac=a_mac(), id=ids[0])
        write(SEEN, mac=a_mac(), id=ids[-1])
        if page < 5:
            write(MOVED, owner=other.customer_id, id=ids[page * 2])
            devices(phone.caller, 1)
        assert phone.ask(limit=5, answer_is_lost=True).start_over is False
        if page > 12:
            break
    phone.sync()
    assert holds_all(phone)


def test_a_phone_that_starts_over_loses_nothing_that_changes_meanwhile(phone: Phone) -> None:
    ids = devices(phone.caller, 6)
    phone.sync()
    phone.cursor = None
    assert phone.ask(limit=2).start_over
    write(SEEN, mac=a_mac(), id=ids[-1])
    while phone.ask(limit=2).more:
        assert phone.names("device") == set(ids)
    assert phone.names("device") == set(ids)
    assert holds_all(phone)


def test_a_phone_in_step_with_a_busy_writer_ends_with_what_stands(phone: Phone) -> None:
    ids = devices(phone.caller, 30)
    done = threading.Event()

    def keep_writing() -> None:
        for turn in range(120):
            with transaction() as session:
                for device in (ids[turn % 30], ids[(turn * 7) % 30]):
                    session.execute(SEEN, {"mac": a_mac(), "id": device})
        done.set()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    while not done.is_set():
        phone.ask(limit=4)
    writer.join()
    phone.sync(limit=4)
    assert holds_all(phone)


def test_only_the_kinds_asked_for_are_told_and_others_start_over(phone: Phone) -> None:
    devices(phone.caller, 2)
    phone.ask(kinds=("device",))
    assert {kind for kind, _ in phone.held} == {"device"}
    # Of a cursor the kinds are known.
    assert phone.ask().is_same
    answer = phone.ask(kinds=("profile", "device"))
    assert answer.start_over
    assert {kind for kind, _ in phone.held} == {"device", "profile"}


def test_kinds_that_there_are_not_are_refused(phone: Phone) -> None:
    for kind in ("incident", "staff", ""):
        with pytest.raises(InvalidInput, match="There is no kind"):
            phone.ask(kinds=(kind,))


def test_a_cursor_of_another_phone_is_refused(phone: Phone) -> None:
    phone.sync()
    with transaction() as session:
        other = Phone(a_customer(session), cursor=phone.cursor)
    with pytest.raises(CursorUnknown):
        other.ask()


def test_other_rights_start_over(database: sa.Engine) -> None:
    with transaction() as session:
        phone = Phone(a_technician(session))
    phone.sync()
    person = phone.caller.technician()
    fewer = Caller(phone.caller.app_device_id, "Phone", phone.caller.app, 1, staff=type(person)("staff", person.id, "M", frozenset()))
    phone.caller = fewer
    assert phone.ask().start_over


def test_a_page_ends_at_half_a_megabyte_and_no_message_fills_it_alone(database: sa.Engine) -> None:
    with transaction() as session:
        phone = Phone(a_customer(session))
        for _ in range(12):
            opening = Opening(body="Slow", channel=Channel.MOBILE, customer_id=phone.caller.customer_id)
            ticket = open_ticket(session, opening, who=By("customer"), now=NOON)
            said = TicketMessage(
                ticket_id=ticket.id or 0, kind=MessageKind.CUSTOMER, channel=Channel.MOBILE, body="é " * 10_000, created_at=NOON
            )
            session.add_all(TicketMessage(**said.model_dump(exclude={"id"})) for _ in range(9))
    sizes, more = [], True
    while more:
        answer = phone.ask()
        sizes.append(sum(map(len, answer.changes)))
        more = answer.more
    assert len(sizes) > 2
    assert max(sizes) < sync.PAGE_BYTES + 300_000
    assert holds_all(phone)


def test_the_statements_of_a_page_do_not_grow_with_its_rows(phone: Phone, database: sa.Engine) -> None:
    def statements(cursor: str | None) -> int:
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        sa.event.listen(database, "before_cursor_execute", count)
        Phone(phone.caller, cursor).ask()
        sa.event.remove(database, "before_cursor_execute", count)
        return counted

    def some(many: int) -> None:
        with transaction() as session:
            for _ in range(many):
                a_device(session, phone.caller)
                opening = Opening(body="Slow", channel=Channel.MOBILE, customer_id=phone.caller.customer_id)
                ticket = open_ticket(session, opening, who=By("customer"), now=NOON)
                changes.say(session, ticket, kind=MessageKind.REPLY, body="Try again", channel=Channel.MOBILE, who=CARE, now=NOON)
                make_package(session)

    some(2)
    phone.sync()
    few = statements(None)
    some(18)
    assert statements(None) == few
    assert few < 25


def test_a_package_off_sale_is_removed(phone: Phone) -> None:
    with transaction() as session:
        make_package(session)
    phone.sync()
    assert len(phone.names("package")) == 1
    with transaction() as session:
        session.execute(sa.update(Package).values(is_on_sale=False))
    assert phone.sync() == 1
    assert phone.names("package") == set()


def test_documents_are_told_with_the_version_that_one_answers(phone: Phone) -> None:
    with transaction() as session:
        opening = Opening(body="Slow", channel=Channel.MOBILE, customer_id=phone.caller.customer_id)
        ticket: Ticket = open_ticket(session, opening, who=By("customer"), now=NOON)
    phone.sync()
    with transaction() as session:
        shown = documents.one(session, phone.caller, "ticket", ticket.id or 0)
    assert shown is not None
    assert phone.held["ticket", str(ticket.id)] == (shown.version, orjson.loads(orjson.dumps(shown.data)))
