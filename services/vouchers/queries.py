"""Long reads of vouchers for the console. The code itself is in none of them: `reveal_code` opens it for those who may see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Entitlement
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.packages.models import Package, PackageVersion
from services.payments.models import Payment
from services.vouchers import codes
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.batches import gate
from services.vouchers.errors import MistypedCode, VoucherNotFound
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState


@dataclass(frozen=True)
class VoucherFilter:
    """`search` is a voucher code, a phone number, a receipt code or PortaBilling's account id in full, or a code's last five characters.

    `since` and `until` are of when it was made. `is_owed`: PortaBilling is yet to be told something.
    """

    state: VoucherState | None = None
    package_id: str | None = None
    by_hand: bool | None = None
    search: str = ""
    customer_id: int | None = None
    origin: VoucherOrigin | None = None
    batch_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_owed: bool | None = None


@dataclass(frozen=True)
class VoucherRow:
    """`reference` is the receipt code of the payment it was made for."""

    id: int
    state: VoucherState
    package_name: str
    amount_bututs: int
    masked_phone: str | None
    reference: str | None
    issued_by: str
    note: str | None
    created_at: datetime
    use_before: datetime
    used_at: datetime | None
    porta_error: str | None
    is_owed: bool
    origin: VoucherOrigin
    batch_id: int | None


# A code's last group (`codes.show_code`).
_TAIL = 5
_SORTS: dict[str, Sequence[Any]] = {"created": (col(Voucher.created_at), col(Voucher.id))}


def _rows_query() -> sa.Select[Any]:
    return (
        pick(Voucher, PackageVersion.name, PackageVersion.amount_bututs, Customer, Payment.reference)
        .select_from(Voucher)
        .join(PackageVersion, col(PackageVersion.id) == Voucher.package_version_id)
        .outerjoin(Customer, col(Customer.id) == Voucher.customer_id)
        .outerjoin(Payment, col(Payment.id) == Voucher.payment_id)
    )


def _row(found: Any) -> VoucherRow:
    voucher, package, amount, customer, reference = found
    return VoucherRow(
        id=voucher.id,
        state=voucher.state,
        package_name=package,
        amount_bututs=amount,
        masked_phone=customer.masked_phone if customer else None,
        reference=reference,
        issued_by=voucher.issued_by,
        note=voucher.note,
        created_at=voucher.created_at,
        use_before=voucher.use_before,
        used_at=voucher.used_at,
        porta_error=voucher.porta_error,
        is_owed=voucher.porta_next_attempt_at is not None,
        origin=voucher.origin,
        batch_id=voucher.batch_id,
    )


def list_vouchers(session: Session, *, actor: Principal, wanted: VoucherFilter, part: Slice) -> Listing[VoucherRow]:
    """One page of vouchers. Raises Forbidden."""
    actor.require(Permission.VOUCHERS_READ)
    conditions = _conditions(session, wanted)
    found = fetch(session, _rows_query().where(*conditions), part, sorts=_SORTS, default_sort="created")
    whole = "voucher" if wanted == VoucherFilter() else None
    total, is_estimate = count(session, pick(Voucher.id).where(*conditions), whole_table=whole, part=part)
    return Listing(tuple(_row(row) for row in found), total, is_estimate)


def _conditions(session: Session, wanted: VoucherFilter) -> list[sa.ColumnElement[bool]]:
    conditions = [gate.is_shown()]
    if wanted.origin:
        conditions.append(col(Voucher.origin) == wanted.origin)
    if wanted.batch_id is not None:
        conditions.append(col(Voucher.batch_id) == wanted.batch_id)
    if wanted.since is not None:
        conditions.append(col(Voucher.created_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Voucher.created_at) < wanted.until)
    if wanted.is_owed is not None:
        owed = col(Voucher.porta_next_attempt_at)
        conditions.append(owed.is_not(None) if wanted.is_owed else owed.is_(None))
    if wanted.state:
        # Spelled out, so that PostgreSQL sees that the index of blocked ones serves it.
        blocked = sa.literal_column("voucher.state = 'blocked'", sa.Boolean)
        conditions.append(blocked if wanted.state is VoucherState.BLOCKED else col(Voucher.state) == wanted.state)
    if wanted.customer_id is not None:
        conditions.append(col(Voucher.customer_id) == wanted.customer_id)
    if wanted.by_hand is not None:
        conditions.append(col(Voucher.payment_id).is_(None) if wanted.by_hand else col(Voucher.payment_id).is_not(None))
    if wanted.package_id:
        versions = select(PackageVersion.id).join(Package).where(Package.public_id == wanted.package_id)
        conditions.append(col(Voucher.package_version_id).in_(versions))
    if wanted.search.strip():
        conditions.append(_found_by(session, wanted.search.strip()))
    return conditions


def _found_by(session: Session, text: str) -> sa.ColumnElement[bool]:
    try:
        return col(Voucher.code_mac).in_(codes.code_macs(codes.read_code(text)))
    except MistypedCode:
        pass
    of_payment = pick(Payment.id).where(col(Payment.reference) == text.upper()).scalar_subquery()
    ways = [col(Voucher.porta_account_id) == text.lower(), col(Voucher.payment_id) == of_payment]
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        customer = None
    tail = "".join(text.upper().split()).strip("-")
    if _is_tail(tail):
        ways.append(col(Voucher.tail_mac).in_(codes.tail_macs(tail)))
    if customer is not None:
        ways.append(col(Voucher.customer_id) == customer.id)
    return sa.or_(*ways)


def _is_tail(text: str) -> bool:
    return len(text) == _TAIL and all(character in codes.ALPHABET for character in text)


@dataclass(frozen=True)
class VoucherPage:
    voucher: Voucher
    package: PackageVersion
    customer: Customer | None
    reference: str | None
    entitlement: Entitlement | None
    batch: VoucherBatch | None
    number_in_batch: int | None


def voucher_page(session: Session, *, actor: Principal, voucher_id: int) -> VoucherPage:
    """Raises Forbidden or VoucherNotFound."""
    actor.require(Permission.VOUCHERS_READ)
    voucher = session.get(Voucher, voucher_id)
    batch = session.get(VoucherBatch, voucher.batch_id) if voucher is not None and voucher.batch_id is not None else None
    if voucher is None or not gate.is_open(batch.state if batch else None):
        raise VoucherNotFound("There is no voucher under that number.")
    payment = session.get(Payment, voucher.payment_id) if voucher.payment_id else None
    return VoucherPage(
        voucher=voucher,
        package=session.get_one(PackageVersion, voucher.package_version_id),
        customer=session.get(Customer, voucher.customer_id) if voucher.customer_id else None,
        reference=payment.reference if payment else None,
        entitlement=session.exec(select(Entitlement).where(Entitlement.voucher_id == voucher.id)).one_or_none(),
        batch=batch,
        number_in_batch=number_in_batch(session, voucher) if batch else None,
    )


def number_in_batch(session: Session, voucher: Voucher) -> int:
    """As it is printed on it: its place in its batch, from 1."""
    before = pick(sa.func.count()).where(col(Voucher.batch_id) == voucher.batch_id, col(Voucher.id) <= voucher.id)
    return int(session.execute(before).scalar_one())
