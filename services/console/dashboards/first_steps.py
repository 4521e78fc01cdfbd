"""What a fresh installation still lacks before its first customer can come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Gateway
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.packages.models import Package
from services.payments.models import Payment


class Step(StrEnum):
    """In the order in which they are best taken."""

    PACKAGE = "package"
    GATEWAY = "gateway"
    POLL = "poll"
    STAFF = "staff"


# Who can take the step. That a router calls is nobody's: it follows.
MAY_TAKE: dict[Step, Permission] = {
    Step.PACKAGE: Permission.PACKAGES_EDIT,
    Step.GATEWAY: Permission.GATEWAYS_EDIT,
    Step.POLL: Permission.GATEWAYS_READ,
    Step.STAFF: Permission.STAFF_EDIT,
}
_LEADS = (Permission.PACKAGES_EDIT, Permission.GATEWAYS_EDIT, Permission.STAFF_EDIT)


@dataclass(frozen=True)
class FirstSteps:
    done: frozenset[Step]


def first_steps(session: Session, *, actor: Principal) -> FirstSteps | None:
    """None once anybody began to buy, and for those who can do nothing about it."""
    if not any(actor.may(one) for one in _LEADS) or _there_is(session, sa.select(col(Payment.id))):
        return None
    found = {
        Step.PACKAGE: sa.select(col(Package.id)).where(col(Package.is_on_sale)),
        Step.GATEWAY: sa.select(col(Gateway.id)),
        Step.POLL: sa.select(col(Gateway.id)).where(col(Gateway.last_poll_at).is_not(None)),
        # Whoever reads this is one of them.
        Step.STAFF: sa.select(col(Staff.id)).where(col(Staff.is_active)).offset(1),
    }
    return FirstSteps(frozenset(step for step, query in found.items() if _there_is(session, query)))


def _there_is(session: Session, query: sa.Select[Any]) -> bool:
    return session.execute(query.limit(1)).first() is not None
