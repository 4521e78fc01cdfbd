"""PortaBilling's list of accounts, over both wires against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.integrations.portabilling import PortaBilling, PortaPage, RestPortaBilling, SoapPortaBilling
from services.integrations.portabilling.mapping import page_from
from tests.conftest import Sandbox

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROW = {"i_account": "7", "id": "inet-a", "balance": "1.00000"}


@pytest.fixture(params=[SoapPortaBilling, RestPortaBilling], ids=["soap", "rest"])
def billing(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Iterator[PortaBilling]:
    client = request.param(sandbox.url, user="inet", password="sandbox-portabilling", cache_dir=tmp_path)
    yield client
    client.close()


def _issue(billing: PortaBilling, count: int) -> None:
    for number in range(count):
        billing.issue_voucher(
            account_id=f"inet-{number}",
            opening_balance_bututs=100 + number,
            i_customer=1,
            i_product=1,
            currency="GMD",
            activation=NOON,
            expiration=NOON + timedelta(days=30),
            batch="inet-stock",
        )


def test_no_accounts_are_an_empty_page(billing: PortaBilling) -> None:
    assert billing.list_accounts(i_customer=1, offset=0) == PortaPage([], 0)


def test_accounts_come_in_pages_and_all_of_them(billing: PortaBilling) -> None:
    _issue(billing, 5)
    pages = [billing.list_accounts(i_customer=1, offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert [len(page.accounts) for page in pages] == [2, 2, 1, 0]
    assert {page.total for page in pages} == {5}
    found = [account for page in pages for account in page.accounts]
    assert [(account.id, account.opening_balance_bututs, account.batch) for account in found] == [
        (f"inet-{number}", 100 + number, "inet-stock") for number in range(5)
    ]


def test_one_account_alone_is_a_page_of_one(billing: PortaBilling) -> None:
    _issue(billing, 1)
    page = billing.list_accounts(i_customer=1, offset=0)
    assert ([account.id for account in page.accounts], page.total) == (["inet-0"], 1)


def test_another_customers_accounts_are_not_listed(billing: PortaBilling) -> None:
    _issue(billing, 1)
    assert billing.list_accounts(i_customer=2, offset=0).accounts == []


@pytest.mark.parametrize(
    ("answer", "ids", "total"),
    [
        ({"account_list": ROW, "total": "1"}, ["inet-a"], 1),
        ({"account_list": {"item": [ROW, ROW | {"id": "inet-b"}]}}, ["inet-a", "inet-b"], None),
        ({"account_list": {"item": ROW}, "total": 1}, ["inet-a"], 1),
        ([ROW], ["inet-a"], None),
        (ROW, ["inet-a"], None),
        ({"account_list": None, "total": 0}, [], 0),
        (None, [], None),
    ],
)
def test_a_list_is_a_list_however_it_is_wrapped(answer: object, ids: list[str], total: int | None) -> None:
    page = page_from(answer)
    assert ([account.id for account in page.accounts], page.total) == (ids, total)


@pytest.mark.parametrize("answer", [[{"id": "inet-a"}], ["nothing"], {"account_list": [ROW, None], "total": 2}, {"total": "many"}])
def test_a_row_that_is_no_account_spoils_the_page(answer: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        page_from(answer)
