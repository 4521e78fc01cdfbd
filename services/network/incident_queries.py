"""Long reads of outages: the list, one with everything that came of it, and what calling it a false alarm would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.compensation import CompensationFilter, CompensationSum, sum_of, waiting_for_network
from services.access.models import Entitlement, Gateway
from services.access.outage_models import Compensation, IncidentNotice, OutagePause
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.listing import Listing, Slice, count, fetch, pick
from services.network.incident_desk import IncidentNotFound
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Site
from services.notifications.models import Notification, NotificationState
from services.tickets.models import IS_UNDONE, Channel, Ticket
from services.tickets.sight import in_sight

_MEMBERS_SHOWN, _TICKETS_SHOWN, _HISTORY_SHOWN = 500, 100, 100


@dataclass(frozen=True)
class IncidentFilter:
    """`search` is a reference, or a part of the name of a place or an access point. `since` and `until` are about when it began."""

    state: IncidentState | None = None
    site_id: int | None = None
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class IncidentRow:
    """`hit` is whose clocks stood, `given_seconds` what they were given back together."""

    incident: Incident
    site_name: str | None
    access_points: int
    first_access_point: str | None
    hit: int
    given_seconds: int

    @property
    def place(self) -> str:
        """The site; of one without, the access point that it is about."""
        return self.site_name or self.first_access_point or "?"

    def lasted(self, *, now: datetime) -> timedelta:
        return (self.incident.resolved_at or now) - self.incident.started_at


@dataclass(frozen=True)
class Stretch:
    """One access point being down, once: half-open [started_at, ended_at), and still down without an end."""

    access_point_id: int
    name: str
    gateway_name: str | None
    gateway_slug: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Messages:
    """What was told: texts by what became of them, and when the first and the last customer was written to."""

    by_state: Mapping[NotificationState, int]
    first_at: datetime | None
    last_at: datetime | None

    @property
    def total(self) -> int:
        return sum(self.by_state.values())


@dataclass(frozen=True)
class IncidentPage:
    """An outage with what came of it. `tickets` are those that the reader may know of, None without the right to any."""

    row: IncidentRow
    stretches: tuple[Stretch, ...]
    stretch_count: int
    standing: int
    given: CompensationSum | None
    messages: Messages
    tickets: tuple[Ticket, ...] | None
    history: tuple[AuditEntry, ...]


@dataclass(frozen=True)
class FalseAlarmPreview:
    """What it would do: clocks that run on (`used_up` of them have nothing left), and what is put right. What was given stays given."""

    clocks: int
    used_up: int
    down_seconds: int
    own_tickets: int
    reports: int
    given: CompensationSum
    told: int


_SORTS: dict[str, Sequence[Any]] = {"started": (col(Incident.started_at), col(Incident.id))}


def list_incidents(session: Session, *, actor: Principal, wanted: IncidentFilter, part: Slice) -> Listing[IncidentRow]:
    """One page of outages, those that began last first. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    conditions = _conditions(wanted)
    found = fetch(session, _rows_query().where(*conditions), part, sorts=_SORTS, default_sort="started")
    total, is_estimate = count(session, pick(Incident.id).where(*conditions), whole_table=None if conditions else "incident", part=part)
    return Listing(tuple(IncidentRow(*row) for row in found), total, is_estimate)


def incident_row(session: Session, *, actor: Principal, reference: str) -> IncidentRow:
    """Raises Forbidden or IncidentNotFound."""
    actor.require(Permission.NETWORK_READ)
    found = session.execute(_rows_query().where(col(Incident.reference) == reference.upper())).one_or_none()
    if found is None:
        raise IncidentNotFound
    return IncidentRow(*found)


def incident_page(session: Session, *, actor: Principal, reference: str) -> IncidentPage:
    """Raises Forbidden or IncidentNotFound."""
    row = incident_row(session, actor=actor, reference=reference)
    incident_id = row.incident.id
    assert incident_id is not None
    wanted = CompensationFilter(incident_id=incident_id)
    stretches = session.execute(
        sa.select(sa.func.count()).select_from(IncidentMember).where(col(IncidentMember.incident_id) == incident_id)
    )
    return IncidentPage(
        row,
        stretches=_stretches(session, incident_id),
        stretch_count=stretches.scalar_one(),
        standing=waiting_for_network(session, incident_id),
        given=sum_of(session, actor=actor, wanted=wanted) if actor.may(Permission.COMPENSATION_READ) else None,
        messages=_messages(session, incident_id),
        tickets=_tickets(session, incident_id, actor) if actor.may(Permission.TICKETS_READ) else None,
        history=_history(session, row.incident.reference),
    )


def preview_false_alarm(session: Session, *, actor: Principal, reference: str, now: datetime) -> FalseAlarmPreview:
    """Raises Forbidden or IncidentNotFound."""
    actor.require(Permission.INCIDENTS_EDIT)
    incident_id = incident_row(session, actor=actor, reference=reference).incident.id
    assert incident_id is not None
    used_up = sa.func.count().filter(col(Entitlement.ends_at) <= now)
    clocks, empty = session.execute(
        sa.select(sa.func.count(), used_up)
        .select_from(OutagePause)
        .join(Entitlement, col(Entitlement.id) == OutagePause.entitlement_id)
        .where(col(OutagePause.incident_id) == incident_id, col(OutagePause.ended_at).is_(None))
    ).one()
    is_own = col(Ticket.channel) == Channel.INCIDENT
    own, reports = session.execute(
        sa.select(sa.func.count().filter(is_own, IS_UNDONE), sa.func.count().filter(~is_own)).where(col(Ticket.incident_id) == incident_id)
    ).one()
    given = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(Compensation.seconds), 0),
            sa.func.coalesce(sa.func.sum(Compensation.worth_bututs), 0),
        ).where(col(Compensation.incident_id) == incident_id)
    ).one()
    return FalseAlarmPreview(
        clocks=clocks,
        used_up=empty,
        down_seconds=_down_seconds(session, incident_id, now=now),
        own_tickets=own,
        reports=reports,
        given=CompensationSum(*(int(value) for value in given)),
        told=_messages(session, incident_id).total,
    )


def _rows_query() -> sa.Select[Any]:
    ours = col(IncidentMember.incident_id) == Incident.id
    points = sa.select(sa.func.count(sa.distinct(col(IncidentMember.access_point_id)))).where(ours).scalar_subquery()
    first = (
        sa.select(col(AccessPoint.name))
        .join(IncidentMember, col(IncidentMember.access_point_id) == AccessPoint.id)
        .where(ours)
        .order_by(col(IncidentMember.id))
        .limit(1)
        .correlate(Incident)
        .scalar_subquery()
    )
    hit = sa.select(sa.func.count(sa.distinct(col(OutagePause.entitlement_id)))).where(col(OutagePause.incident_id) == Incident.id)
    given = sa.select(sa.func.coalesce(sa.func.sum(Compensation.seconds), 0)).where(col(Compensation.incident_id) == Incident.id)
    return (
        pick(Incident, Site.name, points, first, hit.scalar_subquery(), given.scalar_subquery())
        .select_from(Incident)
        .outerjoin(Site, col(Site.id) == Incident.site_id)
    )


def _conditions(wanted: IncidentFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state:
        conditions.append(col(Incident.state) == wanted.state)
    if wanted.site_id is not None:
        conditions.append(col(Incident.site_id) == wanted.site_id)
    if wanted.since is not None:
        conditions.append(col(Incident.started_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Incident.started_at) < wanted.until)
    if text := wanted.search.strip():
        sites = sa.select(col(Site.id)).where(col(Site.name).icontains(text, autoescape=True))
        points = (
            sa.select(col(IncidentMember.incident_id))
            .join(AccessPoint, col(AccessPoint.id) == IncidentMember.access_point_id)
            .where(col(AccessPoint.name).icontains(text, autoescape=True))
        )
        conditions.append(sa.or_(col(Incident.reference) == text.upper(), col(Incident.site_id).in_(sites), col(Incident.id).in_(points)))
    return conditions


def _stretches(session: Session, incident_id: int) -> tuple[Stretch, ...]:
    rows = session.execute(
        pick(
            IncidentMember.access_point_id, AccessPoint.name, Gateway.name, Gateway.slug, IncidentMember.started_at, IncidentMember.ended_at
        )
        .select_from(IncidentMember)
        .join(AccessPoint, col(AccessPoint.id) == IncidentMember.access_point_id)
        .outerjoin(Gateway, col(Gateway.id) == AccessPoint.gateway_id)
        .where(col(IncidentMember.incident_id) == incident_id)
        # What is down still comes first.
        .order_by(col(IncidentMember.ended_at).desc().nulls_first(), col(IncidentMember.started_at).desc(), col(IncidentMember.id))
        .limit(_MEMBERS_SHOWN)
    ).all()
    return tuple(Stretch(*row) for row in rows)


def _messages(session: Session, incident_id: int) -> Messages:
    # Each notice names its text by the key under which it was queued (incident_news), which is unique and indexed.
    key = sa.func.concat("incident:", col(IncidentNotice.incident_id), ":", col(IncidentNotice.customer_id))
    rows = session.execute(
        pick(Notification.state, sa.func.count(), sa.func.min(IncidentNotice.told_at), sa.func.max(IncidentNotice.told_at))
        .select_from(IncidentNotice)
        .join(Notification, col(Notification.dedupe_key) == key)
        .where(col(IncidentNotice.incident_id) == incident_id)
        .group_by(col(Notification.state))
    ).all()
    return Messages(
        {state: number for state, number, _, _ in rows},
        min((first for _, _, first, _ in rows), default=None),
        max((last for _, _, _, last in rows), default=None),
    )


def _tickets(session: Session, incident_id: int, actor: Principal) -> tuple[Ticket, ...]:
    found = session.exec(
        select(Ticket)
        .where(Ticket.incident_id == incident_id, *in_sight(actor))
        .order_by(col(Ticket.channel) == Channel.INCIDENT, col(Ticket.id))
        .limit(_TICKETS_SHOWN)
    ).all()
    return tuple(sorted(found, key=lambda ticket: (ticket.channel is not Channel.INCIDENT, ticket.id)))


def _history(session: Session, reference: str) -> tuple[AuditEntry, ...]:
    found = session.exec(
        select(AuditEntry)
        .where(AuditEntry.target_type == "incident", AuditEntry.target_id == reference)
        .order_by(col(AuditEntry.id))
        .limit(_HISTORY_SHOWN)
    ).all()
    return tuple(found)


def _down_seconds(session: Session, incident_id: int, *, now: datetime) -> int:
    until = sa.func.coalesce(col(IncidentMember.ended_at), sa.literal(now, sa.DateTime(timezone=True)))
    seconds = sa.func.extract("epoch", until - col(IncidentMember.started_at))
    found = session.execute(sa.select(sa.func.sum(seconds)).where(col(IncidentMember.incident_id) == incident_id)).scalar_one()
    return int(found or 0)
