"""Grants: queue one for a client, and take what routers report of them. State machine: protocols/opennds.md §5."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.events import publish
from app.settings import get_settings
from services.access import busy, entitlements, outages
from services.access.context import HotspotContext
from services.access.errors import BadClient, NoTimeLeft
from services.access.gateway_keys import key_used
from services.access.gateways import keys_of
from services.access.models import LIVE, ON_OFFER, AccessSession, Entitlement, Gateway, Grant, GrantState, SessionState
from services.accounts.models import Device
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.integrations import opennds
from services.integrations.opennds.grants import MAX_NUMBER
from services.listing import pick
from services.payments import ledger
from services.payments.clearing import credits

# An entry of a client that was not admitted lives 30 minutes on the router; after that its grant can open nothing.
QUEUE_LIFETIME = timedelta(minutes=35)
# What a repeated wish for the same client replaces.
_TERMS = ("entitlement_id", "device_id", "seconds", "up_kbps", "down_kbps", "up_quota_kb", "down_quota_kb", "actor")


def grant_entitlement(
    session: Session,
    entitlement: Entitlement,
    device: Device,
    context: HotspotContext,
    *,
    now: datetime,
    actor: str = "system",
    again: bool = True,
) -> Grant:
    """Have this client let in for the time that is left. Repeating it is harmless: one live grant for one client of one router.

    A client that stands captive before us again has not been let in, whatever was acknowledged: its grant is offered anew, unless
    `again` is false.
    Raises NoTimeLeft.
    """
    if not entitlement.is_usable(now=now):
        raise NoTimeLeft
    return _queue(
        session,
        Grant(
            gateway_id=context.gateway_id,
            hid=context.hid,
            mac=context.mac,
            entitlement_id=entitlement.id,
            device_id=device.id,
            seconds=entitlement.seconds_left(now=now),
            up_kbps=entitlement.up_kbps,
            down_kbps=entitlement.down_kbps,
            actor=actor,
            created_at=now,
            give_up_at=now + QUEUE_LIFETIME,
        ),
        now=now,
        again=again,
    )


def is_in_on_other_time(session: Session, entitlement: Entitlement, context: HotspotContext, *, now: datetime) -> bool:
    """Whether its router has let this client in on another entitlement that has time left: a second entry it would not take."""
    running = session.exec(
        select(Entitlement)
        .join(Grant, col(Grant.entitlement_id) == Entitlement.id)
        .where(
            Grant.gateway_id == context.gateway_id,
            Grant.hid == context.hid,
            Grant.state == GrantState.ACKED,
            Entitlement.id != entitlement.id,
        )
    ).all()
    return any(other.is_usable(now=now) for other in running)


def grant_directly(
    session: Session,
    *,
    actor: Principal,
    gateway: Gateway,
    hid: str | None,
    mac: str | None,
    minutes: int,
    up_kbps: int,
    down_kbps: int,
    up_quota_kb: int,
    down_quota_kb: int,
    now: datetime,
) -> Grant:
    """`POST /authmon/allow`: let a client in without a purchase. Raises Forbidden or BadClient."""
    actor.require(Permission.ACCESS_GRANT)
    hid, mac = read_client(hid, mac)
    assert gateway.id is not None
    granted = {"hid": hid, "client": mac, "minutes": minutes}
    audit.record(session, actor, "access.grant", target=("gateway", gateway.slug), now=now, after=granted)
    return _queue(
        session,
        Grant(
            gateway_id=gateway.id,
            hid=hid,
            mac=mac,
            seconds=minutes * 60,
            up_kbps=up_kbps,
            down_kbps=down_kbps,
            up_quota_kb=up_quota_kb,
            down_quota_kb=down_quota_kb,
            actor=actor.label,
            created_at=now,
            give_up_at=now + QUEUE_LIFETIME,
        ),
        now=now,
    )


def read_client(hid: str | None, mac: str | None) -> tuple[str | None, str | None]:
    """Exactly one of the two, in its canonical spelling. Raises BadClient."""
    if (hid is None) == (mac is None):
        raise BadClient
    if hid is not None:
        if not opennds.is_hid(hid):
            raise BadClient
        return hid, None
    normal = opennds.mac_address(mac or "")
    if normal is None:
        raise BadClient
    return None, normal


def _queue(session: Session, grant: Grant, *, now: datetime, again: bool = True) -> Grant:
    gateway = session.get_one(Gateway, grant.gateway_id)
    values = grant.model_dump(exclude={"id"})
    fresh = session.execute(insert(Grant).values(**values).on_conflict_do_nothing().returning(col(Grant.id))).scalar_one_or_none()
    if fresh is not None:
        row = session.get_one(Grant, fresh)
    else:
        found = session.exec(_live_client(grant).with_for_update().execution_options(populate_existing=True)).one_or_none()
        if found is None:
            return _queue(session, grant, now=now, again=again)  # it ended in this very moment, so the way is free
        row = found
        if not again and row.entitlement_id == grant.entitlement_id:
            return row
        _offer_anew(row, grant, now=now)
        session.flush()
    busy.mark_busy(session, gateway.slug)
    publish(session, "grants", row.id)
    return row


def _live_client(grant: Grant) -> SelectOfScalar[Grant]:
    query = select(Grant).where(Grant.gateway_id == grant.gateway_id, col(Grant.state).in_(LIVE))
    if grant.hid is not None:
        return query.where(Grant.hid == grant.hid)
    return query.where(col(Grant.hid).is_(None), Grant.mac == grant.mac)


def _offer_anew(row: Grant, wanted: Grant, *, now: datetime) -> None:
    if wanted.entitlement_id is None or row.entitlement_id != wanted.entitlement_id:
        for name in _TERMS:
            setattr(row, name, getattr(wanted, name))
    row.state = GrantState.QUEUED
    row.first_offered_at = None
    row.give_up_at = now + QUEUE_LIFETIME


def entries_on_offer(session: Session, *, gateway_id: int, now: datetime) -> list[str]:
    """What the router's `view` is answered with: at most four entries, those offered least often first. Offering consumes nothing.

    While the router's key is being changed a client is named under both keys: the router cannot find one of them, and lets the other in.
    """
    rows = session.execute(
        pick(Grant, Gateway)
        .join(Gateway, col(Gateway.id) == Grant.gateway_id)
        .where(col(Grant.gateway_id) == gateway_id, col(Grant.state).in_(ON_OFFER))
        .order_by(col(Grant.offer_count), col(Grant.id))
        .limit(opennds.MAX_ENTRIES)
        .with_for_update(of=Grant)
    ).all()
    entries: list[str] = []
    keys = keys_of(rows[0][1]) if rows else ()
    window = timedelta(seconds=get_settings().grant_window_seconds)
    for grant, _ in rows:
        names = _names(grant, keys)
        if len(entries) + len(names) > opennds.MAX_ENTRIES:
            break
        entitlement = session.get(Entitlement, grant.entitlement_id) if grant.entitlement_id else None
        seconds = _seconds_to_open(grant, entitlement, now=now)
        data = entitlements.data_left(session, entitlement) if entitlement is not None else None
        if seconds <= 0 or data == 0:
            grant.state, grant.ended_at, grant.end_reason = GrantState.VOID, now, "no_time_left" if seconds <= 0 else "no_data_left"
            continue
        if grant.first_offered_at is None:
            grant.first_offered_at, grant.give_up_at = now, now + window
        grant.state = GrantState.OFFERED
        grant.offer_count += 1
        entries.extend(_entry(grant, name, seconds, data) for name in names)
    session.flush()
    return entries


def _names(grant: Grant, keys: Sequence[str]) -> list[str]:
    """By what the router may know this client."""
    return [opennds.rhid(grant.hid, key) for key in keys] if grant.hid else [str(grant.mac)]


def _entry(grant: Grant, name: str, seconds: int, data: int | None) -> str:
    assert grant.id is not None
    return opennds.grant_entry(
        rhid_or_mac=name,
        minutes=_minutes(seconds),
        upload_kbps=grant.up_kbps,
        download_kbps=grant.down_kbps,
        upload_kb=grant.up_quota_kb,
        download_kb=_down_quota_kb(grant, data),
        custom=opennds.custom_for(grant.id),
    )


def _seconds_to_open(grant: Grant, entitlement: Entitlement | None, *, now: datetime) -> int:
    if entitlement is None:
        return grant.seconds
    return min(grant.seconds, entitlement.seconds_left(now=now)) if entitlement.is_usable(now=now) else 0


def _minutes(seconds: int) -> int:
    """Rounded up, and never 0, which a router takes for 24 hours (opennds.md §4.3)."""
    return max(1, -(-seconds // 60))


def _down_quota_kb(grant: Grant, data: int | None) -> int:
    if data is None:
        return grant.down_quota_kb
    # What is more than a router can count is more than it can carry before it is asked again.
    return min(MAX_NUMBER, max(1, data // 1024))


def acknowledge(session: Session, *, gateway_id: int, acked: tuple[str, ...], now: datetime) -> int:
    """The router let these clients in. Repeats and unknown ones change nothing. Answers how many were news."""
    if not acked:
        return 0
    acknowledged = set(acked)
    waiting = session.execute(
        pick(Grant, Gateway)
        .join(Gateway, col(Gateway.id) == Grant.gateway_id)
        .where(
            col(Grant.gateway_id) == gateway_id,
            col(Grant.state).in_((*ON_OFFER, GrantState.UNCONFIRMED)),
            col(Grant.offer_count) > 0,
        )
        .order_by(col(Grant.id))
        .with_for_update(of=Grant)
    ).all()
    keys = keys_of(waiting[0][1]) if waiting else ()
    confirmed = [grant for grant, _ in waiting if acknowledged.intersection(_names(grant, keys))]
    for grant in confirmed:
        grant.state = GrantState.ACKED
        confirm(session, grant, started_at=grant.acked_at or now, now=now)
    if len(keys) > 1 and any(grant.hid and opennds.rhid(grant.hid, keys[1]) in acknowledged for grant in confirmed):
        key_used(session, gateway_id=gateway_id, key=keys[1], is_fresh=True, now=now)
    return len(confirmed)


def confirm(session: Session, grant: Grant, *, started_at: datetime, now: datetime) -> AccessSession:
    """Access is certain since `started_at`: the entitlement's clock runs, the access session stands, the payment is served."""
    entitlement = session.get(Entitlement, grant.entitlement_id, with_for_update=True) if grant.entitlement_id else None
    if entitlement is not None:
        # A purchase made while another ran on the same entry starts no earlier than it was made.
        entitlement.start(at=max(started_at, entitlement.created_at))
        outages.resume_entitlement(session, entitlement, at=started_at, now=now)
    seconds = min(grant.seconds, entitlement.seconds_left(now=started_at)) if entitlement else grant.seconds
    if grant.acked_at is None:
        grant.acked_at = started_at
        grant.ends_at = started_at + timedelta(minutes=_minutes(max(1, seconds)))
    row = session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id)).one_or_none()
    if row is None:
        row = _open_session(grant, entitlement, SessionState.ACTIVE, started_at=started_at)
        session.add(row)
    elif row.state is SessionState.UNCONFIRMED:
        row.state = SessionState.ACTIVE
    session.flush()
    publish(session, "sessions", row.id)
    if entitlement is not None and entitlement.payment_id is not None:
        ledger.mark_served(session, entitlement.payment_id, now=now)
    elif entitlement is not None:
        credits.earn(session, entitlement.voucher_id, now=now)
    return row


def open_unconfirmed(session: Session, grant: Grant) -> None:
    """Offered, and nothing was heard: probably online. The session is shown as such; the customer's clock does not run on a guess."""
    if session.exec(select(AccessSession.id).where(AccessSession.grant_id == grant.id)).one_or_none() is None:
        entitlement = session.get(Entitlement, grant.entitlement_id) if grant.entitlement_id else None
        assert grant.first_offered_at is not None
        session.add(_open_session(grant, entitlement, SessionState.UNCONFIRMED, started_at=grant.first_offered_at))
    session.flush()


def _open_session(grant: Grant, entitlement: Entitlement | None, state: SessionState, *, started_at: datetime) -> AccessSession:
    assert grant.id is not None
    return AccessSession(
        grant_id=grant.id,
        gateway_id=grant.gateway_id,
        entitlement_id=grant.entitlement_id,
        device_id=grant.device_id,
        customer_id=entitlement.customer_id if entitlement else None,
        mac=grant.mac,
        state=state,
        started_at=started_at,
        ends_at=grant.ends_at or started_at + timedelta(minutes=_minutes(grant.seconds)),
    )


def latest_grant(session: Session, *, gateway_id: int, hid: str | None, mac: str | None) -> Grant | None:
    """What became of this client's newest grant: for `GET /authmon/status`."""
    query = select(Grant).where(Grant.gateway_id == gateway_id).order_by(col(Grant.id).desc()).limit(1)
    return session.exec(query.where(Grant.hid == hid) if hid else query.where(Grant.mac == mac)).one_or_none()
