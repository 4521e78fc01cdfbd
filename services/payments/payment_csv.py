"""All payments that match a filter, as lines of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.clock import isoformat
from app.db import Begin
from services import csv_export
from services.access.models import Gateway
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.models import Site
from services.packages.models import PackageVersion
from services.packages.promo_models import PromoCode
from services.payments.models import Payment
from services.payments.queries import PaymentFilter, conditions_of

_ORDER: tuple[Any, ...] = (col(Payment.created_at), col(Payment.id))
_HEAD = (
    *("Receipt code", "Created at", "State", "Reason", "Customer number", "Phone", "Package", "Asked in bututs", "Discount in bututs"),
    *("Promo code", "Channel", "Gift", "Site", "Gateway", "Paid at", "Served at", "Wave transaction"),
)
_BATCH = 1_000


def csv_lines(begin: Begin, *, actor: Principal, wanted: PaymentFilter, batch: int = _BATCH) -> Iterator[str]:
    """All payments that match, newest first, as lines of a CSV file made batch by batch as they are asked for. Raises Forbidden at once.

    Customers stand in it by number and masked phone: a file goes where no permission follows it.
    """
    actor.require(Permission.PAYMENTS_READ)
    return _lines(begin, wanted, batch)


def _lines(begin: Begin, wanted: PaymentFilter, batch: int) -> Iterator[str]:
    yield csv_export.BOM + csv_export.line(_HEAD)
    query = (
        pick(Payment, Customer, PackageVersion.name, PromoCode.code, Site.name, Gateway.name)
        .select_from(Payment)
        .join(Customer, col(Customer.id) == Payment.customer_id)
        .join(PackageVersion, col(PackageVersion.id) == Payment.package_version_id)
        .outerjoin(PromoCode, col(PromoCode.id) == Payment.promo_code_id)
        .outerjoin(Gateway, col(Gateway.id) == Payment.gateway_id)
        .outerjoin(Site, col(Site.id) == Gateway.site_id)
        .order_by(*(column.desc() for column in _ORDER))
        .limit(batch)
    )
    after: tuple[datetime, int] | None = None
    while True:
        with begin() as session:
            part = query.where(*conditions_of(session, wanted))
            if after is not None:
                here = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(after, _ORDER, strict=True)))
                part = part.where(sa.tuple_(*_ORDER) < here)
            rows = session.execute(part).all()
        yield from (_line(row) for row in rows)
        if len(rows) < batch:
            return
        after = (rows[-1][0].created_at, rows[-1][0].id)


def _line(row: Any) -> str:
    payment, customer, package, promo, site, gateway = row
    return csv_export.line(
        (
            *(payment.reference, isoformat(payment.created_at), payment.status.value, payment.reason, customer.id, customer.masked_phone),
            *(package, payment.amount_bututs, payment.discount_bututs, promo, payment.channel.value, "yes" if payment.is_gift else "no"),
            *(site, gateway, isoformat(payment.paid_at), isoformat(payment.served_at), payment.wave_transaction_id),
        )
    )
