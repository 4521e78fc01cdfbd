"""What a ticket's text names, looked up in our records and masked for whoever reads the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.payments.models import Payment
from services.tickets.models import Ticket
from services.tickets.triage.entities import Entity, EntityKind
from services.vouchers import codes
from services.vouchers.batches.gate import is_shown
from services.vouchers.errors import MistypedCode
from services.vouchers.models import Voucher

_HIDDEN = "•••"


def looked_up(session: Session, ticket: Ticket, entities: Sequence[Entity]) -> list[dict[str, Any]]:
    """Each thing once: kind, masked value, whether its own check vouches for it, and `known`, None where we keep no such records."""
    once = {(entity.kind, entity.value): entity for entity in entities}
    return [
        {"kind": one.kind.value, "value": _masked(one), "checked": one.checked, "known": _is_known(session, ticket, one)}
        for one in once.values()
    ]


def _masked(entity: Entity) -> str:
    """Codes and phones are worth money or belong to somebody: their ends are enough to recognise them by."""
    match entity.kind:
        case EntityKind.VOUCHER:
            return f"{_HIDDEN}{entity.value[-3:]}"
        case EntityKind.PHONE:
            return f"{entity.value[:4]} {_HIDDEN} {entity.value[-4:]}"
        case EntityKind.EMAIL:
            name, _, domain = entity.value.partition("@")
            return f"{name[:1]}{_HIDDEN}@{domain}"
    return entity.value


def _is_known(session: Session, ticket: Ticket, entity: Entity) -> bool | None:
    match entity.kind:
        case EntityKind.VOUCHER:
            return _is_voucher(session, entity.value)
        case EntityKind.PAYMENT_REFERENCE:
            named = sa.or_(col(Payment.reference) == entity.value, col(Payment.wave_transaction_id) == entity.value)
            return session.exec(select(Payment.id).where(named).limit(1)).first() is not None
        case EntityKind.PHONE:
            return _is_customer(session, entity.value)
        case EntityKind.MAC:
            return True if entity.value == (ticket.client_mac or "").lower() else None
        case EntityKind.PLACE | EntityKind.ACCESS_POINT:
            return True
    return None


def _is_voucher(session: Session, written: str) -> bool:
    try:
        macs = codes.code_macs(codes.read_code(written))
    except MistypedCode:
        return False
    return session.exec(select(Voucher.id).where(col(Voucher.code_mac).in_(macs), is_shown()).limit(1)).first() is not None


def _is_customer(session: Session, phone: str) -> bool:
    try:
        return find_customer(session, phone=phone) is not None
    except BadPhone:
        return False
