"""Which policy a ticket gets, and what its versions say. Versions never change; a ticket keeps the one that it was promised."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Entitlement, EntitlementState
from services.listing import pick
from services.tickets.models import Category, Channel, Priority, Ticket
from services.tickets.sla.calendar import calendar_of
from services.tickets.sla.terms import CLOCKS, Clock, Step, Terms, parse_pauses, parse_steps
from services.tickets.sla_models import SlaPolicy, SlaPolicyVersion

CUSTOMER_KINDS = {
    "active": "a customer whose paid time is running or waiting",
    "known": "a customer whose time is used up",
    "unknown": "nobody that we know as a customer",
}
# What a policy may ask of a ticket, and the values that there are.
CONDITIONS: Mapping[str, Collection[str]] = {
    "priority": tuple(Priority),
    "category": tuple(Category),
    "channel": tuple(Channel),
    "customer_kind": tuple(CUSTOMER_KINDS),
}


def terms_of(session: Session, version_ids: Collection[int]) -> dict[int, Terms]:
    """The terms of these versions by id; their calendars are read once a process."""
    if not version_ids:
        return {}
    version = SlaPolicyVersion
    rows = session.execute(
        pick(version.id, version.calendar, version.first_response_seconds, version.next_response_seconds, version.resolution_seconds)
        .add_columns(col(version.pauses), col(version.steps), col(SlaPolicy.name))
        .join(SlaPolicy, col(SlaPolicy.id) == col(version.policy_id))
        .where(col(version.id).in_(version_ids))
    ).all()
    return {row.id: make_terms(row, name=row.name) for row in rows}


def make_terms(version: Any, *, name: str) -> Terms:
    """Terms from a version, or from a row with its columns."""
    targets: dict[Clock, timedelta] = {}
    for clock in CLOCKS:
        if (seconds := getattr(version, f"{clock}_seconds")) is not None:
            targets[clock] = timedelta(seconds=seconds)
    steps = with_breaches(parse_steps(version.steps), targets)
    return Terms(version.id or 0, name, calendar_of(version.calendar), targets, parse_pauses(version.pauses), steps)


def with_breaches(steps: tuple[Step, ...], targets: Collection[Clock]) -> tuple[Step, ...]:
    """A broken promise is always written into the history, also where nobody is told."""
    told = {step.clock for step in steps if step.do == "breach"}
    return steps + tuple(Step(clock, "0", "breach") for clock in targets if clock not in told)


def as_hypothesis(terms: Terms, version_id: int) -> Terms:
    """The same terms under the number of a version that does not exist yet."""
    return replace(terms, version_id=version_id)


def choose(session: Session, ticket: Ticket) -> tuple[int, int, str] | None:
    """The policy that fits the ticket as it is now: its id, its current version, and why. None when none fits."""
    rows = session.execute(
        pick(SlaPolicy.id, SlaPolicy.name, SlaPolicy.conditions, col(SlaPolicyVersion.id).label("version_id"))
        .join(
            SlaPolicyVersion,
            sa.and_(col(SlaPolicyVersion.policy_id) == col(SlaPolicy.id), col(SlaPolicyVersion.version) == col(SlaPolicy.current_version)),
        )
        .where(col(SlaPolicy.is_active))
        .order_by(col(SlaPolicy.position))
    ).all()
    values: dict[str, str | None] = {"priority": ticket.priority, "category": ticket.category, "channel": ticket.channel}
    if any("customer_kind" in row.conditions for row in rows):
        values["customer_kind"] = customer_kind(session, ticket.customer_id)
    for row in rows:
        if all(values[name] in wanted for name, wanted in row.conditions.items()):
            because = ", ".join(f"{name.replace('_', ' ')} {values[name]}" for name in row.conditions) or "it takes every ticket"
            return row.id, row.version_id, f"“{row.name}” is the first that fits: {because}"
    return None


def customer_kind(session: Session, customer_id: int | None) -> str:
    """One of CUSTOMER_KINDS."""
    if customer_id is None:
        return "unknown"
    has_time = sa.exists().where(
        col(Entitlement.customer_id) == customer_id, col(Entitlement.state).in_((EntitlementState.READY, EntitlementState.RUNNING))
    )
    return "active" if session.execute(sa.select(has_time)).scalar_one() else "known"


def policy_of_version(session: Session, version_id: int | None) -> int | None:
    if version_id is None:
        return None
    found = session.execute(pick(SlaPolicyVersion.policy_id).where(col(SlaPolicyVersion.id) == version_id)).scalar_one_or_none()
    return None if found is None else int(found)
