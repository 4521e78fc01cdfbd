"""Changing a router's key without a gap.

A router has one key, and we cannot see when it gets another. So a new key stands beside the old one, both open, and the router's own use of
the new one completes the change. At level 4 only an acknowledgement shows that, and whoever shares the router's Wi-Fi can forge one
(opennds.md §8); so the former key goes on opening for a day, and an acknowledgement under it takes the change back. Whatever is forged,
nobody is shut out.

In the row: `faskey_next_at` set means that the second key is the next one; a second key without it is the former one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.errors import Conflict
from app.events import publish
from app.keys import seal
from services.access import busy
from services.access.errors import GatewayNotFound
from services.access.gateways import FASKEY, keys_of, new_faskey
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit

# How long a key that was replaced goes on opening after the new one was last seen to be taken up.
FORMER_OPENS = timedelta(hours=24)
log = structlog.get_logger(__name__)


class RotationUnderWay(Conflict):
    code, title = "key_rotation_under_way", "The key is being changed already"
    message = "This router's key is being changed already. Put the new key into the router, or call the change off first."


class NoRotation(Conflict):
    code, title = "no_key_rotation", "The key is not being changed"
    message = "This router has one key, and it is not being changed."


class KeyState(StrEnum):
    """`waiting`: the router has not used the new key yet. `settling`: it has, and the former one opens a while longer."""

    STEADY = "steady"
    WAITING = "waiting"
    SETTLING = "settling"


def key_state(gateway: Gateway) -> KeyState:
    if gateway.faskey_next_sealed is None:
        return KeyState.STEADY
    return KeyState.SETTLING if gateway.faskey_next_at is None else KeyState.WAITING


def wanted_key(gateway: Gateway) -> str:
    """The key that the router ought to have: the new one from the moment it is made."""
    keys = keys_of(gateway)
    return keys[1] if key_state(gateway) is KeyState.WAITING else keys[0]


def rotate_key(session: Session, *, actor: Principal, slug: str, now: datetime) -> Gateway:
    """Make a new key, to be put into the router at leisure. Raises Forbidden, GatewayNotFound or RotationUnderWay."""
    gateway = _locked(session, actor, slug)
    if key_state(gateway) is KeyState.WAITING:
        raise RotationUnderWay
    # A key changed again within a day of the last change: two stand beside each other, never three.
    gateway.faskey_next_sealed, gateway.faskey_next_at = seal(FASKEY, new_faskey().encode()), now
    _changed(session, gateway)
    audit.record(session, actor, "gateway.rotate_key", target=("gateway", slug), now=now)
    return gateway


def cancel_rotation(session: Session, *, actor: Principal, slug: str, now: datetime) -> Gateway:
    """Forget the second key: the new one while the router has not taken it up, the former one afterwards.

    Raises Forbidden, GatewayNotFound or NoRotation.
    """
    gateway = _locked(session, actor, slug)
    state = key_state(gateway)
    if state is KeyState.STEADY:
        raise NoRotation
    gateway.faskey_next_sealed = gateway.faskey_next_at = None
    _changed(session, gateway)
    action = "gateway.cancel_rotation" if state is KeyState.WAITING else "gateway.forget_former_key"
    audit.record(session, actor, action, target=("gateway", slug), now=now)
    return gateway


def key_used(session: Session, *, gateway_id: int, key: str, is_fresh: bool, now: datetime) -> None:
    """A router showed that it has this key. Does nothing unless that is the second of two.

    A redirect is not `is_fresh`: an old tab shows again what was encrypted under the former key, which says nothing of today's.
    """
    gateway = session.exec(select(Gateway).where(Gateway.id == gateway_id).with_for_update()).one()
    keys = keys_of(gateway)
    if len(keys) == 1 or key != keys[1]:
        return
    state = key_state(gateway)
    if state is KeyState.SETTLING and not is_fresh:
        return
    first = gateway.faskey_sealed
    assert gateway.faskey_next_sealed is not None
    gateway.faskey_sealed, gateway.faskey_next_sealed = gateway.faskey_next_sealed, first
    if state is KeyState.WAITING:
        gateway.faskey_next_at, gateway.faskey_rotated_at = None, now
        action = "gateway.key_taken_up"
    else:
        gateway.faskey_next_at = now
        action = "gateway.former_key_used"
    _changed(session, gateway)
    audit.record(session, _Router(gateway.slug), action, target=("gateway", gateway.slug), now=now)
    log.info(action, gateway_id=gateway_id)


def forget_former_keys(session: Session, *, now: datetime) -> int:
    """Drop the former keys whose day is over. Answers how many."""
    over = sa.and_(
        col(Gateway.faskey_next_sealed).is_not(None),
        col(Gateway.faskey_next_at).is_(None),
        col(Gateway.faskey_rotated_at) <= now - FORMER_OPENS,
    )
    due = session.exec(select(Gateway).where(over).with_for_update(skip_locked=True)).all()
    for gateway in due:
        gateway.faskey_next_sealed = None
        _changed(session, gateway)
    return len(due)


@dataclass(frozen=True)
class _Router:
    slug: str

    @property
    def label(self) -> str:
        return f"router:{self.slug}"


def _locked(session: Session, actor: Principal, slug: str) -> Gateway:
    actor.require(Permission.GATEWAYS_EDIT)
    gateway = session.exec(select(Gateway).where(Gateway.slug == slug).with_for_update()).one_or_none()
    if gateway is None:
        raise GatewayNotFound
    return gateway


def _changed(session: Session, gateway: Gateway) -> None:
    session.flush()
    busy.gateways_changed(session)
    publish(session, "gateways", gateway.id)
