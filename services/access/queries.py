"""Long reads of access for the console: grants, gateways and when each was last heard of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from app import redis
from services.access import busy
from services.access.errors import GatewayNotFound
from services.access.gateway_keys import KeyState, key_state
from services.access.gateways import silent_after
from services.access.models import ON_OFFER, Gateway, Grant, GrantState
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.network.models import Site


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
    poll_seconds: int
    mac: str | None
    key_state: KeyState
    # When the key that the router has was made or taken up, and when one was made that it does not have yet.
    key_since: datetime
    next_key_at: datetime | None
    has_agent: bool
    agent_seen_at: datetime | None
    agent_clients: int | None
    revision: str

    def is_silent(self, *, now: datetime) -> bool:
        """It polled before and no longer does."""
        return self.last_poll_at is not None and now - self.last_poll_at > silent_after(self.poll_seconds)


_GATEWAY_SORTS: dict[str, Sequence[Any]] = {
    "name": (col(Gateway.name), col(Gateway.id)),
    "created": (col(Gateway.created_at), col(Gateway.id)),
}


def _gateways_query() -> sa.Select[Any]:
    return pick(Gateway, Site.name).outerjoin(Site, col(Site.id) == Gateway.site_id)


def list_gateways(
    session: Session, *, actor: Principal, search: str, part: Slice, is_silent: bool | None = None, site_id: int | None = None
) -> Listing[GatewayRow]:
    """One page of gateways; there are thousands at most, so a text is looked for anywhere in their names. Raises Forbidden."""
    actor.require(Permission.GATEWAYS_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if text := search.strip():
        fields = (Gateway.name, Gateway.slug, Gateway.gateway_name, Site.name)
        conditions.append(sa.or_(*(col(field).icontains(text, autoescape=True) for field in fields)))
    if is_silent is not None:
        alarm = (col(NetworkAlarm.kind) == AlarmKind.GATEWAY_SILENT) & (col(NetworkAlarm.subject) == Gateway.slug)
        stands = sa.exists().where(alarm, col(NetworkAlarm.ended_at).is_(None)).correlate(Gateway)
        conditions.append(stands if is_silent else ~stands)
    if site_id is not None:
        conditions.append(col(Gateway.site_id) == site_id)
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
            poll_seconds=gateway.poll_seconds,
            mac=gateway.mac,
            key_state=key_state(gateway),
            key_since=gateway.faskey_rotated_at or gateway.created_at,
            next_key_at=gateway.faskey_next_at,
            has_agent=gateway.agent_key_sealed is not None,
            agent_seen_at=gateway.agent_seen_at,
            agent_clients=gateway.agent_clients,
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
