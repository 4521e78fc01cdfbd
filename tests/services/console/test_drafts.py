"""Drafts: found again by their writer alone, and two tabs do not overwrite each other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.console import drafts
from services.console.drafts import Whatever, WrittenElsewhere
from tests.conftest import NOON
from tests.services.tickets.people import a_person

PLACE = "macro:new"


@pytest.fixture
def awa(session: Session) -> Principal:
    return principal_of(a_person(session, "awa@inet.test"))


def text(session: Session, actor: Principal) -> str | None:
    found = drafts.kept(session, actor=actor, places={"": PLACE})
    return found[""].text if found else None


def test_a_draft_is_found_again_by_its_writer_alone_until_it_is_sent(session: Session, awa: Principal) -> None:
    ousman = principal_of(a_person(session, "ousman@inet.test"))
    drafts.keep(session, actor=awa, place=PLACE, text="Hello", now=NOON)
    drafts.keep(session, actor=awa, place=PLACE, text="Hello there", now=NOON)
    assert (text(session, awa), text(session, ousman)) == ("Hello there", None)
    drafts.forget(session, actor=awa, place=PLACE)
    assert text(session, awa) is None


def test_nothing_but_white_space_forgets_it_and_too_much_is_refused(session: Session, awa: Principal) -> None:
    drafts.keep(session, actor=awa, place=PLACE, text="Hello", now=NOON)
    assert drafts.keep(session, actor=awa, place=PLACE, text="  \n", now=NOON) is None
    assert text(session, awa) is None
    with pytest.raises(InvalidInput):
        drafts.keep(session, actor=awa, place=PLACE, text="x" * 20_001, now=NOON)


def test_a_second_tab_is_told_instead_of_overwriting_the_first(session: Session, awa: Principal) -> None:
    later = NOON + timedelta(seconds=1)
    first = drafts.keep(session, actor=awa, place=PLACE, text="From the first", now=NOON, seen=None)
    assert first == NOON
    with pytest.raises(WrittenElsewhere) as refused:
        drafts.keep(session, actor=awa, place=PLACE, text="From the second", now=later, seen=None)
    assert refused.value.there.text == "From the first"
    assert text(session, awa) == "From the first"
    # It chose its own; now the first is the one that is told.
    drafts.keep(session, actor=awa, place=PLACE, text="From the second", now=later, seen=Whatever.VERSION)
    with pytest.raises(WrittenElsewhere):
        drafts.keep(session, actor=awa, place=PLACE, text="From the first, more", now=later, seen=first)


def test_one_tab_goes_on_from_its_own_version_also_after_it_was_sent_elsewhere(session: Session, awa: Principal) -> None:
    first = drafts.keep(session, actor=awa, place=PLACE, text="Hel", now=NOON, seen=None)
    drafts.keep(session, actor=awa, place=PLACE, text="Hello", now=NOON + timedelta(seconds=1), seen=first)
    drafts.forget(session, actor=awa, place=PLACE)
    drafts.keep(session, actor=awa, place=PLACE, text="Hello again", now=NOON, seen=NOON + timedelta(seconds=1))
    assert text(session, awa) == "Hello again"
