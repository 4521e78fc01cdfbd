"""`/api/v1/money`: what was taken in a range of days, of what, where and how."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.security import requires
from app.api.v1.fields import Bututs, Currency, Day
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.payments.clearing.models import LedgerAccount
from services.payments.models import PaymentStatus, RefundState
from services.payments.money import Part, Taken, summary

router = APIRouter(prefix="/money", tags=["money"])
Reader = Annotated[Principal, requires(Permission.MONEY_READ)]


class TakenSum(BaseModel):
    """Purchases that were paid."""

    amount: Bututs
    payments: int
    discount: Bututs = Field(description="What promo codes took off the prices")
    gifts: int


class PartSum(BaseModel):
    key: str | None = Field(description="What lists are narrowed by; null for purchases at no site")
    name: str = Field(examples=["1 day"])
    taken: TakenSum


class DaySum(BaseModel):
    day: date
    amount: Bututs


class FailureSum(BaseModel):
    status: PaymentStatus
    reason: str
    payments: int
    amount: Bututs = Field(description="What they would have brought")


class RefundSum(BaseModel):
    state: RefundState
    refunds: int
    amount: Bututs


class MoneySummary(BaseModel):
    """Each sum counts on the day on which it was paid, in UTC, which is The Gambia's time."""

    start: datetime
    until: datetime = Field(description="Exclusive")
    currency: Currency = "GMD"
    taken: TakenSum
    before: TakenSum = Field(description="The same part of the week before, or of the range before where it is longer")
    packages: list[PartSum]
    sites: list[PartSum]
    channels: list[PartSum]
    promo_codes: list[PartSum]
    hours: list[Bututs] = Field(description="Of a single day: what was taken in each of its 24 hours; else empty")
    days: list[DaySum] = Field(description="Of more than one day; else empty")
    failures: list[FailureSum] = Field(description="Purchases begun in these days that brought nothing, or wait for a person, and why")
    refunds: list[RefundSum] = Field(description="Those asked for in these days")
    fees: Bututs = Field(description="Wave's, as its list showed them in these days")
    earned: Bututs = Field(description="Used for the first time, or lapsed, less what went back")
    accounts: dict[LedgerAccount, Bututs] = Field(description="What each account changed by; together nothing. Debit is positive")


def _taken(taken: Taken) -> TakenSum:
    return TakenSum(amount=taken.bututs, payments=taken.number, discount=taken.discount_bututs, gifts=taken.gifts)


def _parts(parts: tuple[Part, ...]) -> list[PartSum]:
    return [PartSum(key=part.key, name=part.name, taken=_taken(part.taken)) for part in parts]


@router.get("/summary", summary="What was taken in a range of days")
def money_summary(
    actor: Reader,
    first: Annotated[Day, Query(alias="from", description="The first day", examples=["2026-11-01"])],
    last: Annotated[Day, Query(alias="to", description="The last day", examples=["2026-11-30"])],
) -> MoneySummary:
    """Of at most 800 days."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    until = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) if last < date.max else start
    with transaction() as session:
        found = summary(session, actor=actor, start=start, until=until, now=utc_now())
    return MoneySummary(
        start=found.start,
        until=found.until,
        taken=_taken(found.taken),
        before=_taken(found.before),
        packages=_parts(found.packages),
        sites=_parts(found.sites),
        channels=_parts(found.channels),
        promo_codes=_parts(found.promos),
        hours=list(found.hours),
        days=[DaySum(day=day, amount=amount) for day, amount in found.days],
        failures=[FailureSum(status=one.status, reason=one.reason, payments=one.number, amount=one.bututs) for one in found.failures],
        refunds=[RefundSum(state=one.state, refunds=one.number, amount=one.bututs) for one in found.given_back],
        fees=found.fee_bututs,
        earned=found.earned_bututs,
        accounts=dict(found.accounts),
    )
