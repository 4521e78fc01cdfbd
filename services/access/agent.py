"""The optional script on a router: its key, what it reports, and the clients it is told to put out (docs/router-agent.md).

What it says is believed because it is signed: unlike a poll, a report ends nothing and opens nothing for whoever only shares the Wi-Fi.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.events import publish
from app.keys import seal, unseal
from services.access import grants, usage
from services.access.errors import GatewayNotFound
from services.access.models import LIVE, AccessSession, DeauthOrder, Entitlement, Gateway, Grant, GrantState, SessionState
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.integrations import opennds
from services.integrations.opennds import agent_wire
from services.integrations.opennds.agent_wire import AgentClient, AgentReport

AGENT_KEY = "gateway-agent"
"""What the script's key is sealed for."""
SEEN_LATELY = timedelta(minutes=3)
"""A script that spoke this short a time ago will carry out an order."""
GIVE_UP_AFTER = timedelta(minutes=10)
PREFIX = "inet1:"
# Counters are the router's clock: one far ahead of ours would shut out every later report once the clock is set right.
_AHEAD_SECONDS = 600
_SCRIPT = Path(__file__).parents[2] / "deploy" / "router" / "inet-agent.sh"
_PLACE_OF_KEY = "@INET_AGENT_KEY@"
_CONFIRMABLE = (GrantState.OFFERED, GrantState.UNCONFIRMED)


def script_for(session: Session, *, actor: Principal, slug: str, now: datetime) -> str:
    """The script with the key of this router, made at the first time. Raises Forbidden, FreshProofNeeded or GatewayNotFound."""
    gateway = _locked(session, actor, slug, now=now)
    if gateway.agent_key_sealed is None:
        gateway.agent_key_sealed, gateway.agent_counter = seal(AGENT_KEY, secrets.token_hex(32).encode()), 0
        session.flush()
        publish(session, "gateways", gateway.id)
    audit.record(session, actor, "gateway.agent_script", target=("gateway", slug), now=now)
    return _SCRIPT.read_text().replace(_PLACE_OF_KEY, unseal(AGENT_KEY, gateway.agent_key_sealed).decode())


def forget_script(session: Session, *, actor: Principal, slug: str, now: datetime) -> None:
    """Believe this router's script no longer; a script fetched afterwards has a new key.

    Raises Forbidden, FreshProofNeeded or GatewayNotFound.
    """
    gateway = _locked(session, actor, slug, now=now)
    gateway.agent_key_sealed = gateway.agent_seen_at = gateway.agent_clients = None
    session.flush()
    audit.record(session, actor, "gateway.forget_agent", target=("gateway", slug), now=now)
    publish(session, "gateways", gateway.id)


def _locked(session: Session, actor: Principal, slug: str, *, now: datetime) -> Gateway:
    actor.require(Permission.GATEWAYS_EDIT)
    actor.require_proof(now=now)
    gateway = session.exec(select(Gateway).where(Gateway.slug == slug).with_for_update()).one_or_none()
    if gateway is None:
        raise GatewayNotFound
    return gateway


def is_listening(gateway: Gateway, *, now: datetime) -> bool:
    """Whether the router has a script that will hear an order within a minute or two."""
    return gateway.agent_seen_at is not None and now - gateway.agent_seen_at <= SEEN_LATELY


def take_report(session: Session, *, gateway_id: int, text: str, now: datetime) -> bytes:
    """Take a `custom` call in and answer it. What is unsigned, forged or played back changes nothing and is answered `ack`."""
    gateway = session.exec(select(Gateway).where(Gateway.id == gateway_id).with_for_update()).one()
    if gateway.agent_key_sealed is None:
        return b"ack"
    key = unseal(AGENT_KEY, gateway.agent_key_sealed).decode()
    report = opennds.read_report(text, key=key)
    if report is None or not gateway.agent_counter < report.counter <= now.timestamp() + _AHEAD_SECONDS:
        return b"ack"
    gateway.agent_counter, gateway.agent_seen_at, gateway.agent_clients = report.counter, now, report.online
    held = _count_live(session, gateway_id, report, now=now)
    _put_out_who_used_up(session, held, now=now)
    orders = _orders(session, gateway_id, report, held, now=now)
    session.flush()
    publish(session, "gateways", gateway_id)
    return agent_wire.answer(key, report.counter, orders)


def _count_live(session: Session, gateway_id: int, report: AgentReport, *, now: datetime) -> dict[str, AccessSession]:
    """Note what each client used so far. Answers the sessions by the MAC that the router knows the client by."""
    by_hid = {opennds.hid_of(client.token): client for client in report.clients}
    by_mac = {client.mac: client for client in report.clients}
    named = sa.or_(
        col(Grant.hid).in_(by_hid),
        sa.and_(col(Grant.hid).is_(None), col(Grant.mac).in_(by_mac)),
    )
    found = session.exec(
        select(Grant)
        .where(Grant.gateway_id == gateway_id, col(Grant.state).in_(LIVE), Grant.offer_count > 0, named)
        .order_by(col(Grant.id))
        .with_for_update()
    ).all()
    held = {}
    for grant in found:
        client = by_hid[grant.hid] if grant.hid else by_mac[str(grant.mac)]
        row = _proved(session, grant, now=now)
        if row is not None:
            _note(row, client, now=now)
            held[client.mac] = row
            publish(session, "sessions", row.id)
    session.flush()
    return held


def _proved(session: Session, grant: Grant, *, now: datetime) -> AccessSession | None:
    """The grant's session; a client that the router lists as let in was let in, whatever became of the acknowledgement."""
    if grant.state in _CONFIRMABLE:
        grant.state = GrantState.ACKED
        return grants.confirm(session, grant, started_at=grant.acked_at or now, now=now)
    row = session.exec(select(AccessSession).where(AccessSession.grant_id == grant.id).with_for_update()).one_or_none()
    return row if row is not None and row.state is not SessionState.ENDED else None


def _note(row: AccessSession, client: AgentClient, *, now: datetime) -> None:
    # At level 4 the redirect's MAC was anybody's word; this one is the router's.
    row.mac = client.mac
    row.live_bytes_down, row.live_bytes_up, row.live_at = client.bytes_down, client.bytes_up, now


def _put_out_who_used_up(session: Session, held: dict[str, AccessSession], *, now: datetime) -> None:
    ids = {row.entitlement_id for row in held.values() if row.entitlement_id is not None}
    if not ids:
        return
    rows = session.exec(select(Entitlement).where(col(Entitlement.id).in_(ids), col(Entitlement.quota_bytes).is_not(None))).all()
    live = usage.unsettled_bytes(session, [row.id for row in rows if row.id is not None])
    used_up = {row.id for row in rows if row.bytes_left is not None and row.bytes_left <= live.get(row.id or 0, 0)}
    for mac, row in held.items():
        if row.entitlement_id in used_up:
            order_out(session, gateway_id=row.gateway_id, mac=mac, grant_id=row.grant_id, now=now)


def order_out(session: Session, *, gateway_id: int, mac: str, grant_id: int | None, now: datetime) -> None:
    """Have the router put this client out with its script's next reports. One open order for a client, however often it is asked for."""
    values = {"gateway_id": gateway_id, "mac": mac, "grant_id": grant_id, "created_at": now, "give_up_at": now + GIVE_UP_AFTER}
    session.execute(insert(DeauthOrder).values(**values).on_conflict_do_nothing())


def put_out(session: Session, row: AccessSession, *, now: datetime) -> bool:
    """Order the client of a session that we ended to be put out, where its router can. Answers whether it will be.

    A MAC that only the customer vouched for (level 4, and the script never saw the client) might be another person's: no order then.
    """
    gateway = session.get_one(Gateway, row.gateway_id)
    if row.mac is None or not is_listening(gateway, now=now) or (gateway.level == 4 and row.live_at is None):
        return False
    order_out(session, gateway_id=row.gateway_id, mac=row.mac, grant_id=row.grant_id, now=now)
    return True


def _orders(session: Session, gateway_id: int, report: AgentReport, held: dict[str, AccessSession], *, now: datetime) -> list[str]:
    """The MACs to put out now; orders that are done with are closed."""
    there = {client.mac for client in report.clients}
    query = select(DeauthOrder).where(DeauthOrder.gateway_id == gateway_id, col(DeauthOrder.done_at).is_(None))
    wanted = []
    for order in session.exec(query.order_by(col(DeauthOrder.id)).with_for_update()).all():
        if report.covers(order.mac) and order.mac not in there:
            order.done_at, order.outcome = now, "gone"
        elif order.mac in held and held[order.mac].grant_id != order.grant_id:
            # Meanwhile the same phone was let in again on other time.
            order.done_at, order.outcome = now, "let_in_again"
        elif order.give_up_at <= now:
            order.done_at, order.outcome = now, "given_up"
        else:
            wanted.append(order.mac)
    return wanted[: agent_wire.MAX_ORDERS]


def give_up_orders(session: Session, *, now: datetime) -> int:
    """Close the orders that no report fetched in their time: a script that comes back must not put out who was let in since."""
    due = sa.and_(col(DeauthOrder.done_at).is_(None), col(DeauthOrder.give_up_at) <= now)
    given_up = session.execute(sa.update(DeauthOrder).where(due).values(done_at=now, outcome="given_up").returning(col(DeauthOrder.id)))
    return len(given_up.all())
