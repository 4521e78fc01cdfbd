"""The rule of what an outage gives back, and what it gave: for the Billing Officer and for the customer's story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.access import outages
from services.access.outage_models import Compensation, CompensationRule, OutagePause
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import Listing, Slice, count, fetch, pick
from services.network.incident_models import Incident
from services.network.models import Site

_LONGEST_MINIMUM = 24 * 3600
_LONGEST_CAP = 90 * 24 * 3600
_RULES_SHOWN = 100


def current_rule(session: Session, *, actor: Principal, now: datetime) -> CompensationRule:
    """Raises Forbidden."""
    actor.require(Permission.COMPENSATION_READ)
    return outages.rule_at(session, now)


def set_rule(
    session: Session, *, actor: Principal, minimum_seconds: int, cap_seconds: int, any_access_point: bool, now: datetime
) -> CompensationRule:
    """Let outages that begin from now on follow this rule; what began before keeps the one it had. Raises Forbidden or InvalidInput."""
    actor.require(Permission.COMPENSATION_EDIT)
    if not 0 <= minimum_seconds <= _LONGEST_MINIMUM:
        raise InvalidInput("The shortest outage that counts is between 0 minutes and 24 hours.", field="minimum_seconds")
    if not 60 <= cap_seconds <= _LONGEST_CAP:
        raise InvalidInput("The most that one outage gives back is between 1 minute and 90 days.", field="cap_seconds")
    before = outages.rule_at(session, now)
    made = CompensationRule(
        valid_from=now, minimum_seconds=minimum_seconds, cap_seconds=cap_seconds, any_access_point=any_access_point, made_by=actor.label
    )
    session.add(made)
    session.flush()
    audit.record(
        session, actor, "compensation.rule", target=("compensation_rule", made.id), now=now, before=_said(before), after=_said(made)
    )
    return made


def rule_history(session: Session, *, actor: Principal) -> Sequence[CompensationRule]:
    """The rules that were made, the newest first. Raises Forbidden."""
    actor.require(Permission.COMPENSATION_READ)
    return session.exec(select(CompensationRule).order_by(col(CompensationRule.valid_from).desc()).limit(_RULES_SHOWN)).all()


def gives(rule: CompensationRule, outage: timedelta) -> timedelta:
    """What an outage of that length gives back by this rule to somebody whose time would have outlasted it."""
    began = rule.valid_from
    return outages.settle(paused_at=began, ends_at=began + 2 * outage, back_at=began + outage, rule=rule).given


def _said(rule: CompensationRule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in ("minimum_seconds", "cap_seconds", "any_access_point")}


@dataclass(frozen=True)
class CompensationRow:
    compensation: Compensation
    incident: Incident
    site_name: str | None
    customer: Customer | None


@dataclass(frozen=True)
class CompensationFilter:
    """`since` and `until` are about when it was given; None means no bound.

    `search` is an incident's reference, a phone number, or a part of a place's name.
    """

    incident_id: int | None = None
    customer_id: int | None = None
    entitlement_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""


@dataclass(frozen=True)
class CompensationSum:
    """What was given back: how often, how long, and what that time had cost."""

    count: int
    seconds: int
    worth_bututs: int


_SORTS: dict[str, Sequence[Any]] = {"created": (col(Compensation.created_at), col(Compensation.id))}


def _conditions(session: Session, wanted: CompensationFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for name in ("incident_id", "customer_id", "entitlement_id"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(col(getattr(Compensation, name)) == value)
    if wanted.since is not None:
        conditions.append(col(Compensation.created_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Compensation.created_at) < wanted.until)
    if text := wanted.search.strip():
        conditions.append(_found_by(session, text))
    return conditions


def _found_by(session: Session, text: str) -> sa.ColumnElement[bool]:
    named = sa.or_(col(Incident.reference) == text.upper(), col(Site.name).icontains(text, autoescape=True))
    of_incidents = col(Compensation.incident_id).in_(
        sa.select(col(Incident.id)).outerjoin(Site, col(Site.id) == Incident.site_id).where(named)
    )
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        return of_incidents
    return sa.or_(of_incidents, col(Compensation.customer_id) == (customer.id if customer else None))


def _rows_query() -> sa.Select[Any]:
    return (
        pick(Compensation, Incident, Site.name, Customer)
        .select_from(Compensation)
        .join(Incident, col(Incident.id) == Compensation.incident_id)
        .outerjoin(Site, col(Site.id) == Incident.site_id)
        .outerjoin(Customer, col(Customer.id) == Compensation.customer_id)
    )


def list_compensations(session: Session, *, actor: Principal, wanted: CompensationFilter, part: Slice) -> Listing[CompensationRow]:
    """One page of what was given back, newest first. Raises Forbidden."""
    actor.require(Permission.COMPENSATION_READ)
    conditions = _conditions(session, wanted)
    found = fetch(session, _rows_query().where(*conditions), part, sorts=_SORTS, default_sort="created")
    total, is_estimate = count(
        session, pick(Compensation.id).where(*conditions), whole_table=None if conditions else "compensation", part=part
    )
    return Listing(tuple(CompensationRow(*row) for row in found), total, is_estimate)


def sum_of(session: Session, *, actor: Principal, wanted: CompensationFilter) -> CompensationSum:
    """Raises Forbidden."""
    actor.require(Permission.COMPENSATION_READ)
    row = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(Compensation.seconds), 0),
            sa.func.coalesce(sa.func.sum(Compensation.worth_bututs), 0),
        ).where(*_conditions(session, wanted))
    ).one()
    return CompensationSum(*(int(value) for value in row))


def waiting_for_network(session: Session, incident_id: int) -> int:
    """How many clocks stand because of this incident."""
    standing = sa.select(sa.func.count()).where(col(OutagePause.incident_id) == incident_id, col(OutagePause.ended_at).is_(None))
    return int(session.execute(standing).scalar_one())


def pauses_of(session: Session, entitlement_id: int) -> Sequence[OutagePause]:
    """When and why this entitlement's clock stood, oldest first."""
    return session.exec(select(OutagePause).where(OutagePause.entitlement_id == entitlement_id).order_by(col(OutagePause.started_at))).all()
