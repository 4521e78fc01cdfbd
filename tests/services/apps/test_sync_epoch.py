"""Another life of the database: a restored one tells everything anew, and old numbers do not hide new changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.db import transaction
from services.apps import sync_epoch
from services.apps.sync_cursor import Cursor, CursorFromTheFuture, Snapshot, open_cursor
from tests.conftest import NOON
from tests.services.apps.syncing import SEEN, Phone, a_customer, a_device, a_mac, standing

_FAR = 10**9


@pytest.fixture
def phone(database: sa.Engine) -> Phone:
    with transaction() as session:
        caller = a_customer(session)
        for _ in range(3):
            a_device(session, caller)
    made = Phone(caller)
    made.sync()
    return made


def restored_elsewhere() -> None:
    """As a dump of another cluster, whose transaction numbers were much higher."""
    with transaction() as session:
        session.execute(sa.text("UPDATE sync_epoch SET system_identifier = '1'"))
        session.execute(sa.text("UPDATE sync_change SET xid = xid + :far"), {"far": _FAR})


def epoch() -> str:
    with transaction() as session:
        return str(session.execute(sa.text("SELECT epoch FROM sync_epoch")).scalar_one())


def holds_all(phone: Phone) -> bool:
    with transaction() as session:
        return phone.held == standing(session, phone.caller)


def test_after_a_restore_elsewhere_everything_is_told_anew_and_changes_go_on(phone: Phone) -> None:
    before = epoch()
    restored_elsewhere()
    answer = phone.ask(limit=2)
    assert answer.start_over
    phone.sync(limit=2)
    assert holds_all(phone)
    assert epoch() != before
    with transaction() as session:
        session.execute(SEEN, {"mac": a_mac(), "id": min(phone.names("device"))})
    assert phone.sync() == 1
    assert holds_all(phone)


def test_of_several_that_ask_at_once_one_begins_the_epoch(phone: Phone) -> None:
    restored_elsewhere()

    def ask(_: int) -> str:
        own = Phone(phone.caller)
        try:
            own.ask()
        except sync_epoch.BeginningAnew:
            return "later"
        cursor = open_cursor(own.cursor or "", app_device_id=phone.caller.app_device_id)
        assert cursor is not None
        return cursor.epoch

    with ThreadPoolExecutor(4) as threads:
        answers = set(threads.map(ask, range(8)))
    assert len(answers - {"later"}) == 1
    assert {epoch()} == {answer.partition(".")[0] for answer in answers - {"later"}}


def test_while_one_begins_it_others_are_told_to_come_again(phone: Phone, database: sa.Engine) -> None:
    restored_elsewhere()
    with transaction() as busy:
        assert sync_epoch.begin_anew(busy, now=NOON)
        with pytest.raises(sync_epoch.BeginningAnew):
            phone.ask()
    assert phone.ask().start_over


def test_by_hand_it_begins_although_nothing_seems_to_differ(phone: Phone) -> None:
    before = epoch()
    with transaction() as session:
        assert not sync_epoch.begin_anew(session, now=NOON)
        assert sync_epoch.begin_anew(session, by_hand=True, now=NOON)
    assert epoch() != before
    assert phone.ask().start_over
    assert holds_all(phone)


def test_a_restore_to_a_point_in_time_is_another_epoch_too(phone: Phone) -> None:
    opened = open_cursor(phone.cursor or "", app_device_id=phone.caller.app_device_id)
    assert opened is not None
    name, _, timeline = opened.epoch.rpartition(".")
    older = Cursor(opened.app_device_id, f"{name}.{int(timeline) - 1}", opened.scope, opened.kinds, False, opened.since)
    phone.cursor = older.seal()
    assert phone.ask().start_over


def test_a_cursor_from_the_future_is_refused(phone: Phone) -> None:
    opened = open_cursor(phone.cursor or "", app_device_id=phone.caller.app_device_id)
    assert opened is not None
    ahead = Snapshot(_FAR, _FAR)
    for since, until in ((ahead, None), (opened.since, ahead)):
        phone.cursor = Cursor(opened.app_device_id, opened.epoch, opened.scope, opened.kinds, False, since, until).seal()
        with pytest.raises(CursorFromTheFuture):
            phone.ask()
