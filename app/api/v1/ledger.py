"""`/api/v1/ledger`: the clearing accounts, what stands open on them and why, and every transfer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Bututs, Moment
from app.api.v1.paging import Page, Wanted
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.payments.clearing.items import Age, OpenAccount, OpenFilter, OpenItem, TransferFilter, open_accounts, open_items, transfers
from services.payments.clearing.models import LedgerAccount, LedgerTransfer, TransferReason

router = APIRouter(prefix="/ledger", tags=["money"])
Reader = Annotated[Principal, requires(Permission.MONEY_READ)]
_ABOUT = "What its items are told apart by: `payment:12`, `voucher:7` for a credit, `wave:T1234` for foreign money"
SubjectFilter = Annotated[str, Query(max_length=80, pattern=NO_NUL, description=_ABOUT, examples=["payment:12"])]
Subject = Annotated[str, Field(description=_ABOUT, examples=["payment:12"])]


class AgeSum(BaseModel):
    items: int
    balance: Bututs


class AccountItem(BaseModel):
    """A clearing account. Debit balances are positive; in the end each comes to zero."""

    account: LedgerAccount
    balance: Bututs
    items: int
    oldest_at: datetime | None
    ages: dict[Age, AgeSum] = Field(description="By how long the items stand open: under 1 day, under 3, under 8, older")


class Accounts(BaseModel):
    accounts: list[AccountItem]


class OpenItemView(BaseModel):
    account: LedgerAccount
    subject: Subject
    balance: Bututs
    since: datetime
    age: Age
    is_explained: bool
    explanation: str = Field(description="Why it stands open", examples=["Wave's list of 22 Nov 2026 has not been read yet."])
    todo: str = Field(description="What a person can do about it; empty where time alone settles it")


class TransferItem(BaseModel):
    """`amount` goes to `debit` and comes from `credit`. A transfer is never changed."""

    id: int
    at: datetime
    reason: TransferReason
    debit: LedgerAccount
    credit: LedgerAccount
    amount: Bututs
    subject: Subject
    actor: str
    note: str | None


def _account(line: OpenAccount) -> AccountItem:
    return AccountItem(
        account=line.account,
        balance=line.balance_bututs,
        items=line.items,
        oldest_at=line.oldest_at,
        ages={age: AgeSum(items=number, balance=total) for age, (number, total) in line.ages.items()},
    )


def _item(item: OpenItem) -> OpenItemView:
    return OpenItemView(
        account=item.account,
        subject=item.subject,
        balance=item.balance_bututs,
        since=item.since,
        age=item.age,
        is_explained=item.explanation.is_explained,
        explanation=item.explanation.words,
        todo=item.explanation.todo,
    )


def _transfer(row: LedgerTransfer) -> TransferItem:
    return TransferItem.model_validate(row.model_dump() | {"amount": row.amount_bututs})


@router.get("/accounts", summary="The clearing accounts")
def accounts(actor: Reader) -> Accounts:
    """What stands open on each, by age."""
    with transaction() as session:
        return Accounts(accounts=[_account(line) for line in open_accounts(session, actor=actor, now=utc_now())])


@router.get("/open", summary="List what stands open")
def list_open(
    actor: Reader, paging: Wanted, account: LedgerAccount | None = None, age: Age | None = None, subject: SubjectFilter = ""
) -> Page[OpenItemView]:
    """Oldest first, each with the reason why it is open."""
    with transaction() as session:
        part = paging.part(descending=False)
        found = open_items(session, actor=actor, wanted=OpenFilter(account, age, subject), part=part, now=utc_now())
    return paging.page(found.rows, _item, lambda item: (item.since, item.account.value, item.subject))


@router.get("/transfers", summary="List transfers")
def list_transfers(
    actor: Reader,
    paging: Wanted,
    subject: SubjectFilter = "",
    account: Annotated[LedgerAccount | None, Query(description="On either side")] = None,
    reason: TransferReason | None = None,
    since: Moment | None = None,
    until: Annotated[Moment | None, Query(description="Exclusive")] = None,
) -> Page[TransferItem]:
    """Newest first."""
    wanted = TransferFilter(subject, account, reason, since, until)
    with transaction() as session:
        found = transfers(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _transfer, lambda row: (row.at, row.id or 0))
