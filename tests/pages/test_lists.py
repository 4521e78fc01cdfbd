"""Lists as people use them: views, columns, what narrows them, the file, and what happens when a list cannot be loaded."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app.db import in_transaction
from pages import shell
from pages.components.columns import Column, time_cell
from pages.components.list_state import Choice, ListState
from pages.components.table import ServerTable
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.audit.models import AuditEntry
from services.console.lists import LISTS
from services.console.models import ListColumns, SavedView
from services.listing import Listing
from tests.conftest import NOON
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, toasted, until

pytestmark = pytest.mark.usefixtures("shop")


def columns(user: User, marker: str) -> list[str]:
    return [column["name"] for column in table(user, marker).columns]


def texts(user: User, marker: str) -> list[str]:
    (found,) = user.find(marker=marker).elements
    return [one.text for one in found.descendants() if isinstance(one, ui.label)]


def value_of(user: User, marker: str) -> Any:
    (found,) = user.find(kind=ui.select, marker=marker).elements
    return found.value


def rows_in(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


async def test_a_view_is_shown_in_place_with_its_filters_and_chips(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/vouchers")
    whole = len(table(user, "vouchers").rows)
    assert label(user, "vouchers-count") == f"{whole} in the list"
    user.find(marker="view-Blocked").click()
    await until(lambda: value_of(user, "filter-state") == "blocked")
    await until(lambda: texts(user, "filter-chips") == ["State: Blocked"])
    await until(lambda: "match" in label(user, "vouchers-count"))
    user.find(marker="chip-state").click()
    await until(lambda: len(table(user, "vouchers").rows) == whole)
    assert value_of(user, "filter-state") is None
    assert texts(user, "filter-chips") == []


async def test_all_that_narrows_is_taken_off_at_once_and_the_lists_own_stays(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/sessions?show=all&q=83&gateway=none")
    assert texts(user, "filter-chips") == ["“83”", "Show: All"]
    user.find(marker="clear-filters").click()
    await until(lambda: texts(user, "filter-chips") == [])
    assert value_of(user, "filter-show") == "live"
    (search,) = user.find(kind=ui.input, marker="search").elements
    assert not search.value


async def test_columns_are_chosen_kept_for_the_person_and_given_back(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/payments")
    own = columns(user, "payments")
    assert "wave" not in own
    (box,) = user.find(kind=ui.checkbox, marker="payments-column-wave").elements
    box.value = True
    await until(lambda: columns(user, "payments") == [*own, "wave"])
    (kept,) = await in_transaction(lambda session: session.exec(select(ListColumns)).all())
    assert (kept.page, kept.columns[-1]) == ("payments", "wave")

    await user.open("/console/payments?needs=yes")
    assert columns(user, "payments") == [*own, "wave"]
    await user.open("/console/payments?columns=amount,nonsense")
    assert columns(user, "payments") == ["reference", "amount"]
    await user.open("/console/payments")
    user.find(marker="payments-columns-reset").click()
    await until(lambda: columns(user, "payments") == own)
    assert await in_transaction(lambda session: session.exec(select(ListColumns)).all()) == []


async def test_a_saved_view_brings_its_columns_and_belongs_to_its_list(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/payments?status=served&columns=reference,amount,wave&sort=created&page=1")
    user.find(marker="save-view").click()
    (name,) = user.find(kind=ui.input, marker="field-view-name").elements
    name.value = "Served, for Wave"
    (shared,) = user.find(kind=ui.switch, marker="field-shared").elements
    assert shared.visible
    user.find(marker="submit").click()
    await until(toasted(user, "Saved."))
    (view,) = await in_transaction(lambda session: session.exec(select(SavedView)).all())
    assert view.page == "payments"
    assert view.state == {"status": "served", "columns": "reference,amount,wave", "sort": "created"}
    await user.open("/console/payments")
    user.find(marker="view-Served, for Wave").click()
    await until(lambda: columns(user, "payments") == ["reference", "amount", "wave"])
    await user.open("/console/vouchers")
    await user.should_not_see("Served, for Wave", retries=1)


async def test_the_file_holds_every_row_in_the_chosen_columns_and_is_audited(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/payments?columns=reference,phone,amount,created&q=")
    user.find(marker="payments-csv").click()
    answer = await user.download.next(timeout=20)
    rows = rows_in(answer.text)
    assert list(rows[0]) == ["Receipt code", "Customer", "Amount, D", "Created"]
    assert len(rows) == len(table(user, "payments").rows) or len(rows) > 25
    assert all("•" in row["Customer"] and row["Created"].endswith("Z") and "." in row["Amount, D"] for row in rows)

    def audited(session: Session) -> AuditEntry:
        return session.exec(select(AuditEntry).where(AuditEntry.action == "list.file")).one()

    assert (await in_transaction(audited)).target_id == "payments"


async def test_a_file_is_for_those_who_may_read_the_list(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    assert (await user.http_client.get("/console/payments.csv")).status_code == 403
    assert (await user.http_client.get("/console/audit.csv")).status_code == 403


async def test_every_list_is_a_file_that_opens(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    files = sorted(path for path in shell._ROUTES if path.endswith(".csv"))
    assert len(files) > 15
    for path in files:
        answer = await user.http_client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8"), path
        assert answer.text.startswith("\ufeff"), path


async def test_every_list_of_the_console_has_views_columns_and_rules(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    met: set[str] = set()
    for path in sorted(page.path for page in shell.PAGES.values() if page.in_navigation):
        await user.open(path)
        met |= tables(user)
    assert set(LISTS) - met <= {"transfers"}
    # The runs are a part of the reconciliation's page; the style guide shows what a list looks like.
    assert met - set(LISTS) <= {"runs", "guide-list"}


def tables(user: User) -> set[str]:
    """Lists of the open page, by their markers."""
    assert user.client is not None
    found = {marker for one in user.client.elements.values() if isinstance(one, ui.table) for marker in one._markers}
    return {marker.removesuffix("-table") for marker in found if marker.endswith("-table")}


class Shaky:
    """A list whose answers are handed in; an error is raised."""

    def __init__(self, *answers: list[dict[str, Any]] | Exception) -> None:
        self.answers = list(answers)

    async def load(self, _: Principal, state: ListState) -> Listing[dict[str, Any]]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Listing(tuple(answer), len(answer))


def a_row(text: str, minutes: str = "1 min ago") -> dict[str, Any]:
    cell = time_cell(NOON)
    assert isinstance(cell, dict)
    return {"id": 1, "what": text, "at": cell | {"text": minutes}}


async def shaky(user: User, *answers: list[dict[str, Any]] | Exception) -> ServerTable:
    found = Shaky(*answers)
    with user:
        made = ServerTable(
            path="/console/account",
            marker="shaky",
            columns=(Column("what", "What"), Column("at", "When", "time")),
            load=found.load,
            default=ListState(),
            filters=(Choice("kind", "Kind", {"a": "A"}),),
            in_address=False,
        )
        await made.first()
    return made


async def test_what_cannot_be_loaded_leaves_what_was_shown_and_is_tried_again(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/account")
    made = await shaky(user, [a_row("one")], RuntimeError("away"), [a_row("two")])
    with user:
        await made.refresh()
    await user.should_see("The list could not be loaded. What is shown may be old.")
    assert [row["what"] for row in made.rows] == ["one"]
    user.find(marker="try-again").click()
    await until(lambda: [row["what"] for row in made.rows] == ["two"])
    await user.should_not_see(marker="try-again", retries=1)


async def test_a_list_that_cannot_be_loaded_at_first_says_so_in_its_place(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/account")
    made = await shaky(user, RuntimeError("away"), [a_row("one")])
    await user.should_see(marker="list-failed")
    await user.should_not_see("Nothing here", retries=1)
    user.find(marker="try-again").click()
    await until(lambda: [row["what"] for row in made.rows] == ["one"])


async def test_news_that_change_nothing_but_the_clock_are_not_sent(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/account")
    made = await shaky(user, [a_row("one")], [a_row("one", "2 min ago")], [a_row("two")])
    before = made.rows[0]
    with user:
        await made.refresh()
        assert made.rows[0] is before
        await made.refresh()
    assert made.rows[0]["what"] == "two"
