"""Promo codes: making them, and what one takes off a purchase. A purchase keeps its discount, whatever becomes of the code later.

A use is a purchase under way or paid; one that expires or fails gives it back. Uses are counted while the code's row is locked, so that
however many buy at once, no more of them are opened than the code allows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from app.events import publish
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import After, Listing, Slice, count, fetch, pick
from services.packages.discounts import reduced
from services.packages.models import Package
from services.packages.promo_errors import (
    NoSuchPromo,
    PromoExists,
    PromoNotYet,
    PromoOtherPackage,
    PromoOver,
    PromoTakesNothingOff,
    PromoUnknown,
    PromoUsedUp,
    PromoYoursAlready,
)
from services.packages.promo_models import PromoCode, PromoPackage
from services.packages.selling import SaleState, moment_in_words
from services.packages.service import Offer
from services.payments.models import MONEY_TAKEN, Payment, PaymentStatus
from services.revision import require, revision_of

_SHAPE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,23}")
_GIVEN_BACK = (PaymentStatus.EXPIRED, PaymentStatus.FAILED)
_FIELD = "promo_code"
_SORTS: dict[str, Sequence[Any]] = {"newest": (col(PromoCode.id),), "code": (col(PromoCode.code),)}


@dataclass(frozen=True)
class Discount:
    """What is asked for and what was taken off; together they are the package's price."""

    promo_id: int
    amount_bututs: int
    discount_bututs: int


class PromoRules(BaseModel):
    """What a code takes off (one of the two), when, how often, and for which packages (none named: for all)."""

    model_config = ConfigDict(strict=True, frozen=True)

    percent_off: int | None = Field(default=None, ge=1, le=99)
    bututs_off: int | None = Field(default=None, ge=100, le=100_000_000, multiple_of=100)
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    most_uses: int | None = Field(default=None, ge=1, le=10_000_000)
    most_per_customer: int | None = Field(default=1, ge=1, le=1_000_000)
    package_ids: tuple[str, ...] = Field(default=(), max_length=500)
    is_active: bool = True
    note: str | None = Field(default=None, max_length=200)

    @field_validator("note")
    @classmethod
    def _said_or_none(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @model_validator(mode="after")
    def _make_sense_together(self) -> Self:
        if (self.percent_off is None) == (self.bututs_off is None):
            raise ValueError("percent_off")
        if self.valid_from >= self.valid_until:
            raise ValueError("valid_until")
        return self


_BOUNDS = {
    "percent_off": "Enter a whole number of percent, from 1 to 99.",
    "bututs_off": "Enter a whole number of dalasis, at least D 1.",
    "valid_from": "Say from when it can be used.",
    "valid_until": "Say until when it can be used.",
    "most_uses": "Enter a whole number, at least 1; leave it empty for no limit.",
    "most_per_customer": "Enter a whole number, at least 1; leave it empty for no limit.",
    "package_ids": "Choose packages of the list.",
    "is_active": "Say yes or no.",
    "note": "The note has at most 200 letters.",
}
_TOGETHER = {
    "percent_off": "Say either how many percent or how many dalasi it takes off.",
    "valid_until": "It must end after it begins.",
}


@dataclass(frozen=True)
class PromoView:
    """`uses` are purchases under way or paid, `paid` those of them that were paid; `given_bututs` is what these were given."""

    id: int
    code: str
    rules: PromoRules
    uses: int
    paid: int
    given_bututs: int
    made_by: str
    created_at: datetime

    @property
    def revision(self) -> str:
        return revision_of(self.rules.model_dump_json())

    def state(self, now: datetime) -> SaleState:
        """`retired` is one that was ended."""
        if not self.rules.is_active:
            return SaleState.RETIRED
        if now < self.rules.valid_from:
            return SaleState.COMING
        return SaleState.OVER if now >= self.rules.valid_until else SaleState.ON_SALE

    @property
    def uses_left(self) -> int | None:
        return None if self.rules.most_uses is None else max(0, self.rules.most_uses - self.uses)


def read_code(text: str) -> str:
    """A code as it is kept: spaces and small letters do not matter. Raises PromoUnknown for what no code looks like."""
    code = "".join(text.upper().split())
    if not _SHAPE.fullmatch(code):
        raise PromoUnknown(field=_FIELD)
    return code


def read_rules(values: dict[str, object]) -> PromoRules:
    """Check what a form sent. Raises InvalidInput that names the first field that is wrong."""
    try:
        return PromoRules.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else str(first["ctx"]["error"])
        raise InvalidInput(_BOUNDS[name] if first["loc"] else _TOGETHER[name], field=name) from None


def require_known(session: Session, code: str) -> None:
    """For who counts guesses: raises PromoUnknown unless there is such a code, whatever else may speak against it."""
    _find(session, code, lock=False)


def hold(session: Session, code: str) -> None:
    """Lock the code before anything else of a purchase is locked: two purchases that wait for each other would never end.

    Raises PromoUnknown.
    """
    _find(session, code, lock=True)


def quote(session: Session, code: str, offer: Offer, *, customer_id: int | None = None, now: datetime) -> Discount:
    """What the code would take off now; nothing is held. Raises PromoUnknown or one of PromoRefused's."""
    return _reckon(session, _find(session, code, lock=False), offer, customer_id, now)


def discount(session: Session, code: str, offer: Offer, customer_id: int | None, now: datetime) -> Discount:
    """What the code takes off this purchase, by whoever pays for it (None: nobody known). The code stays locked until the transaction ends.

    Raises PromoUnknown, PromoNotYet, PromoOver, PromoUsedUp, PromoYoursAlready, PromoOtherPackage or PromoTakesNothingOff.
    """
    return _reckon(session, _find(session, code, lock=True), offer, customer_id, now)


def _find(session: Session, code: str, *, lock: bool) -> PromoCode:
    query = select(PromoCode).where(PromoCode.code == read_code(code))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    promo = session.exec(query).one_or_none()
    if promo is None:
        raise PromoUnknown(field=_FIELD)
    return promo


def _reckon(session: Session, promo: PromoCode, offer: Offer, customer_id: int | None, now: datetime) -> Discount:
    assert promo.id is not None
    if not promo.is_active or now >= promo.valid_until:
        raise PromoOver(field=_FIELD)
    if now < promo.valid_from:
        raise PromoNotYet(f"This promo code can be used from {moment_in_words(promo.valid_from)}.", field=_FIELD)
    packages = session.exec(select(PromoPackage.package_id).where(PromoPackage.promo_id == promo.id)).all()
    if packages and offer.id not in packages:
        raise PromoOtherPackage(field=_FIELD)
    price = offer.terms.amount_bututs
    left = reduced(price, percent_off=promo.percent_off, bututs_off=promo.bututs_off)
    if left == price:
        raise PromoTakesNothingOff(field=_FIELD)
    if promo.most_uses is not None and _uses(session, promo.id) >= promo.most_uses:
        raise PromoUsedUp(field=_FIELD)
    is_counted = promo.most_per_customer is not None and customer_id is not None
    if is_counted and _uses(session, promo.id, customer_id) >= (promo.most_per_customer or 0):
        raise PromoYoursAlready(field=_FIELD)
    return Discount(promo.id, left, price - left)


def _uses(session: Session, promo_id: int, customer_id: int | None = None) -> int:
    """Of a gift it is the giver's use, where the giver is known."""
    query = sa.select(sa.func.count()).where(col(Payment.promo_code_id) == promo_id, col(Payment.status).not_in(_GIVEN_BACK))
    if customer_id is not None:
        own = (col(Payment.customer_id) == customer_id) & col(Payment.bought_by_id).is_(None)
        query = query.where(sa.or_(own, col(Payment.bought_by_id) == customer_id))
    return int(session.execute(query).scalar_one())


def make(session: Session, *, actor: Principal, code: str, rules: PromoRules, now: datetime) -> PromoView:
    """A new code. Raises Forbidden, InvalidInput for letters that no code has or a package that is none, or PromoExists."""
    actor.require(Permission.PACKAGES_EDIT)
    text = "".join(code.upper().split())
    if not _SHAPE.fullmatch(text):
        raise InvalidInput("Use 3 to 24 of A-Z, 0-9 and dashes, such as TABASKI-20.", field="code")
    if rules.valid_until <= now:
        raise InvalidInput("It would be over already.", field="valid_until")
    promo = PromoCode(code=text, made_by=actor.label, created_at=now, **rules.model_dump(exclude={"package_ids"}))
    try:
        with session.begin_nested():
            session.add(promo)
    except IntegrityError:
        raise PromoExists(field="code") from None
    _limit_to(session, promo, rules.package_ids)
    audit.record(session, actor, "promo.make", target=("promo_code", promo.code), now=now, after=rules.model_dump(mode="json"))
    publish(session, "packages", None)
    return _view_of(session, promo)


def change(
    session: Session, *, actor: Principal, promo_id: int, expected_revision: str | None, rules: PromoRules, now: datetime
) -> PromoView:
    """Change what a code does from now on; purchases keep what they were given. Raises Forbidden, NoSuchPromo, Stale or InvalidInput."""
    actor.require(Permission.PACKAGES_EDIT)
    promo = _locked(session, promo_id)
    old = _view_of(session, promo)
    require(expected_revision, old.revision)
    for name, value in rules.model_dump(exclude={"package_ids"}).items():
        setattr(promo, name, value)
    if set(rules.package_ids) != set(old.rules.package_ids):
        _limit_to(session, promo, rules.package_ids)
    session.flush()
    before, after = old.rules.model_dump(mode="json"), rules.model_dump(mode="json")
    audit.record(session, actor, "promo.change", target=("promo_code", promo.code), now=now, before=before, after=after)
    publish(session, "packages", None)
    return _view_of(session, promo)


def end(session: Session, *, actor: Principal, promo_id: int, now: datetime) -> PromoView:
    """Nobody can use it any more; ended twice is ended. Raises Forbidden or NoSuchPromo."""
    actor.require(Permission.PACKAGES_EDIT)
    promo = _locked(session, promo_id)
    if promo.is_active:
        promo.is_active = False
        session.flush()
        before, after = {"is_active": True}, {"is_active": False}
        audit.record(session, actor, "promo.end", target=("promo_code", promo.code), now=now, before=before, after=after)
        publish(session, "packages", None)
    return _view_of(session, promo)


def _locked(session: Session, promo_id: int) -> PromoCode:
    query = select(PromoCode).where(PromoCode.id == promo_id).with_for_update().execution_options(populate_existing=True)
    promo = session.exec(query).one_or_none()
    if promo is None:
        raise NoSuchPromo
    return promo


def _limit_to(session: Session, promo: PromoCode, public_ids: tuple[str, ...]) -> None:
    query = select(Package).where(col(Package.public_id).in_(public_ids))
    found = {package.public_id: package.id for package in session.exec(query).all() if package.id is not None}
    assert promo.id is not None
    if missing := sorted(set(public_ids) - set(found)):
        raise InvalidInput(f"There is no package “{missing[0]}”.", field="package_ids")
    session.execute(sa.delete(PromoPackage).where(col(PromoPackage.promo_id) == promo.id))
    for package_id in found.values():
        session.add(PromoPackage(promo_id=promo.id, package_id=package_id))
    session.flush()


def find_promos(session: Session, *, actor: Principal, search: str, part: Slice) -> Listing[PromoView]:
    """One page of them; `search` is looked for in letters and notes. Raises Forbidden."""
    actor.require(Permission.PACKAGES_READ)
    text = search.strip()
    wanted = [sa.or_(*(col(field).icontains(text, autoescape=True) for field in (PromoCode.code, PromoCode.note)))] if text else []
    rows = fetch(session, pick(PromoCode).where(*wanted), part, sorts=_SORTS, default_sort="newest")
    total, is_estimate = count(session, pick(PromoCode.id).where(*wanted), part=part)
    return Listing(tuple(_views(session, [row[0] for row in rows])), total, is_estimate)


def list_promos(session: Session, *, actor: Principal, part: After) -> Sequence[PromoView]:
    """The newest first; one more than `part.limit`, where there are more. Raises Forbidden."""
    actor.require(Permission.PACKAGES_READ)
    rows = fetch(session, pick(PromoCode), part, sorts=_SORTS, default_sort="newest")
    return _views(session, [row[0] for row in rows])


def one_promo(session: Session, *, actor: Principal, promo_id: int) -> PromoView:
    """Raises Forbidden or NoSuchPromo."""
    actor.require(Permission.PACKAGES_READ)
    promo = session.get(PromoCode, promo_id)
    if promo is None:
        raise NoSuchPromo
    return _view_of(session, promo)


def _view_of(session: Session, promo: PromoCode) -> PromoView:
    return _views(session, [promo])[0]


def _views(session: Session, promos: Sequence[PromoCode]) -> list[PromoView]:
    ids = [promo.id for promo in promos if promo.id is not None]
    used, limited = _used(session, ids), _limited(session, ids)
    views = []
    for promo in promos:
        assert promo.id is not None
        held = promo.model_dump(include=set(PromoRules.model_fields))
        uses, paid, given = used.get(promo.id, (0, 0, 0))
        rules = PromoRules(package_ids=tuple(limited.get(promo.id, ())), **held)
        views.append(PromoView(promo.id, promo.code, rules, uses, paid, given, promo.made_by, promo.created_at))
    return views


def _used(session: Session, ids: Collection[int]) -> dict[int, tuple[int, int, int]]:
    is_paid = col(Payment.status).in_(MONEY_TAKEN)
    counted = sa.select(
        col(Payment.promo_code_id),
        sa.func.count(),
        sa.func.count().filter(is_paid),
        sa.func.coalesce(sa.func.sum(col(Payment.discount_bututs)).filter(is_paid), 0),
    ).where(col(Payment.promo_code_id).in_(ids), col(Payment.status).not_in(_GIVEN_BACK))
    rows = session.execute(counted.group_by(col(Payment.promo_code_id))).all()
    return {promo_id: (uses, paid, int(given)) for promo_id, uses, paid, given in rows}


def _limited(session: Session, ids: Collection[int]) -> dict[int, list[str]]:
    query = sa.select(col(PromoPackage.promo_id), col(Package.public_id)).join(Package, col(Package.id) == col(PromoPackage.package_id))
    found: dict[int, list[str]] = {}
    for promo_id, public_id in session.execute(query.where(col(PromoPackage.promo_id).in_(ids)).order_by(col(Package.public_id))).all():
        found.setdefault(promo_id, []).append(public_id)
    return found
