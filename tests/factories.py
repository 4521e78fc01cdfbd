"""Small makers of rows for tests: each takes what the test is about and fills in the rest."""

from __future__ import annotations

import secrets
from datetime import datetime
from itertools import count

from sqlmodel import Session

from services.access.context import HotspotContext
from services.access.gateways import add_gateway
from services.access.models import Gateway
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from services.integrations import opennds
from services.packages.service import Offer, PackageTerms, add_package
from services.payments.checkout import Order, save
from services.payments.models import Payment
from tests.conftest import NOON

FASKEY = "k3yForProbe0123"
PHONE = "+220833000001"
_NOBODYS_ID = 1_000_000_001
_numbers = count(1)


def make_package(session: Session, *, now: datetime = NOON, **terms: object) -> Offer:
    number = next(_numbers)
    filled = {"name": f"Package {number}", "amount_bututs": 2500, "duration_seconds": 3600} | terms
    return add_package(
        session, actor=None, public_id=f"package-{number}", terms=PackageTerms.model_validate(filled), position=number, now=now
    )


def make_gateway(session: Session, *, level: int = 3, faskey: str = FASKEY, now: datetime = NOON) -> Gateway:
    return add_gateway(
        session,
        slug=f"router-{secrets.token_hex(4)}",
        gateway_name=f"inet-{secrets.token_hex(8)}",
        faskey=faskey,
        level=level,
        site_name="Westfield",
        now=now,
    )


def make_context(gateway: Gateway, *, mac: str = "02:00:00:bb:00:50", hid: str | None = None, at: datetime = NOON) -> HotspotContext:
    assert gateway.id is not None
    return HotspotContext(gateway.id, hid or opennds.hid_of(secrets.token_hex(4)), mac, gateway.level == 3, at)


def make_payment(
    session: Session, *, context: HotspotContext | None = None, phone: str = PHONE, package: Offer | None = None, now: datetime = NOON
) -> Payment:
    package = package or make_package(session, now=now)
    payment_id = save(session, Order(package.public_id, phone, context), now=now)
    return session.get_one(Payment, payment_id)


def staff(role: Role = Role.ROOT) -> Principal:
    """Somebody of that role who is no row, and whose ID none gets: 1 may be the very person that a test is about."""
    allowed = ROLE_PERMISSIONS[role]
    return Principal(kind="staff", id=_NOBODYS_ID, name=role.label, role=role, email=f"{role.value}@test.gm", permissions=allowed)


__all__ = ["FASKEY", "PHONE", "make_context", "make_gateway", "make_package", "make_payment", "staff"]
