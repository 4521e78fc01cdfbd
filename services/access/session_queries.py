"""Long reads of access sessions: the list by place, customer and state, and all that is known of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access import slots
from services.access.entitlements import data_left
from services.access.errors import SessionNotFound
from services.access.models import AccessSession, Entitlement, EntitlementState, Gateway, SessionState
from services.access.slots import DeviceView
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.network.models import Site
from services.packages import service as packages
from services.payments.models import Payment

Which = Literal["live", "ended", "all"]


@dataclass(frozen=True)
class SessionFilter:
    which: Which = "live"
    gateway_slug: str | None = None
    search: str = ""
    site_id: int | None = None
    customer_id: int | None = None
    state: SessionState | None = None


@dataclass(frozen=True)
class SessionRow:
    """`reference` is the payment's receipt code, None for vouchers and direct grants; `ends_at` is what the router was told.

    `time_ends_at` is the end of the purchased time, None where there is none or it has not begun. `live_` bytes are what the router's
    script counted until `live_at`; `bytes_` what was reported at the end.
    """

    id: int
    state: SessionState
    masked_phone: str | None
    customer_id: int | None
    mac: str | None
    device_id: int | None
    gateway_name: str
    gateway_slug: str
    site_id: int | None
    site_name: str | None
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    bytes_down: int | None
    bytes_up: int | None
    live_bytes_down: int | None
    live_bytes_up: int | None
    live_at: datetime | None
    entitlement_id: int | None
    voucher_id: int | None
    time_ends_at: datetime | None
    paused_at: datetime | None
    quota_bytes: int | None
    bytes_used: int | None
    reference: str | None
    # Nobody tells of those who are or are not online there (opennds.md §8, "Session ends").
    gateway_is_silent: bool

    @property
    def bytes_so_far(self) -> int | None:
        """Down and up together; None while nothing was told."""
        down, up = (self.live_bytes_down, self.live_bytes_up) if self.bytes_down is None else (self.bytes_down, self.bytes_up)
        return None if down is None else down + (up or 0)


_SESSION_SORTS: dict[str, Sequence[Any]] = {"started": (col(AccessSession.started_at), col(AccessSession.id))}
# Only what runs is indexed by its end.
_LIVE_SORTS: dict[str, Sequence[Any]] = {**_SESSION_SORTS, "ends": (col(AccessSession.ends_at), col(AccessSession.id))}


def _gateway_is_silent() -> sa.ColumnElement[bool]:
    of_gateway = (col(NetworkAlarm.kind) == AlarmKind.GATEWAY_SILENT) & (col(NetworkAlarm.subject) == Gateway.slug)
    return sa.exists().where(of_gateway, col(NetworkAlarm.ended_at).is_(None)).correlate(Gateway)


def _sessions_query() -> sa.Select[Any]:
    return (
        pick(AccessSession, Customer, Gateway, Site.name, Entitlement, Payment.reference, _gateway_is_silent())
        .select_from(AccessSession)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .outerjoin(Site, col(Site.id) == Gateway.site_id)
        .outerjoin(Customer, col(Customer.id) == AccessSession.customer_id)
        .outerjoin(Entitlement, col(Entitlement.id) == AccessSession.entitlement_id)
        .outerjoin(Payment, col(Payment.id) == Entitlement.payment_id)
    )


def _session_row(found: Any) -> SessionRow:
    row, customer, gateway, site_name, entitlement, reference, is_silent = found
    return SessionRow(
        id=row.id,
        state=row.state,
        masked_phone=customer.masked_phone if customer else None,
        customer_id=row.customer_id,
        mac=row.mac,
        device_id=row.device_id,
        gateway_name=gateway.name,
        gateway_slug=gateway.slug,
        site_id=gateway.site_id,
        site_name=site_name,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        bytes_down=row.bytes_down,
        bytes_up=row.bytes_up,
        live_bytes_down=row.live_bytes_down,
        live_bytes_up=row.live_bytes_up,
        live_at=row.live_at,
        entitlement_id=row.entitlement_id,
        voucher_id=entitlement.voucher_id if entitlement else None,
        time_ends_at=entitlement.ends_at if entitlement else None,
        paused_at=entitlement.paused_at if entitlement else None,
        quota_bytes=entitlement.quota_bytes if entitlement else None,
        bytes_used=entitlement.bytes_used if entitlement else None,
        reference=reference,
        gateway_is_silent=is_silent,
    )


def list_sessions(session: Session, *, actor: Principal, wanted: SessionFilter, part: Slice) -> Listing[SessionRow]:
    """One page of access sessions. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    conditions = _session_conditions(session, wanted)
    sorts = _LIVE_SORTS if wanted.which == "live" else _SESSION_SORTS
    found = fetch(session, _sessions_query().where(*conditions), part, sorts=sorts, default_sort="started")
    whole = "access_session" if wanted == SessionFilter(which="all") else None
    total, is_estimate = count(session, pick(AccessSession.id).where(*conditions), whole_table=whole, part=part)
    return Listing(tuple(_session_row(row) for row in found), total, is_estimate)


def _session_conditions(session: Session, wanted: SessionFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.which == "live":
        # As the indexes of those have it.
        conditions.append(col(AccessSession.ended_at).is_(None))
    elif wanted.which == "ended":
        conditions.append(col(AccessSession.ended_at).is_not(None))
    if wanted.state is not None:
        conditions.append(col(AccessSession.state) == wanted.state)
    if wanted.gateway_slug:
        gateway_id = session.exec(select(Gateway.id).where(Gateway.slug == wanted.gateway_slug)).one_or_none()
        conditions.append(col(AccessSession.gateway_id) == gateway_id)
    if wanted.site_id is not None:
        conditions.append(col(AccessSession.gateway_id).in_(select(Gateway.id).where(Gateway.site_id == wanted.site_id)))
    if wanted.customer_id is not None:
        conditions.append(col(AccessSession.customer_id) == wanted.customer_id)
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


def session_row(session: Session, *, actor: Principal, session_id: int) -> SessionRow:
    """Raises Forbidden or SessionNotFound."""
    actor.require(Permission.SESSIONS_READ)
    found = session.execute(_sessions_query().where(col(AccessSession.id) == session_id)).one_or_none()
    if found is None:
        raise SessionNotFound
    return _session_row(found)


def entitlement_of_session(session: Session, session_id: int) -> int | None:
    """The purchased time that a session uses, for who may act on it. Raises SessionNotFound."""
    row = session.get(AccessSession, session_id)
    if row is None:
        raise SessionNotFound
    return row.entitlement_id


def site_choices(session: Session, *, actor: Principal) -> dict[str, str]:
    """Number to name of the first thousand sites that have a gateway, for a filter's menu. Raises Forbidden."""
    actor.require(Permission.SESSIONS_READ)
    with_gateway = select(Gateway.site_id).where(col(Gateway.site_id).is_not(None))
    found = session.execute(pick(Site.id, Site.name).where(col(Site.id).in_(with_gateway)).order_by(col(Site.name)).limit(1000)).all()
    return {str(row.id): row.name for row in found}


@dataclass(frozen=True)
class PurchasedTime:
    """What was bought and what is left of it, counted over all sessions together."""

    id: int
    state: EntitlementState
    package_name: str
    voucher_id: int
    seconds_left: int
    seconds_total: int
    ends_at: datetime | None
    use_before: datetime
    paused_at: datetime | None
    bytes_left: int | None
    quota_bytes: int | None
    device_limit: int
    swaps_left: int


@dataclass(frozen=True)
class SessionPage:
    """`time` is None, and the tuples empty, for a client that was let in without a purchase."""

    row: SessionRow
    gateway_level: int
    time: PurchasedTime | None
    devices: tuple[DeviceView, ...]
    sessions: tuple[SessionRow, ...]


def session_page(session: Session, *, actor: Principal, session_id: int, now: datetime) -> SessionPage:
    """One session with the time it belongs to. Raises Forbidden or SessionNotFound."""
    row = session_row(session, actor=actor, session_id=session_id)
    level = session.exec(select(Gateway.level).where(Gateway.slug == row.gateway_slug)).one()
    if row.entitlement_id is None:
        return SessionPage(row, level, None, (), ())
    entitlement = session.get_one(Entitlement, row.entitlement_id)
    return SessionPage(
        row,
        level,
        _purchased(session, entitlement, now=now),
        slots.devices_on(session, entitlement),
        sessions_of(session, actor=actor, entitlement_id=row.entitlement_id, limit=50),
    )


def _purchased(session: Session, entitlement: Entitlement, *, now: datetime) -> PurchasedTime:
    assert entitlement.id is not None
    return PurchasedTime(
        id=entitlement.id,
        state=entitlement.state,
        package_name=packages.terms_of(session, entitlement.package_version_id).name,
        voucher_id=entitlement.voucher_id,
        seconds_left=entitlement.seconds_left(now=now),
        seconds_total=entitlement.seconds_total,
        ends_at=entitlement.ends_at,
        use_before=entitlement.use_before,
        paused_at=entitlement.paused_at,
        bytes_left=data_left(session, entitlement),
        quota_bytes=entitlement.quota_bytes,
        device_limit=entitlement.device_limit,
        swaps_left=slots.swaps_left(session, entitlement.id, now=now),
    )
