"""`/api/v1/packages`: what is sold. What was bought keeps the terms it was bought with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, BodyMoment, Bututs, Currency, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.packages.history import VersionView, versions
from services.packages.selling import Sale, read_sale
from services.packages.service import Offer, add_package, change_package, offer_as_it_stands, offers, read_terms
from services.revision import require

router = APIRouter(prefix="/packages", tags=["packages"])
Reader = Annotated[Principal, requires(Permission.PACKAGES_READ)]
Editor = Annotated[Principal, requires(Permission.PACKAGES_EDIT)]
PackageId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,32}$", examples=["day-1"])]
_Sites = Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(max_length=500)]
_LAST = 1_000_000


class PackageDetail(BaseModel):
    """A package with the terms of this moment. Rates of 0 mean the router's own limit."""

    id: str = Field(examples=["day-1"])
    version: int = Field(description="Raised whenever the terms change")
    is_on_sale: bool
    position: int = Field(description="Its place on the price list")
    name: str = Field(examples=["1 day"])
    amount: Bututs
    currency: Currency = "GMD"
    duration_seconds: int = Field(examples=[86400])
    quota_bytes: int | None
    down_kbps: int
    up_kbps: int
    device_limit: int
    validity_days: int = Field(description="How long after buying the time may be started")
    on_sale_from: datetime | None = Field(description="Null: at once")
    on_sale_until: datetime | None = Field(description="Null: no end; this moment itself is over")
    sites: list[int] = Field(description="The numbers of the sites where it is sold; empty: everywhere")
    stock_mark: int = Field(description="How many vouchers are kept ready for when PortaBilling does not answer")


class PackageVersion(BaseModel):
    """`changed` has, of the terms that differ from the version before, what they were."""

    version: int
    name: str
    amount: Bututs
    currency: Currency = "GMD"
    duration_seconds: int
    quota_bytes: int | None
    down_kbps: int
    up_kbps: int
    device_limit: int
    validity_days: int
    created_at: datetime
    bought: int = Field(description="How many were paid for")
    changed: dict[str, Any] = Field(examples=[{"amount": 2500}])


class NewPackage(Wanted):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "day-1", "name": "1 day", "amount": 5000, "duration_seconds": 86400, "device_limit": 2}]}
    )

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$")
    name: str = Field(min_length=1, max_length=80, pattern=NO_NUL)
    amount: int = Field(ge=100, le=100_000_000, multiple_of=100, description="Whole dalasis, in bututs")
    duration_seconds: int = Field(ge=60, le=366 * 86400)
    quota_bytes: int | None = Field(default=None, ge=1_048_576, le=1 << 50)
    down_kbps: int = Field(default=0, ge=0, le=10_000_000)
    up_kbps: int = Field(default=0, ge=0, le=10_000_000)
    device_limit: int = Field(default=1, ge=1, le=20)
    validity_days: int = Field(default=30, ge=1, le=3660)
    position: int = Field(default=_LAST, ge=0, le=_LAST)
    on_sale_from: BodyMoment | None = None
    on_sale_until: BodyMoment | None = None
    sites: _Sites = Field(default_factory=list)
    stock_mark: int = Field(default=20, ge=0, le=10_000)


class PackageChange(Wanted):
    """What is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 6000}, {"is_on_sale": False}]})

    name: str = Field(default="", min_length=1, max_length=80, pattern=NO_NUL)
    amount: int = Field(default=0, ge=100, le=100_000_000, multiple_of=100)
    duration_seconds: int = Field(default=0, ge=60, le=366 * 86400)
    quota_bytes: int | None = Field(default=None, ge=1_048_576, le=1 << 50)
    down_kbps: int = Field(default=0, ge=0, le=10_000_000)
    up_kbps: int = Field(default=0, ge=0, le=10_000_000)
    device_limit: int = Field(default=0, ge=1, le=20)
    validity_days: int = Field(default=0, ge=1, le=3660)
    is_on_sale: bool = False
    position: int = Field(default=0, ge=0, le=_LAST)
    on_sale_from: BodyMoment | None = None
    on_sale_until: BodyMoment | None = None
    sites: _Sites = Field(default_factory=list)
    stock_mark: int = Field(default=20, ge=0, le=10_000)


_SALE = {"on_sale_from", "on_sale_until", "sites", "stock_mark"}
_OWN = {"is_on_sale", "position", *_SALE}


def _detail(offer: Offer) -> PackageDetail:
    terms = offer.terms.model_dump()
    return PackageDetail(
        id=offer.public_id,
        version=offer.version,
        is_on_sale=offer.is_on_sale,
        position=offer.position,
        amount=terms.pop("amount_bututs"),
        on_sale_from=offer.sale.on_sale_from,
        on_sale_until=offer.sale.on_sale_until,
        sites=list(offer.sale.site_ids),
        stock_mark=offer.sale.stock_mark,
        **terms,
    )


def _terms(values: dict[str, Any]) -> dict[str, Any]:
    """The service's own names of what a body says of the terms."""
    terms = {name: value for name, value in values.items() if name not in {*_OWN, "id"}}
    if "amount" in terms:
        terms["amount_bututs"] = terms.pop("amount")
    return terms


def _sale(values: dict[str, Any], old: Sale | None = None) -> Sale:
    """What a body says of the sale, over what stands. Raises InvalidInput with the body's own name of the field."""
    said = {name: value for name, value in values.items() if name in _SALE}
    if "sites" in said:
        said["site_ids"] = tuple(sorted(set(said.pop("sites"))))
    with _own_names():
        return read_sale({**(old.model_dump() if old else {}), **said})


@contextmanager
def _own_names() -> Iterator[None]:
    """A refusal names the field as the body does."""
    try:
        yield
    except InvalidInput as refusal:
        refusal.field = {"site_ids": "sites", "amount_bututs": "amount"}.get(refusal.field or "", refusal.field)
        raise


@router.get("", summary="List packages")
def list_all(actor: Reader, paging: WantedPage) -> Page[PackageDetail]:
    """The whole price list in its order, also what is not on sale now."""
    with transaction() as session:
        found = offers(session, on_sale_only=False)
    if paging.key is not None:
        # Packages are never deleted, so the one that was last is still there.
        places = [offer.public_id for offer in found]
        found = found[places.index(str(paging.key[0])) + 1 :]
    return paging.page(found, _detail, lambda offer: (offer.public_id,))


@router.get("/{package_id}", summary="One package", responses=tagged(404))
def one(actor: Reader, package_id: PackageId, response: Response) -> PackageDetail:
    """Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        offer = offer_as_it_stands(session, actor=actor, public_id=package_id)
    response.headers.update(tag_header(offer.revision))
    return _detail(offer)


@router.get("/{package_id}/versions", summary="What became of a package", responses=refusals(404))
def all_versions(actor: Reader, package_id: PackageId) -> list[PackageVersion]:
    """Its versions, the newest first: what changed, and how many were bought of each."""
    with transaction() as session:
        found = versions(session, actor=actor, public_id=package_id)
    return [_version(one) for one in found]


def _version(one: VersionView) -> PackageVersion:
    terms, changed = one.terms.model_dump(), dict(one.changed)
    if "amount_bututs" in changed:
        changed["amount"] = changed.pop("amount_bututs")
    amount = terms.pop("amount_bututs")
    return PackageVersion(version=one.version, amount=amount, created_at=one.created_at, bought=one.bought, changed=changed, **terms)


@router.post("", summary="Put a package on the list", status_code=201, response_model=PackageDetail, responses=tagged(409, status=201))
def add(actor: Editor, body: NewPackage, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It is on sale at once, or as its window and sites say."""
    sent = body.model_dump()
    terms, sale = read_terms(_terms(sent)), _sale(sent)

    def work(session: Session) -> tuple[PackageDetail, dict[str, str]]:
        with _own_names():
            offer = add_package(session, actor=actor, public_id=body.id, terms=terms, sale=sale, position=body.position, now=utc_now())
        return _detail(offer), {**tag_header(offer.revision), "Location": f"/api/v1/packages/{offer.public_id}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.patch("/{package_id}", summary="Change a package", responses=tagged(404, 412, 428))
def change(actor: Editor, package_id: PackageId, expected: Expected, body: PackageChange, response: Response) -> PackageDetail:
    """What was bought before keeps its terms. Changed terms are a new version."""
    sent = body.model_dump(exclude_unset=True)
    with transaction() as session, _own_names():
        old = offer_as_it_stands(session, actor=actor, public_id=package_id, lock=True)
        require(expected, old.revision)
        offer = change_package(
            session,
            actor=actor,
            public_id=package_id,
            expected_version=old.version,
            terms=read_terms({**old.terms.model_dump(), **_terms(sent)}),
            is_on_sale=sent.get("is_on_sale", old.is_on_sale),
            position=sent.get("position", old.position),
            sale=_sale(sent, old.sale),
            now=utc_now(),
        )
    response.headers.update(tag_header(offer.revision))
    return _detail(offer)
