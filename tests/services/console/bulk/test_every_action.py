"""Every action on many rows, by the same bar: shown before, each row by itself, taken back or honestly not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, FreshProofNeeded
from services.audit.models import AuditEntry
from services.console.bulk.errors import CannotUndo
from services.console.bulk.models import RowState
from services.console.bulk.registry import ACTIONS
from services.console.bulk.shape import Action, Why
from services.console.lists import LISTS
from tests.factories import staff
from tests.services.console.bulk.doing import Desk, states, those
from tests.services.console.bulk.scenes import Scene, scene_of

A = Action[Any]
every = pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
undoable = pytest.mark.parametrize("action", [one for one in ACTIONS if not one.stays], ids=lambda action: action.name)
Set = Callable[[A], tuple[Scene, Desk]]


@pytest.fixture
def set_up(session: Session) -> Set:
    def make(action: A) -> tuple[Scene, Desk]:
        scene = scene_of(session, action.page, action.name)
        return scene, Desk(session, scene.actor)

    return make


@every
def test_what_is_shown_before_is_what_happens_then(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    before = scene.stands()
    shown = desk.look(action.name, scene.ids, scene.answers)
    assert [line.row_id for line in shown.lines] == scene.ids
    assert {line.row_id for line in shown.changing} == set(scene.good)
    assert {line.row_id for line in shown.lines if line.why_not} == set(scene.bad)
    assert scene.stands() == before
    done = desk.do(action.name, scene.ids, scene.answers)
    assert those(done, RowState.DONE) == set(scene.good)
    assert scene.stands() != before


@every
def test_rows_that_refuse_say_why_and_the_others_are_done(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    done = desk.do(action.name, scene.ids, scene.answers)
    expected = dict.fromkeys(scene.bad, RowState.REFUSED) | dict.fromkeys(scene.good, RowState.DONE)
    assert states(done) == expected | dict.fromkeys(scene.same, RowState.SAME)
    assert all(row.said and row.name for row in done.rows)


@every
def test_sent_twice_it_is_done_once(set_up: Set, session: Session, action: A) -> None:
    scene, desk = set_up(action)
    first = desk.do(action.name, scene.ids, scene.answers, key="the same")
    after, audited = scene.stands(), len(session.exec(select(AuditEntry.id)).all())
    again = desk.do(action.name, scene.ids, scene.answers, key="the same")
    assert again == first
    assert (scene.stands(), len(session.exec(select(AuditEntry.id)).all())) == (after, audited)


@undoable
def test_taken_back_everything_is_as_it_was_and_only_once(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    before = scene.stands()
    done = desk.do(action.name, scene.ids, scene.answers)
    desk.wait(minutes=10)
    assert done.undo_until == desk.now
    back = desk.undo(done)
    assert those(back, RowState.UNDONE) == set(scene.good)
    assert scene.stands() == before
    with pytest.raises(CannotUndo, match="already"):
        desk.undo(done)


@undoable
def test_what_somebody_changed_since_stays_and_the_others_go_back(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    done = desk.do(action.name, scene.ids, scene.answers)
    touched = scene.good[0]
    scene.get_between(touched)
    back = desk.undo(done)
    assert those(back, RowState.KEPT) == {touched}
    assert those(back, RowState.UNDONE) == set(scene.good[1:])
    (kept,) = back.those(RowState.KEPT)
    assert kept.said


@undoable
def test_after_ten_minutes_it_stays(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    done = desk.do(action.name, scene.ids, scene.answers)
    after = scene.stands()
    desk.wait(minutes=10, seconds=1)
    with pytest.raises(CannotUndo, match="10 minutes"):
        desk.undo(done)
    assert scene.stands() == after


@pytest.mark.parametrize("action", [one for one in ACTIONS if one.stays], ids=lambda action: action.name)
def test_what_cannot_be_taken_back_says_so_and_wants_a_reason(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    assert action.why is Why.ALWAYS
    done = desk.do(action.name, scene.ids, scene.answers)
    assert done.undo_until is None
    with pytest.raises(CannotUndo) as refusal:
        desk.undo(done)
    assert refusal.value.text == action.stays


@pytest.mark.parametrize("action", [one for one in ACTIONS if one.why is Why.ALWAYS], ids=lambda action: action.name)
def test_without_a_reason_nothing_is_changed(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    before = scene.stands()
    for reason in ("", "  x ", "y" * 201):
        with pytest.raises(InvalidInput) as refusal:
            desk.do(action.name, scene.ids, scene.answers, reason=reason)
        assert refusal.value.field == "reason"
    assert scene.stands() == before


@every
def test_each_row_and_the_whole_stand_in_the_audit(set_up: Set, session: Session, action: A) -> None:
    scene, desk = set_up(action)
    newest = max(session.exec(select(AuditEntry.id)).all(), default=0)
    desk.do(action.name, scene.ids, scene.answers, reason="The mast fell")
    *rows, whole = session.exec(select(AuditEntry).where(col(AuditEntry.id) > newest).order_by(col(AuditEntry.id))).all()
    assert len(rows) >= len(scene.good)
    assert {row.actor for row in rows} == {scene.actor.label}
    assert (whole.action, whole.target_type, whole.actor) == ("bulk.run", "bulk_operation", scene.actor.label)
    assert (whole.after or {})["reason"] == "The mast fell"
    assert (whole.after or {})["done"] == len(scene.good)


@every
def test_only_whom_the_table_allows(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    strangers = [role for role in Role if action.permission not in ROLE_PERMISSIONS[role]]
    assert strangers
    for role in strangers:
        desk.actor = staff(role)
        with pytest.raises(Forbidden):
            desk.look(action.name, scene.ids, scene.answers)
        with pytest.raises(Forbidden):
            desk.do(action.name, scene.ids, scene.answers)


@pytest.mark.parametrize("action", [one for one in ACTIONS if one.needs_proof], ids=lambda action: action.name)
def test_what_is_worth_money_asks_who_it_is(set_up: Set, action: A) -> None:
    scene, desk = set_up(action)
    before = scene.stands()
    desk.wait(minutes=11)
    with pytest.raises(FreshProofNeeded):
        desk.do(action.name, scene.ids, scene.answers)
    assert scene.stands() == before


def test_each_stands_above_a_list_that_there_is_under_a_name_of_its_own() -> None:
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)
    assert {action.page for action in ACTIONS} <= set(LISTS)
