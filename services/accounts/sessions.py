"""Staff sessions: held by Redis, opaque, listed, revocable at once, gone with a FLUSHALL (log in again).

A session is named by the keyed hash of its token, so that a copy of Redis opens nothing. What a person may do is read from
PostgreSQL at each action; the session only says who they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session

from app import origin, redis
from app.errors import Unavailable
from app.keys import keyed_mac
from services.accounts import second_factor
from services.accounts.models import Staff
from services.accounts.permissions import OWN_ACCOUNT, ROLE_PERMISSIONS, Principal

LIFETIME = timedelta(hours=12)
_TOKEN = "staff-session"  # noqa: S105 - the purpose of a key
_REFRESH = "staff-refresh"
# Swaps the refresh token only if the one shown is the current one: of two at once one wins, and an old one ends the session.
_ROTATE = """
local current = redis.call('HGET', KEYS[1], 'refresh')
if not current then return 0 end
if current ~= ARGV[1] then redis.call('DEL', KEYS[1]) return -1 end
redis.call('HSET', KEYS[1], 'refresh', ARGV[2])
return 1
"""


@dataclass(frozen=True)
class OpenSession:
    """One place where a person is logged in."""

    id: str
    began_at: datetime
    address: str
    agent: str
    # Compared with the person's: a session of an older epoch is dead, though Redis may still hold it.
    epoch: int = 0


def _key(session_id: str) -> str:
    return f"staff-session:{session_id}"


def _of(staff_id: int) -> str:
    return f"staff-sessions:{staff_id}"


def open_session(staff: Staff, *, now: datetime, agent: str = "") -> str:
    """Log this person in; answers the token that the browser or app keeps. Raises Unavailable without Redis."""
    token = secrets.token_urlsafe(32)
    _store(session_id_of(token), staff, now=now, agent=agent)
    return token


def session_id_of(token: str) -> str:
    return keyed_mac(_TOKEN, token)


def _store(session_id: str, staff: Staff, *, now: datetime, agent: str, **more: str) -> None:
    assert staff.id is not None
    held: dict[str, str | int] = {
        "staff": staff.id,
        "epoch": staff.session_epoch,
        "began": int(now.timestamp()),
        "address": origin.current(),
        "agent": agent[:120],
        **more,
    }
    with _told_when_away():
        pipeline = redis.client().pipeline(transaction=True)
        pipeline.hset(_key(session_id), mapping=held)  # type: ignore[arg-type]  # numbers are fine
        pipeline.expire(_key(session_id), LIFETIME)
        pipeline.sadd(_of(staff.id), session_id)
        pipeline.expire(_of(staff.id), LIFETIME)
        pipeline.execute()


@contextmanager
def _told_when_away() -> Iterator[None]:
    """Turns a Redis that does not answer into the refusal that a person reads."""
    try:
        yield
    except redis.Away:
        raise Unavailable("Log-in is closed for a moment: the session store is not answering. Try again in a minute.") from None


def principal_of_session(session: Session, session_id: str) -> Principal | None:
    """Who holds this session now, with the rights of this moment; None when it ended or the person was disabled."""
    with _told_when_away():
        staff_id, epoch = redis.client().hmget(_key(session_id), ["staff", "epoch"])
    if staff_id is None or epoch is None:
        return None
    staff = session.get(Staff, int(staff_id))
    if staff is None or not staff.is_active or staff.session_epoch != int(epoch):
        return None
    return principal_of(staff)


def principal_of(staff: Staff) -> Principal:
    assert staff.id is not None
    must_enrol = second_factor.is_required(staff.role) and not staff.has_second_factor
    return Principal(
        kind="staff",
        id=staff.id,
        name=staff.name,
        email=staff.email,
        role=staff.role,
        permissions=OWN_ACCOUNT if must_enrol else ROLE_PERMISSIONS[staff.role],
        must_enrol=must_enrol,
    )


def end_session(session_id: str) -> None:
    """End a session; ending one that is gone is fine."""
    with _told_when_away():
        redis.client().delete(_key(session_id))


def end_every_session(staff_id: int, *, but: str | None = None) -> None:
    """Take every session of this person out of Redis, except the one named `but`. They died with the epoch; this only tidies up."""
    with _told_when_away():
        client = redis.client()
        for raw in client.smembers(_of(staff_id)):
            session_id = raw.decode() if isinstance(raw, bytes) else raw
            if session_id != but:
                client.delete(_key(session_id))
                client.srem(_of(staff_id), session_id)


def open_sessions(staff_id: int) -> list[OpenSession]:
    """Where this person is logged in now, newest first; ended ones are dropped from the list."""
    found = []
    with _told_when_away():
        client = redis.client()
        for raw in client.smembers(_of(staff_id)):
            session_id = raw.decode() if isinstance(raw, bytes) else raw
            held: dict[bytes, bytes] = client.hgetall(_key(session_id))  # type: ignore[assignment]
            if held:
                found.append(_read(session_id, held))
            else:
                client.srem(_of(staff_id), session_id)
    return sorted(found, key=lambda one: one.began_at, reverse=True)


def _read(session_id: str, held: dict[bytes, Any]) -> OpenSession:
    began_at = datetime.fromtimestamp(int(held[b"began"]), UTC)
    return OpenSession(session_id, began_at, held[b"address"].decode(), held[b"agent"].decode(), int(held[b"epoch"]))


@dataclass(frozen=True)
class RefreshToken:
    """A token of the JSON API that is swapped at every use. `<session id>.<secret>`."""

    session_id: str
    text: str


def open_refreshable(staff: Staff, *, now: datetime, agent: str = "") -> RefreshToken:
    """Log in for the JSON API: the session lives as long as its refresh tokens are swapped one by one."""
    session_id, secret = secrets.token_hex(32), secrets.token_urlsafe(32)
    _store(session_id, staff, now=now, agent=agent, refresh=keyed_mac(_REFRESH, secret))
    return RefreshToken(session_id, f"{session_id}.{secret}")


def swap_refresh(text: str) -> RefreshToken | None:
    """Swap a refresh token for the next one. A token that was used before ends the whole session: somebody else holds a copy."""
    session_id, _, secret = text.partition(".")
    fresh = secrets.token_urlsafe(32)
    with _told_when_away():
        swapped = redis.client().eval(_ROTATE, 1, _key(session_id), keyed_mac(_REFRESH, secret), keyed_mac(_REFRESH, fresh))
    return RefreshToken(session_id, f"{session_id}.{fresh}") if swapped == 1 else None


def forget_everything(staff: Staff) -> None:
    """Every session of this person ends with its next action, wherever it is."""
    staff.session_epoch += 1
