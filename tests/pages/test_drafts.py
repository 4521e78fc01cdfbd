"""What is written into a form is there again after the page is gone, and only once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app import redis
from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from services.accounts.models import Role, Staff
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.console.models import Draft
from services.tickets import macros
from services.tickets.macros import MacroTerms
from services.tickets.work_models import Macro
from tests.pages.conftest import SignIn
from tests.pages.test_pages import toasted, until

pytestmark = pytest.mark.usefixtures("shop")


def field(user: User, marker: str) -> Any:
    (found,) = user.find(marker=marker).elements
    return found


def draft_state(user: User) -> str:
    """What is said of the draft, if anything is."""
    try:
        return " ".join(one.text for one in user.find(kind=ui.label, marker="draft-state").elements)
    except AssertionError:
        return ""


def _places(session: Session) -> list[str]:
    return [draft.place for draft in session.exec(select(Draft)).all()]


def _texts(session: Session) -> str:
    return " ".join(draft.text for draft in session.exec(select(Draft)).all())


def _root(session: Session) -> Principal:
    return principal_of(session.exec(select(Staff).where(Staff.role == Role.ROOT)).one())


def _newest(session: Session) -> int:
    return max(one.id or 0 for one in session.exec(select(Macro)).all())


async def nothing_is_kept() -> None:
    for _ in range(500):
        if not await in_transaction(_places):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the draft is still kept")


async def is_kept(words: str) -> None:
    for _ in range(500):
        if words in await in_transaction(_texts):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the words are not kept")


async def _form(user: User, opener: str = "new-macro") -> None:
    await user.open("/console/macros")
    await user.should_see(marker=opener, retries=100)
    user.find(marker=opener).click()
    await user.should_see(marker="field-macro-name", retries=100)


async def test_a_form_that_was_left_is_filled_in_again_until_it_is_sent(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await _form(user)
    field(user, "field-macro-name").value = "Restart it"
    field(user, "field-macro-text").value = "Please switch it off"
    await until(lambda: draft_state(user) == "Draft kept")
    await _form(user)
    await until(lambda: field(user, "field-macro-text").value == "Please switch it off")
    assert field(user, "field-macro-name").value == "Restart it"
    assert draft_state(user) == "Your draft is back."
    user.find(marker="keep-macro").click()
    await until(toasted(user, "Kept."))
    await nothing_is_kept()


async def test_a_draft_can_be_thrown_away(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await _form(user)
    field(user, "field-macro-name").value = "Restart it"
    await until(lambda: draft_state(user) == "Draft kept")
    await _form(user)
    await user.should_see(marker="draft-throw", retries=100)
    user.find(marker="draft-throw").click()
    await until(lambda: field(user, "field-macro-name").value == "")
    await nothing_is_kept()


async def test_a_draft_is_put_over_nothing_that_changed_meanwhile_unless_it_is_asked_for(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await _form(user)
    field(user, "field-macro-name").value = "Restart"
    field(user, "field-macro-text").value = "First words"
    user.find(marker="keep-macro").click()
    await until(toasted(user, "Kept."))

    number = await in_transaction(_newest)
    await _form(user, f"edit-macro-{number}")
    field(user, "field-macro-text").value = "My words"
    await until(lambda: draft_state(user) == "Draft kept")

    def by_another(session: Session) -> None:
        terms = MacroTerms("Restart", "Their words", False, {})
        macros.save(session, actor=_root(session), terms=terms, macro_id=number, shared=True, now=utc_now())

    await in_transaction(by_another)
    await _form(user, f"edit-macro-{number}")
    await user.should_see(marker="draft-put", retries=100)
    assert field(user, "field-macro-text").value == "Their words"
    user.find(marker="draft-put").click()
    await until(lambda: field(user, "field-macro-text").value == "My words")


@contextmanager
def redis_away() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(get_settings(), "redis_url", "redis://127.0.0.1:9/0")
        redis.forget()
        yield
    redis.forget()


async def test_while_the_session_store_is_away_what_is_written_is_kept_all_the_same(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await _form(user)
    field(user, "field-macro-text").value = "Please switch"
    await until(lambda: draft_state(user) == "Draft kept")
    with redis_away():
        field(user, "field-macro-text").value = "Please switch it off"
        await is_kept("Please switch it off")
        await until(lambda: draft_state(user) == "Draft kept")
        await user.open("/console/macros")
        await user.should_see("The session store is not answering", retries=100)
    # Whoever was logged in still is.
    await _form(user)
    await until(lambda: field(user, "field-macro-text").value == "Please switch it off")


async def test_whose_log_in_ended_while_they_wrote_finds_all_of_it_after_the_next(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await _form(user)
    field(user, "field-macro-text").value = "Please switch"
    await until(lambda: draft_state(user) == "Draft kept")
    # Redis lost everything, which costs the log-ins and nothing else.
    redis.client().flushall()
    field(user, "field-macro-text").value = "Please switch it off"
    await user.should_see(marker="log-in", retries=300)
    await is_kept("Please switch it off")
    await sign_in(Role.CUSTOMER_CARE)
    await _form(user)
    await until(lambda: field(user, "field-macro-text").value == "Please switch it off")
