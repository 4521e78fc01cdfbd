"""The ledger: what stands open on the clearing accounts, why and since when; and every transfer of a subject."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.again import again_every
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.figures import Cell, table
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Day, ListState
from pages.components.parts import action_button, notice, page_header, panel
from pages.components.table import ServerTable
from pages.ledger_words import ACCOUNTS, AGES, REASONS, owed, subject_words, target_address
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.payments.clearing.items import (
    Age,
    OpenAccount,
    OpenFilter,
    OpenItem,
    TransferFilter,
    Unexplained,
    open_accounts,
    open_items,
    transfers,
    unexplained,
)
from services.payments.clearing.models import CLEARING, LedgerAccount, LedgerTransfer, TransferReason

PATH, TRANSFERS = "/console/ledger", "/console/ledger/transfers"
_REFRESH_SECONDS = 60.0
_SHOWN_UNEXPLAINED = 10
_ITEMS = (
    Column("subject", "Of", "link", phone="title", second="Why"),
    Column("explained", "Reason", "chip", phone="corner"),
    Column("account", "Account"),
    Column("amount", "Amount", "money"),
    Column("since", "Open since", "time", sortable=True),
)
_TRANSFERS = (
    Column("reason", "What", phone="title"),
    Column("amount", "Amount", "money", phone="corner"),
    Column("debit", "To"),
    Column("credit", "From"),
    Column("subject", "Of", "link"),
    Column("actor", "By", phone="hide"),
    Column("note", "Note", phone="hide", hidden=True),
    Column("at", "When", "time", sortable=True),
)
_ITEM_FILTERS = (
    Choice("account", "Account", {account.value: ACCOUNTS[account] for account in CLEARING}),
    Choice("age", "Open", {age.value: AGES[age] for age in Age}),
)
_TRANSFER_FILTERS = (
    Choice("account", "Account", {account.value: name for account, name in ACCOUNTS.items()}),
    Choice("reason", "What", {reason.value: name for reason, name in REASONS.items()}),
    Day("from", "From"),
    Day("to", "To"),
)
_OLDEST_FIRST, _NEWEST_FIRST = ListState(sort="since", descending=False), ListState(sort="at")


def _both(session: Session, *, actor: Principal) -> tuple[tuple[OpenAccount, ...], Unexplained]:
    now = utc_now()
    return open_accounts(session, actor=actor, now=now), unexplained(session, now=now)


@console_page(PATH, title="Ledger", permission=Permission.MONEY_READ, icon="account_balance", group="Money", in_navigation=True)
async def ledger_page(actor: Principal) -> None:
    with page_header("Ledger", lead="Each account comes to nothing in the end. What stands open until then has a reason and an age."):
        action_button("All transfers", lambda: ui.navigate.to(TRANSFERS), icon="list").mark("transfers")
    loud = ui.element("div").classes("w-full").props("aria-live=polite")
    accounts = ui.element("div").classes("w-full")

    async def draw(by: Principal) -> None:
        shown, loose = await in_transaction(_both, actor=by)
        for place in (loud, accounts):
            place.clear()
        with loud:
            _draw_loud(loose)
        with accounts:
            _draw_accounts(shown)

    await draw(actor)
    items = ServerTable(
        path=PATH,
        marker="open-items",
        columns=_ITEMS,
        load=_load_items,
        default=_OLDEST_FIRST,
        filters=_ITEM_FILTERS,
        views=(("All", {}), *((AGES[age], {"age": age.value}) for age in (Age.DAYS_3_7, Age.OLDER))),
        file=ITEMS_FILE,
        empty=("Nothing stands open", "All that was paid was used, charged in PortaBilling and shown in Wave's list."),
    )
    await items.first()

    async def refresh() -> None:
        with silent_on_refusal():
            await draw(await current_staff())
            await items.refresh()

    refresh_on(("payments", "vouchers"), refresh)
    again_every(_REFRESH_SECONDS, refresh)


def _draw_loud(loose: Unexplained) -> None:
    if not loose.items:
        notice("good", "There is a reason for everything that stands open.")
        return
    number = f"{'more than ' if loose.is_cut else ''}{len(loose.items):,}"
    with panel("Unexplained", aside=f"{number} without a reason: a person must look") as section:
        section.mark("unexplained")
        rows = [_loud_row(item) for item in loose.items[:_SHOWN_UNEXPLAINED]]
        table("Unexplained items", ("Of", "What is wrong", "What to do"), rows, marker="loose", are_words=True)
        if len(loose.items) > len(rows):
            ui.label(f"The {len(rows)} oldest are shown.").classes("soft small")


def _loud_row(item: OpenItem) -> list[Cell]:
    why, since = item.explanation, words.relative(item.since, utc_now())
    return [
        Cell(subject_words(item.subject), transfers_address(item.subject)),
        Cell(f"{ACCOUNTS[item.account]}, {owed(item.account, item.balance_bututs)}, {since}: {why.words}"),
        Cell(why.todo, target_address(why.target)),
    ]


def _draw_accounts(shown: tuple[OpenAccount, ...]) -> None:
    head = ("Account", "Open", "Items", *(AGES[age] for age in Age), "Oldest")
    rows = [
        [
            Cell(ACCOUNTS[line.account]),
            Cell(owed(line.account, line.balance_bututs)),
            Cell(f"{line.items:,}", f"{PATH}?account={line.account.value}" if line.items else None),
            *(_age_cell(line, age) for age in Age),
            Cell(words.relative(line.oldest_at, utc_now()) if line.oldest_at else None),
        ]
        for line in shown
    ]
    with panel("Accounts", aside="what stands open, by age", flush=True):
        table("Clearing accounts by age", head, rows, marker="accounts")


def _age_cell(line: OpenAccount, age: Age) -> Cell:
    number, total = line.ages[age]
    if not number:
        return Cell(None)
    return Cell(f"{number:,} · {owed(line.account, total)}", f"{PATH}?account={line.account.value}&age={age.value}")


def transfers_address(subject: str) -> str:
    return f"{TRANSFERS}?q={subject}"


async def _load_items(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    account, age = state.filters.get("account"), state.filters.get("age")
    wanted = OpenFilter(LedgerAccount(account) if account else None, Age(age) if age else None)
    found = await in_transaction(open_items, actor=actor, wanted=wanted, part=state.part, now=utc_now())
    return Listing(tuple(_item_cells(item) for item in found.rows), found.total, found.is_estimate)


def _item_cells(item: OpenItem) -> dict[str, Any]:
    why = item.explanation
    if not why.is_explained:
        chip = chip_cell("Unexplained", "bad")
    else:
        chip = chip_cell("Needs a person", "wait") if why.needs_person else chip_cell("Explained", "good")
    return {
        "id": f"{item.account.value}:{item.subject}",
        "href": transfers_address(item.subject),
        "subject": subject_words(item.subject),
        "explained": chip,
        "account": ACCOUNTS[item.account],
        "second": f"{why.words} {why.todo}".strip(),
        "amount": owed(item.account, item.balance_bututs),
        "since": time_cell(item.since),
    }


@console_page(TRANSFERS, title="Transfers", permission=Permission.MONEY_READ, group="Money")
async def transfers_page() -> None:
    with page_header("Transfers", lead="Each row moves a sum from one account to another. None is ever changed.", back=(PATH, "Ledger")):
        pass
    rows = ServerTable(
        path=TRANSFERS,
        marker="transfers",
        columns=_TRANSFERS,
        load=_load_transfers,
        default=_NEWEST_FIRST,
        search="Such as payment:12, voucher:7 or wave:T1234",
        filters=_TRANSFER_FILTERS,
        file=TRANSFERS_FILE,
        empty=("No transfers yet", "The first purchase that is paid makes the first ones."),
    )
    await rows.first()
    refresh_on(("payments",), rows.refresh)


async def _load_transfers(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    account, reason = state.filters.get("account"), state.filters.get("reason")
    wanted = TransferFilter(
        subject=state.search.strip(),
        account=LedgerAccount(account) if account else None,
        reason=TransferReason(reason) if reason else None,
        since=state.day("from"),
        until=state.day("to", after=True),
    )
    found = await in_transaction(transfers, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(_transfer_cells(row) for row in found.rows), found.total, found.is_estimate)


def _transfer_cells(row: LedgerTransfer) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": transfers_address(row.subject),
        "reason": REASONS[row.reason],
        "amount": words.money(row.amount_bututs),
        "debit": ACCOUNTS[row.debit],
        "credit": ACCOUNTS[row.credit],
        "subject": subject_words(row.subject),
        "actor": row.actor,
        "note": row.note,
        "at": time_cell(row.at),
    }


ITEMS_FILE = list_file(PATH, "open-items", columns=_ITEMS, load=_load_items, default=_OLDEST_FIRST, filters=_ITEM_FILTERS)
TRANSFERS_FILE = list_file(
    TRANSFERS, "transfers", columns=_TRANSFERS, load=_load_transfers, default=_NEWEST_FIRST, filters=_TRANSFER_FILTERS
)
