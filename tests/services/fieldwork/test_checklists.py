"""Lists of what to look at: ours until somebody writes others, and every phone hears of it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role
from services.accounts.permissions import Permission
from services.apps.models import SyncChange
from services.audit.models import AuditEntry
from services.fieldwork import checklists
from services.fieldwork.checklists import KINDS, Item, for_category
from services.tickets.models import Category
from tests.conftest import NOON
from tests.factories import staff
from tests.services.fieldwork.out import a_technician, given

ROOT = staff()


def texts(session: Session, category: str | None) -> list[str]:
    return [item.text for item in for_category(session, category)]


def test_every_kind_has_a_list_from_the_beginning(session: Session) -> None:
    lists = checklists.all_lists(session, actor=ROOT)
    assert [one.category for one in lists] == list(KINDS)
    assert all(one.items and not one.is_own for one in lists)
    assert all(len({item.key for item in one.items}) == len(one.items) for one in lists)
    assert for_category(session, None) == for_category(session, Category.PAYMENT)


def test_a_list_that_somebody_wrote_counts_and_items_keep_their_keys(session: Session) -> None:
    before = for_category(session, Category.CONNECTIVITY)
    kept = checklists.save(session, actor=ROOT, category="connectivity", items=[before[1], Item("", " Look  up "), before[0]], now=NOON)
    assert kept.is_own
    assert [item.key for item in kept.items][::2] == [before[1].key, before[0].key]
    assert texts(session, "connectivity") == [before[1].text, "Look up", before[0].text]
    checklists.reset(session, actor=ROOT, category="connectivity", now=NOON)
    assert for_category(session, Category.CONNECTIVITY) == before


def test_the_general_list_serves_the_kinds_that_have_none(session: Session) -> None:
    checklists.save(session, actor=ROOT, category="*", items=[Item("", "Ask first")], now=NOON)
    assert texts(session, "payment") == texts(session, None) == ["Ask first"]
    assert len(texts(session, "connectivity")) > 1


@pytest.mark.parametrize(
    "items", [[], [Item("", "")], [Item("", "x" * 201)], [Item("a", "One"), Item("a", "Two")], [Item("", str(n)) for n in range(31)]]
)
def test_what_is_no_list_is_refused(session: Session, items: list[Item]) -> None:
    with pytest.raises(InvalidInput):
        checklists.save(session, actor=ROOT, category="*", items=items, now=NOON)


def test_nobody_overwrites_what_they_have_not_seen(session: Session) -> None:
    seen = next(one for one in checklists.all_lists(session, actor=ROOT) if one.category == "*").revision
    checklists.save(session, actor=ROOT, category="*", items=[Item("", "Mine")], expected_revision=seen, now=NOON)
    with pytest.raises(Stale):
        checklists.save(session, actor=ROOT, category="*", items=[Item("", "Yours")], expected_revision=seen, now=NOON)
    with pytest.raises(Stale):
        checklists.reset(session, actor=ROOT, category="*", expected_revision=seen, now=NOON)


def test_only_who_keeps_the_desk_writes_lists_and_it_is_audited(session: Session) -> None:
    care = staff(Role.CUSTOMER_CARE)
    assert not care.may(Permission.DESK_EDIT)
    with pytest.raises(Forbidden):
        checklists.save(session, actor=care, category="*", items=[Item("", "Mine")], now=NOON)
    with pytest.raises(InvalidInput):
        checklists.save(session, actor=ROOT, category="nonsense", items=[Item("", "Mine")], now=NOON)
    checklists.save(session, actor=ROOT, category="*", items=[Item("", "Mine")], now=NOON)
    entry = session.exec(select(AuditEntry).where(AuditEntry.action == "checklist.change")).one()
    assert (entry.target_id, entry.after) == ("*", {"items": ["Mine"]})


def test_whoever_has_a_ticket_before_them_is_told_of_the_new_list(session: Session) -> None:
    lamin = a_technician(session)
    ticket = given(session, lamin)
    session.execute(sa.delete(SyncChange))
    checklists.save(session, actor=ROOT, category="*", items=[Item("", "Mine")], now=NOON)
    told = session.exec(select(SyncChange.audience, SyncChange.entity_id).where(col(SyncChange.kind) == "ticket")).all()
    assert [tuple(one) for one in told] == [(f"s:{lamin.id}", ticket.id)]
