"""The columns that a person wishes to see, found again in every browser."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.console import columns, views
from services.console.columns import Kept
from services.console.lists import ListNotFound
from tests.conftest import NOON
from tests.services.console.test_views import somebody


def test_a_choice_of_columns_is_kept_for_the_person_and_the_list(session: Session) -> None:
    awa, ousman = somebody(session, "awa"), somebody(session, "ousman")
    columns.keep_columns(session, actor=awa, page="payments", columns=["reference", "amount"])
    columns.keep_columns(session, actor=awa, page="payments", columns=["reference", "state"])
    assert columns.kept(session, actor=awa, page="payments").columns == ("reference", "state")
    assert columns.kept(session, actor=awa, page="vouchers") == Kept()
    assert columns.kept(session, actor=ousman, page="payments") == Kept()
    columns.keep_columns(session, actor=awa, page="payments", columns=[])
    assert columns.kept(session, actor=awa, page="payments") == Kept()


def test_views_come_along_with_the_columns(session: Session) -> None:
    awa = somebody(session, "awa")
    view = views.save_view(session, actor=awa, page="payments", name="Mine", query={"columns": "reference"}, is_shared=False, now=NOON)
    assert columns.kept(session, actor=awa, page="payments") == Kept((view,), ())


def test_what_cannot_be_columns_of_a_list_is_refused(session: Session) -> None:
    awa = somebody(session, "awa")
    for wrong in (["x"] * 41, [""], ["x" * 41], ["a\x00"]):
        with pytest.raises(InvalidInput):
            columns.keep_columns(session, actor=awa, page="payments", columns=wrong)
    with pytest.raises(Forbidden):
        columns.keep_columns(session, actor=awa, page="audit", columns=["action"])
    with pytest.raises(ListNotFound):
        columns.kept(session, actor=awa, page="nothing")


def test_taking_a_list_along_is_audited_without_what_was_searched_for(session: Session) -> None:
    root = somebody(session, "root", Role.ROOT)
    columns.note_file(session, actor=root, page="customers", filters=["q", "kind"], columns=["phone", "name"], now=NOON)
    (entry,) = session.exec(select(AuditEntry).where(AuditEntry.target_type == "list")).all()
    assert (entry.action, entry.target_id) == ("list.file", "customers")
    assert entry.after == {"columns": "phone, name", "narrowed by": "q, kind"}
    with pytest.raises(Forbidden):
        columns.note_file(session, actor=somebody(session, "awa"), page="audit", filters=[], columns=[], now=NOON)
