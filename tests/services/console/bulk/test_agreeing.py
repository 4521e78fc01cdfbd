"""What cannot be taken back is done by one person to few rows only: of more, a second one agrees, or nothing happens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.audit.models import AuditEntry
from services.console.bulk import agreeing, service
from services.console.bulk.errors import NotAsked, OperationNotFound, OwnStep
from services.console.bulk.models import RowState
from services.console.bulk.outcome import Outcome
from services.console.bulk.registry import ACTIONS, action_named
from services.console.bulk.service import MOST_ALONE
from services.console.bulk.shape import Action
from services.notifications.models import Notification
from tests.factories import staff
from tests.services.console.bulk.doing import Desk, those
from tests.services.console.bulk.scenes import Scene, scene_of
from tests.services.tickets.people import a_person
from tests.services.vouchers.batches.ordering import within

END = "session.end"
grave = pytest.mark.parametrize("action", [one for one in ACTIONS if one.stays], ids=lambda action: action.name)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_ALONE", 1)


class Scenery:
    """A scene, somebody at its list, and a colleague who may do the same."""

    def __init__(self, session: Session, action: Action[Any]) -> None:
        self.session = session
        self.scene: Scene = scene_of(session, action.page, action.name)
        self.desk = Desk(session, self.scene.actor)
        self.colleague = replace(self.scene.actor, id=self.scene.actor.id + 1, name="Second", email="second@test.gm")
        self.before = self.scene.stands()

    def asks(self, **more: Any) -> Outcome:
        return self.desk.do(self.scene.action, self.scene.good, self.scene.answers, **more)

    def agrees(self, asked: Outcome, who: Principal | None = None) -> Outcome:
        begin = partial(within, self.session)
        done = agreeing.agree(begin, actor=who or self.colleague, operation_id=asked.operation_id, clock=lambda: self.desk.now)
        self.session.expire_all()
        return done

    def declines(self, asked: Outcome, who: Principal | None = None) -> Outcome:
        done = agreeing.decline(self.session, actor=who or self.colleague, operation_id=asked.operation_id, clock=lambda: self.desk.now)
        self.session.expire_all()
        return done

    def waits(self, who: Principal) -> list[int]:
        return [one.operation_id for one in agreeing.asked(self.session, actor=who, page=action_named(self.scene.action).page)]


@pytest.fixture
def ending(session: Session) -> Scenery:
    return Scenery(session, action_named(END))


@grave
def test_nothing_happens_until_a_second_person_agrees(session: Session, action: Action[Any]) -> None:
    scenery = Scenery(session, action)
    if len(scenery.scene.good) < 2:
        pytest.fail(f"{action.name} has no two rows to try this on")
    assert scenery.desk.look(action.name, scenery.scene.good, scenery.scene.answers).needs_second
    asked = scenery.asks()
    assert asked.is_asked
    assert those(asked, RowState.WAITING) == set(scenery.scene.good)
    assert scenery.scene.stands() == scenery.before
    done = scenery.agrees(asked)
    assert those(done, RowState.DONE) == set(scenery.scene.good)
    assert not done.is_asked
    assert scenery.scene.stands() != scenery.before
    assert scenery.waits(scenery.colleague) == []


def test_few_rows_and_what_can_be_taken_back_need_one_person(session: Session, ending: Scenery) -> None:
    assert not ending.desk.look(END, ending.scene.good[:1]).needs_second
    assert not ending.desk.do(END, ending.scene.good[:1]).is_asked
    back = Scenery(session, action_named("voucher.block"))
    assert not back.asks().is_asked
    assert back.scene.stands() != back.before


def test_a_reason_is_demanded_also_where_few_rows_need_none(session: Session) -> None:
    scenery = Scenery(session, action_named("finding.accept"))
    with pytest.raises(InvalidInput) as refusal:
        scenery.asks(reason="")
    assert refusal.value.field == "reason"


def test_who_might_do_it_hears_of_it_and_who_asks_does_not(session: Session) -> None:
    care, colleague = a_person(session, "care@x.gm", role=Role.CUSTOMER_CARE), a_person(session, "two@x.gm", role=Role.CUSTOMER_CARE)
    officer = a_person(session, "officer@x.gm", role=Role.BILLING_OFFICER)
    scenery = Scenery(session, action_named(END))
    scenery.desk.actor = replace(scenery.scene.actor, id=care.id or 0, email=care.email, name=care.name)
    scenery.asks(reason="Router swapped")
    told = session.exec(select(Notification).where(Notification.event == "step_waits")).all()
    assert {note.staff_id for note in told} >= {colleague.id}
    assert not {note.staff_id for note in told} & {care.id, officer.id}
    assert {note.link for note in told} == {"/console/sessions"}


def test_nobody_agrees_to_their_own_step_but_they_may_call_it_off(ending: Scenery) -> None:
    asked = ending.asks()
    with pytest.raises(OwnStep):
        ending.agrees(asked, ending.scene.actor)
    assert ending.waits(ending.scene.actor) == [asked.operation_id]
    off = ending.declines(asked, ending.scene.actor)
    assert {row.said for row in off.rows} == {"It was called off."}
    with pytest.raises(NotAsked):
        ending.agrees(asked)
    assert ending.scene.stands() == ending.before


def test_what_is_declined_stays_undone_whoever_sends_it_again(ending: Scenery) -> None:
    asked = ending.asks(key="mine")
    declined = ending.declines(asked)
    assert those(declined, RowState.REFUSED) == set(ending.scene.good)
    again = ending.asks(key="mine")
    assert again.operation_id == asked.operation_id
    assert those(again, RowState.REFUSED) == set(ending.scene.good)
    with pytest.raises(NotAsked):
        ending.declines(asked)
    assert ending.scene.stands() == ending.before
    assert ending.waits(ending.colleague) == []


def test_the_same_wish_sent_again_still_waits(ending: Scenery) -> None:
    asked, again = ending.asks(key="mine"), ending.asks(key="mine")
    assert again == asked
    assert ending.waits(ending.colleague) == [asked.operation_id]


def test_who_may_not_do_it_can_neither_see_it_nor_agree(ending: Scenery) -> None:
    asked, officer = ending.asks(), staff(Role.BILLING_OFFICER)
    assert ending.waits(officer) == []
    for decide in (ending.agrees, ending.declines):
        with pytest.raises(Forbidden):
            decide(asked, officer)


def test_a_step_that_needs_nobody_is_not_there_to_agree_to(ending: Scenery) -> None:
    alone = ending.desk.do(END, ending.scene.good[:1])
    with pytest.raises(OperationNotFound):
        ending.agrees(alone)


def test_agreeing_twice_does_nothing_twice_and_a_third_person_comes_too_late(ending: Scenery) -> None:
    asked = ending.asks()
    assert ending.agrees(asked) == ending.agrees(asked)
    with pytest.raises(NotAsked):
        ending.agrees(asked, replace(ending.colleague, id=7, email="third@test.gm"))


def test_what_was_broken_off_waits_for_who_agreed(ending: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ending.asks()
    with monkeypatch.context() as dying:
        dying.setattr(service, "_take_turn", dies)
        with pytest.raises(KeyboardInterrupt):
            ending.agrees(asked)
    ending.session.expire_all()
    (left,) = agreeing.asked(ending.session, actor=ending.colleague, page="sessions")
    assert left.is_agreed
    assert ending.waits(ending.scene.actor) == []
    assert those(ending.agrees(asked), RowState.DONE) == set(ending.scene.good)


def dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_audit_says_who_asked_why_and_who_agreed(session: Session, ending: Scenery) -> None:
    ending.agrees(ending.asks(reason="Router swapped"))
    entries = session.exec(select(AuditEntry).where(AuditEntry.target_type == "bulk_operation").order_by(col(AuditEntry.id))).all()
    assert [entry.action for entry in entries] == ["bulk.agree", "bulk.run"]
    assert {entry.actor for entry in entries} == {ending.colleague.label}
    after = entries[0].after or {}
    assert (after["reason"], after["asked_by"]) == ("Router swapped", ending.scene.actor.label)


def test_one_person_may_do_fifty_alone() -> None:
    assert MOST_ALONE == 50
