"""Long reads of access for the console: sessions, grants, gateways and when each was last heard of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from services.access import busy
from services.access.errors import GatewayNotFound, SessionNotFound
from services.access.models import ON_OFFER, AccessSession, Entitlement, Gateway, Grant, GrantState, SessionState
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import Site
from services.payments.models import Payment

# Routers poll every 10 seconds or so; half a dozen missed polls are a silence worth telling of.
SILENT_AFTER = timedelta(seconds=90)
Which = Literal["live", "ended", "all"]


@dataclass(frozen=True)
class SessionFilter:
    which: Which = "live"
    gateway_slug: str | None = None
    search: str = ""


@dataclass(frozen=True)
class SessionRow:
    """`reference` is the payment's receipt code, None for vouchers and direct grants."""

    id: int
    state: SessionState
    masked_phone: str | None
    customer_id: int | None
    mac: str | None
    device_id: int | None
    gateway_name: str
    gateway_slug: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    bytes_down: int | None
    bytes_up: int | None
    quota_bytes: int | None
    reference: str | None


_SESSION_SORTS: dict[str, Sequence[Any]] = {"started": (col(AccessSession.started_at), col(AccessSession.id))}
# Only what runs is few enough to be sorted by its end.
_LIVE_SORTS: dict[str, Sequence[Any]] = {**_SESSION_SORTS, "ends": (col(AccessSession.ends_at), col(AccessSession.id))}


def _sessions_query() -> sa.Select[Any]:
    return (
        pick(AccessSession, Customer, Gateway.name, Gateway.slug, Entitlement.quota_bytes, Payment.reference)
        .select_from(AccessSession)
        .join(Grant, col(Grant.id) == AccessSession.grant_id)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .outerjoin(Customer, col(Customer.id) == AccessSession.customer_id)
        .outerjoin(Entitlement, col(Entitlement.id) == AccessSession.entitlement_id)
        .outerjoin(Payment, col(Payment.id) == Entitlement.payment_id)
    )


def _session_row(found: Any) -> SessionRow:
    row, customer, gateway_name, slug, quota, reference = found
    return SessionRow(
        id=row.id,
        state=row.state,
        masked_phone=customer.masked_phone if customer else None,
        customer_id=row.customer_id,
        mac=row.mac,
        device_id=row.device_id,
        gateway_name=gateway_name,
        gateway_slug=slug,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        bytes_down=row.bytes_down,
        bytes_up=row.bytes_up,
        quota_bytes=quota,
        reference=reference,
    )


def _is_live() -> sa.ColumnElement[bool]:
    # The two halves are the predicates of two small partial indexes of the grants; sessions have none of their own for this.
    running = col(Grant.state).in_((GrantState.ACKED, GrantState.UNCONFIRMED))
    return sa.and_(sa.or_(running, col(Grant.state).in_(ON_OFFER)), col(AccessSession.state) != SessionState.ENDED)


def list_sessions(session: Session, *, actor: Principal, wanted: SessionFilter, part: Slice) -> Listing[SessionRow]:
    """One page of access sessions. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    conditions = _session_conditions(session, wanted)
    sorts = _LIVE_SORTS if wanted.which == "live" else _SESSION_SORTS
    found = fetch(session, _sessions_query().where(*conditions), part, sorts=sorts, default_sort="started")
    whole = "access_session" if wanted == SessionFilter(which="all") else None
    counted = pick(AccessSession.id).join(Grant, col(Grant.id) == AccessSession.grant_id).where(*conditions)
    total, is_estimate = count(session, counted, whole_table=whole, part=part)
    return Listing(tuple(_session_row(row) for row in found), total, is_estimate)


def _session_conditions(session: Session, wanted: SessionFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.which == "live":
        conditions.append(_is_live())
    elif wanted.which == "ended":
        conditions.append(col(AccessSession.state) == SessionState.ENDED)
    if wanted.gateway_slug:
        gateway_id = session.exec(select(Gateway.id).where(Gateway.slug == wanted.gateway_slug)).one_or_none()
        conditions.append(col(AccessSession.gateway_id) == gateway_id)
    if wanted.search.strip():
        conditions.append(_of_phone(session, wanted.search))
    return conditions


def _of_phone(session: Session, text: str) -> sa.ColumnElement[bool]:
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        return sa.false()
    return col(AccessSession.customer_id) == customer.id if customer else sa.false()


def sessions_of(
    session: Session, *, actor: Principal, customer_id: int | None = None, entitlement_id: int | None = None, limit: int = 20
) -> tuple[SessionRow, ...]:
    """The newest sessions of one customer or of one entitlement. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    query = _sessions_query().order_by(col(AccessSession.id).desc()).limit(limit)
    if entitlement_id is not None:
        query = query.where(col(AccessSession.entitlement_id) == entitlement_id)
    else:
        query = query.where(col(AccessSession.customer_id) == customer_id)
    return tuple(_session_row(row) for row in session.execute(query).all())


def session_page(session: Session, *, actor: Principal, session_id: int) -> SessionRow:
    """Raises Forbidden or SessionNotFound."""
    actor.require(Permission.SESSIONS_READ)
    found = session.execute(_sessions_query().where(col(AccessSession.id) == session_id)).one_or_none()
    if found is None:
        raise SessionNotFound
    return _session_row(found)


def count_online(session: Session, *, actor: Principal) -> int:
    """Clients whose router confirmed that they are let in. Raises Forbidden."""
    actor.require(Permission.DASHBOARD_READ)
    return count(session, pick(Grant.id).where(col(Grant.state) == GrantState.ACKED))[0]


@dataclass(frozen=True)
class GrantRow:
    id: int
    state: GrantState
    gateway_name: str
    gateway_slug: str
    client: str
    created_at: datetime
    offer_count: int
    acked_at: datetime | None
    ends_at: datetime | None
    end_reason: str | None
    actor: str


def grants_of(
    session: Session, *, actor: Principal, entitlement_id: int | None = None, gateway_id: int | None = None, limit: int = 20
) -> tuple[GrantRow, ...]:
    """The grants of one entitlement, or a gateway's: those still on offer first, then the newest. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    query = pick(Grant, Gateway.name, Gateway.slug).join(Gateway, col(Gateway.id) == Grant.gateway_id)
    if entitlement_id is not None:
        found = session.execute(query.where(col(Grant.entitlement_id) == entitlement_id).order_by(col(Grant.id).desc()).limit(limit)).all()
        return tuple(_grant_row(row) for row in found)
    of_gateway = query.where(col(Grant.gateway_id) == gateway_id)
    waiting = session.execute(of_gateway.where(col(Grant.state).in_(ON_OFFER)).order_by(col(Grant.id)).limit(limit)).all()
    running = session.execute(
        of_gateway.where(col(Grant.state).in_((GrantState.ACKED, GrantState.UNCONFIRMED))).order_by(col(Grant.id).desc()).limit(limit)
    ).all()
    return tuple(_grant_row(row) for row in (*waiting, *running))


def _grant_row(found: Any) -> GrantRow:
    grant, gateway_name, slug = found
    return GrantRow(
        id=grant.id,
        state=grant.state,
        gateway_name=gateway_name,
        gateway_slug=slug,
        # A few characters tell two clients of one router apart; the whole hash identifies a person's device.
        client=grant.mac or f"{(grant.hid or '')[:8]}…",
        created_at=grant.created_at,
        offer_count=grant.offer_count,
        acked_at=grant.acked_at,
        ends_at=grant.ends_at,
        end_reason=grant.end_reason,
        actor=grant.actor,
    )


@dataclass(frozen=True)
class GatewayRow:
    id: int
    slug: str
    name: str
    gateway_name: str
    site_name: str | None
    level: int
    version: str | None
    last_poll_at: datetime | None
    last_clear_at: datetime | None
    created_at: datetime
    site_id: int | None
    revision: str

    def is_silent(self, *, now: datetime) -> bool:
        """It polled before and no longer does."""
        return self.last_poll_at is not None and now - self.last_poll_at > SILENT_AFTER


_GATEWAY_SORTS: dict[str, Sequence[Any]] = {
    "name": (col(Gateway.name), col(Gateway.id)),
    "created": (col(Gateway.created_at), col(Gateway.id)),
}


def _gateways_query() -> sa.Select[Any]:
    return pick(Gateway, Site.name).outerjoin(Site, col(Site.id) == Gateway.site_id)


def list_gateways(session: Session, *, actor: Principal, search: str, part: Slice) -> Listing[GatewayRow]:
    """One page of gateways; there are thousands at most, so a text is looked for anywhere in their names. Raises Forbidden."""
    actor.require(Permission.GATEWAYS_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if text := search.strip():
        fields = (Gateway.name, Gateway.slug, Gateway.gateway_name, Site.name)
        conditions.append(sa.or_(*(col(field).icontains(text, autoescape=True) for field in fields)))
    found = fetch(session, _gateways_query().where(*conditions), part, sorts=_GATEWAY_SORTS, default_sort="name")
    counted = pick(Gateway.id).outerjoin(Site, col(Site.id) == Gateway.site_id).where(*conditions)
    total, is_estimate = count(session, counted, part=part)
    return Listing(_gateway_rows(found), total, is_estimate)


def gateway_choices(session: Session, *, actor: Principal) -> dict[str, str]:
    """Slug to name of the first thousand gateways, for a filter's menu. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    found = session.execute(pick(Gateway.slug, Gateway.name).order_by(col(Gateway.name)).limit(1000)).all()
    return {row.slug: row.name for row in found}


def gateway_page(session: Session, *, actor: Principal, slug: str) -> GatewayRow:
    """Raises Forbidden or GatewayNotFound."""
    actor.require(Permission.GATEWAYS_READ)
    found = session.execute(_gateways_query().where(col(Gateway.slug) == slug)).all()
    if not found:
        raise GatewayNotFound
    return _gateway_rows(found)[0]


def silent_gateways(session: Session, *, actor: Principal, now: datetime) -> tuple[GatewayRow, ...]:
    """Those that polled before and stopped, longest silence first. Raises Forbidden."""
    actor.require(Permission.DASHBOARD_READ)
    # The row's own time may lag behind Redis, never run ahead of it: who is fresh here needs no second look.
    maybe = session.execute(_gateways_query().where(col(Gateway.last_poll_at).is_not(None)).limit(1000)).all()
    rows = [row for row in _gateway_rows(maybe) if row.is_silent(now=now)]
    return tuple(sorted(rows, key=lambda row: row.last_poll_at or now))


def _gateway_rows(found: Iterable[Any]) -> tuple[GatewayRow, ...]:
    pairs = list(found)
    polls = last_polls([gateway.slug for gateway, _ in pairs])
    return tuple(
        GatewayRow(
            id=gateway.id,
            slug=gateway.slug,
            name=gateway.name,
            gateway_name=gateway.gateway_name,
            site_name=site,
            level=gateway.level,
            version=gateway.version,
            last_poll_at=max((at for at in (gateway.last_poll_at, polls.get(gateway.slug)) if at), default=None),
            last_clear_at=gateway.last_clear_at,
            created_at=gateway.created_at,
            site_id=gateway.site_id,
            revision=gateway.revision,
        )
        for gateway, site in pairs
    )


def last_polls(slugs: list[str]) -> dict[str, datetime]:
    """When Redis last saw each of these gateways poll; empty without Redis, when the rows' own times have to do."""
    if not slugs:
        return {}
    try:
        seen: Any = redis.client().hmget(busy.SEEN, slugs)
    except redis.Away:
        return {}
    return {slug: at for slug, value in zip(slugs, seen, strict=True) if (at := _read_seen(value)) is not None}


def _read_seen(value: object) -> datetime | None:
    """The hash holds unix seconds, perhaps followed by `|` and the router's user agent."""
    if not isinstance(value, bytes):
        return None
    try:
        return datetime.fromtimestamp(float(value.split(b"|")[0]), tz=UTC)
    except (ValueError, OverflowError):
        return None
