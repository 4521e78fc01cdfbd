"""What is sold, what a customer paid, and the vouchers that they hold. A voucher's code is no part of its document: it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlmodel import Session, col

from services.apps.callers import Caller
from services.apps.documents.shape import Data, at
from services.packages.models import CURRENCY, Package, PackageVersion
from services.packages.promo_models import PackageSite
from services.payments.models import Checkout, Payment, PaymentStatus
from services.vouchers.codes import unseal_code
from services.vouchers.models import Voucher

_HINT = 4


def packages(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """What is on the price list, by the package's row. `package_id` is how a purchase names it.

    A document changes with rows alone, never with the clock: the phone itself holds the window against its own. Without `site_ids` it is
    sold everywhere.
    """
    current = (col(PackageVersion.package_id) == col(Package.id)) & (col(PackageVersion.version) == col(Package.current_version))
    at_sites = sa.select(sa.func.array_agg(PackageSite.site_id)).where(col(PackageSite.package_id) == col(Package.id)).scalar_subquery()
    shown = (col(of) for of in (Package.id, Package.public_id, Package.position, Package.on_sale_from, Package.on_sale_until))
    wanted = sa.select(*shown, at_sites, PackageVersion).join(PackageVersion, current)
    return {
        number: {
            "package_id": public_id,
            "position": position,
            "name": terms.name,
            "amount": terms.amount_bututs,
            "currency": CURRENCY,
            "duration_seconds": terms.duration_seconds,
            "quota_bytes": terms.quota_bytes,
            "down_kbps": terms.down_kbps,
            "up_kbps": terms.up_kbps,
            "device_limit": terms.device_limit,
            "validity_days": terms.validity_days,
            "on_sale_from": at(on_sale_from),
            "on_sale_until": at(on_sale_until),
            "site_ids": [str(site_id) for site_id in sorted(site_ids or ())],
        }
        for number, public_id, position, on_sale_from, on_sale_until, site_ids, terms in session.execute(
            wanted.where(col(Package.id).in_(ids), col(Package.is_on_sale)).execution_options(populate_existing=True)
        ).all()
    }


def payments(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """`launch`: where to pay, while it waits to be paid."""
    rows = session.execute(
        sa.select(
            *(col(of) for of in (Payment.id, Payment.public_id, Payment.reference, Payment.status, Payment.reason)),
            *(col(of) for of in (Payment.amount_bututs, Payment.currency, Payment.package_version_id, Payment.created_at)),
            *(col(of) for of in (Payment.paid_at, Payment.device_id)),
        ).where(col(Payment.id).in_(ids), col(Payment.customer_id) == caller.customer())
    ).all()
    bought = terms_of(session, {row.package_version_id for row in rows})
    launches = _launches(session, [row.id for row in rows if row.status is PaymentStatus.CHECKOUT_OPEN])
    return {
        row.id: {
            "payment_id": row.public_id,
            "reference": row.reference,
            "status": row.status.value,
            "reason": row.reason,
            "amount": row.amount_bututs,
            "currency": row.currency,
            "package": bought[row.package_version_id],
            "created_at": at(row.created_at),
            "paid_at": at(row.paid_at),
            "launch": launches.get(row.id),
        }
        for row in rows
    }


def vouchers(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    rows = session.execute(
        sa.select(
            *(col(of) for of in (Voucher.id, Voucher.code_sealed, Voucher.package_version_id, Voucher.state)),
            *(col(of) for of in (Voucher.created_at, Voucher.use_before, Voucher.used_at)),
        ).where(col(Voucher.id).in_(ids), col(Voucher.customer_id) == caller.customer())
    ).all()
    bought = terms_of(session, {row.package_version_id for row in rows})
    return {
        row.id: {
            "package": bought[row.package_version_id],
            "state": row.state.value,
            "created_at": at(row.created_at),
            "use_before": at(row.use_before),
            "used_at": at(row.used_at),
            "code_hint": unseal_code(row.code_sealed)[-_HINT:],
        }
        for row in rows
    }


def terms_of(session: Session, version_ids: Collection[int]) -> dict[int, Data]:
    """What was promised with each of these versions, which never change."""
    if not version_ids:
        return {}
    wanted = sa.select(
        col(PackageVersion.id),
        col(Package.public_id),
        *(col(of) for of in (PackageVersion.name, PackageVersion.duration_seconds, PackageVersion.quota_bytes)),
        col(PackageVersion.device_limit),
    ).join(Package, col(Package.id) == col(PackageVersion.package_id))
    return {
        row.id: {
            "package_id": row.public_id,
            "name": row.name,
            "duration_seconds": row.duration_seconds,
            "quota_bytes": row.quota_bytes,
            "device_limit": row.device_limit,
        }
        for row in session.execute(wanted.where(col(PackageVersion.id).in_(version_ids))).all()
    }


def _launches(session: Session, payment_ids: Collection[int]) -> dict[int, Data]:
    """The Wave session that services/payments/checkout.py would hand out."""
    if not payment_ids:
        return {}
    wanted = sa.select(col(Checkout.payment_id), col(Checkout.launch_url), col(Checkout.expires_at))
    # Of several the one that counts comes last.
    ordered = wanted.order_by(col(Checkout.is_winner), col(Checkout.id).desc())
    rows = session.execute(ordered.where(col(Checkout.payment_id).in_(payment_ids))).all()
    return {row.payment_id: {"url": row.launch_url, "expires_at": at(row.expires_at)} for row in rows if row.launch_url}
