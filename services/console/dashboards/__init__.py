"""The console's first page by what a person is there for: what is wrong first, then the numbers and lists of their own work.

A part is shown to whoever holds the permissions of what it shows, in the order of their role: who later gets more permissions, or a role
that nobody has thought of yet, sees the parts that these open, in the usual order. Every number is counted as the list that it leads to
counts it, along an index and only so far as anybody pages, or within one day: a first page costs what is open, not what exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlmodel import Session

from services.accounts.models import Role
from services.accounts.permissions import Permission, Principal
from services.console.dashboards import field, help_desk, money, network, running
from services.console.dashboards.figures import Figure
from services.console.dashboards.first_steps import FirstSteps, first_steps


class Part(StrEnum):
    FIELD = "field"
    HELP = "help"
    MONEY = "money"
    NETWORK = "network"
    RUNNING = "running"


class Shown(Protocol):
    """What a part shows; each has its own lists beside."""

    @property
    def figures(self) -> tuple[Figure, ...]: ...


_PARTS: Mapping[Part, Any] = {
    Part.FIELD: field,
    Part.HELP: help_desk,
    Part.MONEY: money,
    Part.NETWORK: network,
    Part.RUNNING: running,
}
_USUAL = (Part.FIELD, Part.MONEY, Part.HELP, Part.NETWORK, Part.RUNNING)
_ORDER: Mapping[Role, tuple[Part, ...]] = {
    Role.SYSTEM_ADMIN: (Part.RUNNING, Part.NETWORK, Part.HELP, Part.MONEY),
    Role.CUSTOMER_CARE: (Part.HELP, Part.MONEY, Part.NETWORK),
}


@dataclass(frozen=True)
class Dashboard:
    """`parts` in the order in which they are shown."""

    parts: Mapping[Part, Shown]
    first_steps: FirstSteps | None


def parts_of(actor: Principal) -> tuple[Part, ...]:
    """What this person is shown, in order: that of their role first, then whatever else they may see."""
    first = _ORDER.get(actor.role, ()) if actor.role else ()
    return tuple(part for part in dict.fromkeys((*first, *_USUAL)) if _PARTS[part].is_for(actor))


def dashboard(session: Session, *, actor: Principal, now: datetime) -> Dashboard:
    """Raises Forbidden."""
    actor.require(Permission.DASHBOARD_READ)
    parts = {part: load_part(session, actor=actor, part=part, now=now) for part in parts_of(actor)}
    return Dashboard(parts, first_steps(session, actor=actor))


def load_part(session: Session, *, actor: Principal, part: Part, now: datetime) -> Shown:
    """One part anew. Raises Forbidden."""
    actor.require(Permission.DASHBOARD_READ)
    found: Shown = _PARTS[part].load(session, actor=actor, now=now)
    return found
