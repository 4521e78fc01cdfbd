"""Payments and vouchers. A voucher's code is looked up by its keyed hash and stands in no question, answer or log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts import finding
from services.accounts.models import Customer
from services.accounts.permissions import Principal
from services.console.finders.asked import Asked, slips
from services.console.finders.hits import WANTED, Hit, Kind, Rank, numbers
from services.listing import pick
from services.packages.models import PackageVersion
from services.payments.models import Checkout, Payment
from services.vouchers import codes
from services.vouchers.batches import gate
from services.vouchers.models import Voucher

_REFERENCE = 8
_TAIL = 5
# How PortaBilling's account ids begin: of a payment, made by hand or in a batch, a credit.
_ACCOUNT, _ACCOUNTS = "inet-", ("inet-", "inet-v-", "inet-c-")
_LEAST = 3


def find_payments(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By receipt code (also with one slip of the finger), an id of Wave's, or the customer's whole phone number: the newest ones."""
    code = asked.reference
    if asked.nearly:
        near = [one for one in slips(code) if len(one) == _REFERENCE]
        return _payment_hits(session, _payments().where(col(Payment.reference) == finding.any_of(near)), Rank.SIMILAR) if near else []
    if len(asked.digits) >= finding.LEAST_DIGITS and (customer := finding.by_whole_number(session, asked.text)) is not None:
        newest = _payments().where(col(Payment.customer_id) == customer.id).order_by(col(Payment.id).desc())
        return _payment_hits(session, newest, Rank.EXACT)
    hits = _payment_hits(session, _payments().where(_is_at_wave(session, asked.text)), Rank.EXACT) if len(asked.text) > _REFERENCE else []
    if hits or not _LEAST <= len(code) <= _REFERENCE + 1:
        return hits
    begun = _payments().where(col(Payment.reference).between(code, code + "Z" * _REFERENCE)).order_by(col(Payment.reference))
    return _payment_hits(session, begun, Rank.EXACT if len(code) == _REFERENCE else Rank.PREFIX)


def payments_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    return _payment_hits(session, _payments().where(col(Payment.reference).in_(keys)), Rank.EXACT, most=len(keys))


def _is_at_wave(session: Session, text: str) -> sa.ColumnElement[bool]:
    # Asked first: as a part of the payments' own question it would keep PostgreSQL from its indexes.
    at_wave = pick(Checkout.payment_id).where(sa.or_(col(Checkout.wave_session_id) == text, col(Checkout.transaction_id) == text))
    known = list(session.execute(at_wave.limit(WANTED)).scalars())
    return sa.or_(col(Payment.wave_transaction_id) == text, *([col(Payment.id).in_(known)] if known else []))


def _payments() -> sa.Select[Any]:
    return (
        pick(Payment, Customer, PackageVersion.name)
        .join(Customer, col(Customer.id) == Payment.customer_id)
        .join(PackageVersion, col(PackageVersion.id) == Payment.package_version_id)
    )


def _payment_hits(session: Session, query: sa.Select[Any], rank: Rank, *, most: int = WANTED) -> list[Hit]:
    return [
        Hit(
            Kind.PAYMENTS,
            payment.reference,
            payment.reference,
            note=f"{package} · {customer.masked_phone}",
            rank=rank,
            state=payment.status,
            amount_bututs=payment.amount_bututs,
            at=payment.created_at,
        )
        for payment, customer, package in session.execute(query.limit(most))
    ]


def find_vouchers(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By the whole code, its last five characters, PortaBilling's account id or how it begins, or the customer's whole phone number."""
    if asked.nearly:
        return []
    if asked.voucher_code is not None:
        return _voucher_hits(session, col(Voucher.code_mac).in_(codes.code_macs(asked.voucher_code)), Rank.EXACT)
    hits: list[Hit] = []
    if len(asked.digits) >= finding.LEAST_DIGITS and (customer := finding.by_whole_number(session, asked.text)) is not None:
        hits = _voucher_hits(session, col(Voucher.customer_id) == customer.id, Rank.EXACT)
    tail = asked.reference
    if len(tail) == _TAIL and all(one in codes.ALPHABET for one in tail):
        hits += _voucher_hits(session, col(Voucher.tail_mac).in_(codes.tail_macs(tail)), Rank.PART)
    account = asked.text.lower()
    if len(asked.reference) >= _REFERENCE:
        whole = [account, *(start + asked.reference.lower() for start in _ACCOUNTS)]
        hits += _voucher_hits(session, col(Voucher.porta_account_id).in_(whole), Rank.EXACT)
    if not hits and account.startswith(_ACCOUNT) and len(account) > len(_ACCOUNT):
        begun = sa.and_(
            col(Voucher.porta_account_id).between(account, account + "z" * _REFERENCE),
            # The range is what the index knows; where hyphens do not count in sorting, it holds others as well.
            col(Voucher.porta_account_id).startswith(account, autoescape=True),
        )
        hits = _voucher_hits(session, begun, Rank.PREFIX, order=col(Voucher.porta_account_id))
    return hits


def vouchers_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    return _voucher_hits(session, col(Voucher.id).in_(numbers(keys)), Rank.EXACT, most=len(keys))


def _voucher_hits(session: Session, condition: sa.ColumnElement[bool], rank: Rank, *, order: Any = None, most: int = WANTED) -> list[Hit]:
    query = (
        pick(Voucher, PackageVersion, Customer)
        .join(PackageVersion, col(PackageVersion.id) == Voucher.package_version_id)
        .outerjoin(Customer, col(Customer.id) == Voucher.customer_id)
        .where(condition, gate.is_shown())
        .order_by(col(Voucher.id).desc() if order is None else order)
        .limit(most)
    )
    return [
        Hit(
            Kind.VOUCHERS,
            str(voucher.id),
            f"Voucher No. {voucher.id}",
            note=" · ".join(filter(None, (package.name, customer.masked_phone if customer else None))),
            rank=rank,
            state=voucher.state,
            amount_bututs=package.amount_bututs,
            at=voucher.created_at,
        )
        for voucher, package, customer in session.execute(query)
    ]
