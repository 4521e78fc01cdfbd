"""The step itself: bounds, answers, one key for one wish, a process that dies in the middle, a row that breaks, two people at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import InvalidInput
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.console.bulk import service, undoing
from services.console.bulk.errors import ActionNotFound, CannotUndo, OperationNotFound, TooManyRows, WishedDifferently
from services.console.bulk.models import BulkOperation, BulkRow, RowState
from services.console.bulk.outcome import Outcome
from services.console.bulk.registry import actions_of
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.pages.builders import a_voucher
from tests.services.console.bulk.doing import Desk, those
from tests.services.vouchers.batches.ordering import OFFICER, clock, within

BLOCK = "voucher.block"


@pytest.fixture
def desk(session: Session) -> Desk:
    return Desk(session, OFFICER)


def some_vouchers(session: Session, number: int = 4) -> list[int]:
    offer = make_package(session)
    return [a_voucher(session, offer=offer, state=VoucherState.ACTIVE, at=NOON).id or 0 for _ in range(number)]


def blocked(session: Session) -> int:
    session.expire_all()
    return len(session.exec(select(Voucher).where(Voucher.state == VoucherState.BLOCKED)).all())


def test_a_step_has_bounds(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="Choose the vouchers first"):
        desk.do(BLOCK, [])
    with pytest.raises(TooManyRows, match="At most 1,000 vouchers are changed at once; these are 1,001"):
        desk.look(BLOCK, range(1, 1002))
    with pytest.raises(ActionNotFound):
        desk.look("voucher.sell", [1])


def test_a_row_that_is_picked_twice_has_one_turn(session: Session, desk: Desk) -> None:
    (voucher,) = some_vouchers(session, 1)
    assert [row.state for row in desk.do(BLOCK, [voucher, voucher]).rows] == [RowState.DONE]


@pytest.mark.parametrize(("answers", "field"), [({}, "site"), ({"site": "999999"}, "site"), ({"site": "x" * 201}, "site")])
def test_answers_are_looked_at_before_anything_changes(session: Session, answers: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Desk(session, staff(Role.SYSTEM_ADMIN)).do("access-point.site", [1], answers)
    assert refusal.value.field == field
    assert session.exec(select(BulkOperation)).all() == []


def test_one_key_is_one_wish(session: Session, desk: Desk) -> None:
    ids = some_vouchers(session)
    desk.do(BLOCK, ids[:2], key="mine")
    for other in (partial(desk.do, BLOCK, ids), partial(desk.do, "voucher.expire", ids[:2]), partial(desk.do, BLOCK, ids[:2], reason="No")):
        with pytest.raises(WishedDifferently):
            other(key="mine")
    with pytest.raises(InvalidInput):
        desk.do(BLOCK, ids, key="x" * 65)
    # Somebody else's key is their own.
    desk.actor = replace(OFFICER, email="other@test.gm")
    assert those(desk.do(BLOCK, ids[2:], key="mine"), RowState.DONE) == set(ids[2:])


class Dying:
    """A process that is gone after so many transactions."""

    def __init__(self, session: Session, after: int) -> None:
        self._session, self._left = session, after

    def __call__(self) -> AbstractContextManager[Session]:
        return self._begin()

    @contextmanager
    def _begin(self) -> Iterator[Session]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        with within(self._session) as session:
            yield session


def half_done(session: Session, ids: list[int], *, rows: int) -> int:
    """A step whose process died after so many rows; answers its number."""
    wish = {"actor": OFFICER, "action": BLOCK, "row_ids": ids, "answers": {}, "reason": "As agreed", "key": "half", "clock": clock}
    with pytest.raises(KeyboardInterrupt):
        service.run(Dying(session, 2 + rows), **wish)  # type: ignore[arg-type]
    assert blocked(session) == rows
    return session.exec(select(BulkOperation.id)).one() or 0


def test_what_a_dead_process_left_is_taken_up_by_the_same_wish(session: Session, desk: Desk) -> None:
    ids = some_vouchers(session)
    number = half_done(session, ids, rows=2)
    done = desk.do(BLOCK, ids, key="half")
    assert (done.operation_id, those(done, RowState.DONE)) == (number, set(ids))
    audited = session.exec(select(AuditEntry.target_id).where(AuditEntry.action == "voucher.block")).all()
    assert sorted(audited) == sorted(str(one) for one in ids)


def test_a_step_that_died_in_the_middle_is_taken_back_as_far_as_it_came(session: Session, desk: Desk) -> None:
    ids = some_vouchers(session)
    back = desk.undo(half_done(session, ids, rows=2))
    assert those(back, RowState.UNDONE) == set(ids[:2])
    assert {row.said for row in back.those(RowState.REFUSED)} == {"The step was taken back before its turn."}
    assert blocked(session) == 0


def test_a_row_that_breaks_harms_no_other(session: Session, desk: Desk) -> None:
    """An error that nobody expected: here of the database itself, which leaves its transaction useless."""
    ids = some_vouchers(session)
    session.execute(
        sa.text(
            "CREATE FUNCTION break_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk on fire'; END $$;"
            f"CREATE TRIGGER break_it BEFORE UPDATE ON voucher FOR EACH ROW WHEN (NEW.id = {ids[1]}) EXECUTE FUNCTION break_it()"
        )
    )
    done = desk.do(BLOCK, ids)
    assert those(done, RowState.DONE) == {ids[0], *ids[2:]}
    (broken,) = done.those(RowState.REFUSED)
    assert broken.row_id == ids[1]
    assert "Tell the administrator this number" in broken.said
    assert "fire" not in broken.said


def test_the_last_step_on_a_list_is_found_again_as_long_as_it_can_be_taken_back(session: Session, desk: Desk) -> None:
    ids = some_vouchers(session)

    def last(page: str = "vouchers") -> int | None:
        found = undoing.latest(session, actor=desk.actor, page=page, now=desk.now)
        return found.operation_id if found else None

    assert last() is None
    desk.do(BLOCK, ids[:1])
    second = desk.do(BLOCK, ids[1:2])
    # What changed nothing is no step to take back.
    desk.do(BLOCK, ids[:1])
    assert (last(), last("tickets")) == (second.operation_id, None)
    desk.wait(minutes=10, seconds=1)
    assert last() is None
    desk.actor = replace(OFFICER, email="other@test.gm")
    assert last() is None


def test_nothing_changed_is_nothing_to_take_back(session: Session, desk: Desk) -> None:
    ids = some_vouchers(session, 1)
    desk.do(BLOCK, ids)
    with pytest.raises(CannotUndo, match="Nothing was changed"):
        desk.undo(desk.do(BLOCK, ids))
    with pytest.raises(OperationNotFound):
        desk.undo(999_999)


def test_a_step_is_taken_back_by_whoever_did_it(session: Session, desk: Desk) -> None:
    done = desk.do(BLOCK, some_vouchers(session))
    desk.actor = replace(OFFICER, email="other@test.gm")
    with pytest.raises(OperationNotFound):
        desk.undo(done)
    assert blocked(session) == 4


def test_a_step_needs_somebody_to_whom_its_buttons_are_shown() -> None:
    assert [action.label for action in actions_of("vouchers", OFFICER)] == ["Block", "Lift the block", "Expire"]
    assert actions_of("vouchers", staff(Role.CUSTOMER_CARE)) == ()


def test_two_clicks_at_once_are_one_step_and_two_at_once_take_it_back_once(database: sa.Engine) -> None:
    with transaction() as session:
        ids = some_vouchers(session, 6)
    barrier = Barrier(3)

    def click() -> Outcome:
        barrier.wait(timeout=20)
        return service.run(transaction, actor=OFFICER, action=BLOCK, row_ids=ids, answers={}, reason="As agreed", key="double", clock=clock)

    def back(number: int) -> object:
        barrier.wait(timeout=20)
        try:
            return undoing.undo(transaction, actor=OFFICER, operation_id=number, clock=clock)
        except CannotUndo as refusal:
            return refusal

    with ThreadPoolExecutor(3) as pool:
        (number,) = {one.result(60).operation_id for one in [pool.submit(click) for _ in range(3)]}
        assert audited("voucher.block") == sorted(str(one) for one in ids)
        assert audited("bulk.run") == [str(number)]
        for one in [pool.submit(back, number) for _ in range(3)]:
            one.result(60)
    assert audited("voucher.unblock") == sorted(str(one) for one in ids)
    assert audited("bulk.undo") == [str(number)]
    with transaction() as session:
        assert set(session.exec(select(BulkRow.state)).all()) == {RowState.UNDONE}


def audited(action: str) -> list[str]:
    with transaction() as session:
        wanted = select(AuditEntry.target_id).where(AuditEntry.action == action).order_by(col(AuditEntry.target_id))
        return sorted(session.exec(wanted).all())
