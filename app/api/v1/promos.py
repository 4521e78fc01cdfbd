"""`/api/v1/promos`: codes that take something off a price. What was bought with one keeps its price."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, BodyMoment, Bututs, Currency, Id, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.packages import promos
from services.packages.promos import PromoRules, PromoView, read_rules

router = APIRouter(prefix="/promos", tags=["promos"])
Reader = Annotated[Principal, requires(Permission.PACKAGES_READ)]
Editor = Annotated[Principal, requires(Permission.PACKAGES_EDIT)]
_Packages = Annotated[list[Annotated[str, Field(max_length=32, pattern=NO_NUL)]], Field(max_length=500)]
_OFF = "Either this or the other, in bututs: whole dalasis off the price"
_PERCENT = "Either this or the other; what does not come out in whole dalasis is rounded for the customer"


_EXAMPLE: dict[str, Any] = {
    "code": "TABASKI-20",
    "percent_off": 20,
    "valid_from": "2027-05-10T00:00:00Z",
    "valid_until": "2027-05-20T00:00:00Z",
    "most_uses": 500,
}


class PromoDetail(BaseModel):
    """`uses` are purchases under way or paid; one that comes to nothing gives its use back."""

    id: int
    code: str = Field(examples=["TABASKI-20"])
    state: Literal["on_sale", "coming", "over", "retired"] = Field(description="`retired` was ended by staff")
    percent_off: int | None
    amount_off: int | None = Field(description="In bututs")
    currency: Currency = "GMD"
    valid_from: datetime
    valid_until: datetime
    most_uses: int | None
    most_per_customer: int | None
    packages: list[str] = Field(description="Empty: for every package")
    is_active: bool
    note: str | None
    uses: int
    uses_left: int | None = Field(description="Null without a limit")
    paid: int
    given: Bututs
    made_by: str
    created_at: datetime


class NewPromo(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    code: str = Field(min_length=3, max_length=24, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]+$")
    percent_off: int | None = Field(default=None, ge=1, le=99, description=_PERCENT)
    amount_off: int | None = Field(default=None, ge=100, le=100_000_000, multiple_of=100, description=_OFF)
    valid_from: BodyMoment
    valid_until: BodyMoment
    most_uses: int | None = Field(default=None, ge=1, le=10_000_000)
    most_per_customer: int | None = Field(default=1, ge=1, le=1_000_000)
    packages: _Packages = Field(default_factory=list)
    note: str | None = Field(default=None, max_length=200, pattern=NO_NUL)


class PromoChange(Wanted):
    """What is left out stays as it is. A code that takes off percents and then dalasis needs both: one of them null."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"most_uses": 1000}, {"is_active": False}]})

    percent_off: int | None = Field(default=None, ge=1, le=99)
    amount_off: int | None = Field(default=None, ge=100, le=100_000_000, multiple_of=100)
    valid_from: BodyMoment | None = None
    valid_until: BodyMoment | None = None
    most_uses: int | None = Field(default=None, ge=1, le=10_000_000)
    most_per_customer: int | None = Field(default=None, ge=1, le=1_000_000)
    packages: _Packages = Field(default_factory=list)
    is_active: bool = True
    note: str | None = Field(default=None, max_length=200, pattern=NO_NUL)


_NAMES = {"amount_off": "bututs_off", "packages": "package_ids"}


def _rules(values: dict[str, Any]) -> PromoRules:
    """Raises InvalidInput with the body's own name of the field."""
    named = {_NAMES.get(name, name): value for name, value in values.items() if name != "code"}
    if "package_ids" in named:
        named["package_ids"] = tuple(named["package_ids"])
    with _own_names():
        return read_rules(named)


@contextmanager
def _own_names() -> Iterator[None]:
    """A refusal names the field as the body does."""
    try:
        yield
    except InvalidInput as refusal:
        refusal.field = next((ours for ours, theirs in _NAMES.items() if theirs == refusal.field), refusal.field)
        raise


def _detail(promo: PromoView) -> PromoDetail:
    rules = promo.rules
    return PromoDetail(
        id=promo.id,
        code=promo.code,
        state=promo.state(utc_now()).value,
        percent_off=rules.percent_off,
        amount_off=rules.bututs_off,
        valid_from=rules.valid_from,
        valid_until=rules.valid_until,
        most_uses=rules.most_uses,
        most_per_customer=rules.most_per_customer,
        packages=list(rules.package_ids),
        is_active=rules.is_active,
        note=rules.note,
        uses=promo.uses,
        uses_left=promo.uses_left,
        paid=promo.paid,
        given=promo.given_bututs,
        made_by=promo.made_by,
        created_at=promo.created_at,
    )


@router.get("", summary="List promo codes")
def list_all(actor: Reader, paging: WantedPage) -> Page[PromoDetail]:
    """The newest first, those that have ended too."""
    with transaction() as session:
        found = promos.list_promos(session, actor=actor, part=paging.part("newest"))
    return paging.page(found, _detail, lambda promo: (promo.id,))


@router.get("/{promo_id}", summary="One promo code", responses=tagged(404))
def one(actor: Reader, promo_id: Id, response: Response) -> PromoDetail:
    """Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        promo = promos.one_promo(session, actor=actor, promo_id=promo_id)
    response.headers.update(tag_header(promo.revision))
    return _detail(promo)


@router.post("", summary="Make a promo code", status_code=201, response_model=PromoDetail, responses=tagged(409, status=201))
def make(actor: Editor, body: NewPromo, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It takes off either percents or dalasis."""
    rules = _rules(body.model_dump())

    def work(session: Session) -> tuple[PromoDetail, dict[str, str]]:
        with _own_names():
            promo = promos.make(session, actor=actor, code=body.code, rules=rules, now=utc_now())
        return _detail(promo), {**tag_header(promo.revision), "Location": f"/api/v1/promos/{promo.id}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.patch("/{promo_id}", summary="Change a promo code, or end it", responses=tagged(404, 412, 428))
def change(actor: Editor, promo_id: Id, expected: Expected, body: PromoChange, response: Response) -> PromoDetail:
    """It counts for purchases from now on. `is_active: false` ends it."""
    sent = body.model_dump(exclude_unset=True)
    with transaction() as session, _own_names():
        old = promos.one_promo(session, actor=actor, promo_id=promo_id)
        kept = {next((ours for ours, theirs in _NAMES.items() if theirs == name), name): value for name, value in old.rules}
        rules = _rules({**kept, **sent})
        promo = promos.change(session, actor=actor, promo_id=promo_id, expected_revision=expected, rules=rules, now=utc_now())
    response.headers.update(tag_header(promo.revision))
    return _detail(promo)
