"""`/api/v1/packages`: what is sold. What was bought keeps the terms it was bought with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Bututs, Currency, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.packages.service import Offer, add_package, change_package, offer_as_it_stands, offers, read_terms
from services.revision import require

router = APIRouter(prefix="/packages", tags=["packages"])
Reader = Annotated[Principal, requires(Permission.PACKAGES_READ)]
Editor = Annotated[Principal, requires(Permission.PACKAGES_EDIT)]
PackageId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,32}$", examples=["day-1"])]
_NAMES = {"amount_bututs": "amount"}
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


_OWN = {"is_on_sale", "position"}


def _detail(offer: Offer) -> PackageDetail:
    terms = offer.terms.model_dump()
    return PackageDetail(
        id=offer.public_id,
        version=offer.version,
        is_on_sale=offer.is_on_sale,
        position=offer.position,
        amount=terms.pop("amount_bututs"),
        **terms,
    )


def _terms(values: dict[str, Any]) -> dict[str, Any]:
    """The service's own names of what a body says of the terms."""
    terms = {name: value for name, value in values.items() if name not in {*_OWN, "id"}}
    if "amount" in terms:
        terms["amount_bututs"] = terms.pop("amount")
    return terms


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


@router.post("", summary="Put a package on the list", status_code=201, response_model=PackageDetail, responses=tagged(409, status=201))
def add(actor: Editor, body: NewPackage, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It is on sale at once."""
    terms = read_terms(_terms(body.model_dump(exclude={"position"})))

    def work(session: Session) -> tuple[PackageDetail, dict[str, str]]:
        offer = add_package(session, actor=actor, public_id=body.id, terms=terms, position=body.position, now=utc_now())
        return _detail(offer), {**tag_header(offer.revision), "Location": f"/api/v1/packages/{offer.public_id}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.patch("/{package_id}", summary="Change a package", responses=tagged(404, 412, 428))
def change(actor: Editor, package_id: PackageId, expected: Expected, body: PackageChange, response: Response) -> PackageDetail:
    """What was bought before keeps its terms. Changed terms are a new version."""
    sent = body.model_dump(exclude_unset=True)
    with transaction() as session:
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
            now=utc_now(),
        )
    response.headers.update(tag_header(offer.revision))
    return _detail(offer)
