"""Staff sessions: held by Redis, opaque, listed, revocable at once, gone with a FLUSHALL (log in again).

A session is named by the keyed hash of its token, so that a copy of Redis opens nothing. What a person may do is read from
PostgreSQL at each action; the session only says who they are, and when they last proved it.

It ends after `LIFETIME`, and earlier when nobody used it for a while: its key in Redis lives as long as it may be idle, and each use
puts that off. A mark beside it lives on, so that a person who comes back is told why. News that an open page merely receives is no use.
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
from app.errors import Unauthenticated, Unavailable
from app.keys import keyed_mac
from app.settings import get_settings
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
if current ~= ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) return -1 end
redis.call('HSET', KEYS[1], 'refresh', ARGV[2])
return 1
"""
# Answers who holds the session, and puts its idle end off, though never behind its last: one round trip, by the clock of Redis alone.
_USE = """
local held = redis.call('HMGET', KEYS[1], 'staff', 'epoch', 'proven', 'idle', 'ends')
if not held[1] then return {false, redis.call('GET', KEYS[2])} end
if ARGV[1] == '1' and held[5] then
  redis.call('EXPIRE', KEYS[1], math.min(tonumber(held[4]), tonumber(held[5]) - tonumber(redis.call('TIME')[1])))
end
return held
"""
# The last end is told in Redis's own time as well, so that no other clock has to agree with it.
_OPEN = """
redis.call('HSET', KEYS[1], 'ends', tonumber(redis.call('TIME')[1]) + tonumber(ARGV[2]), 'idle', ARGV[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], math.min(tonumber(ARGV[1]), tonumber(ARGV[2])))
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
"""


class SessionIdle(Unauthenticated):
    code, title = "session_idle", "You were logged out"

    def __init__(self, idle: timedelta) -> None:
        self.minutes = int(idle.total_seconds()) // 60
        super().__init__(f"You were logged out after {self.minutes} minutes without activity. Log in again.")


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


def _mark(session_id: str) -> str:
    return f"staff-session-began:{session_id}"


def _keys(session_id: str) -> tuple[str, str]:
    return _key(session_id), _mark(session_id)


def _of(staff_id: int) -> str:
    return f"staff-sessions:{staff_id}"


def open_session(staff: Staff, *, now: datetime, agent: str = "", proven_at: datetime | None = None) -> str:
    """A console session; answers the token that the browser keeps. `proven_at` is when the person last proved who they are: at a
    log-in, now. Raises Unavailable without Redis.
    """
    token = secrets.token_urlsafe(32)
    idle = timedelta(minutes=get_settings().idle_minutes)
    _store(session_id_of(token), staff, now=now, agent=agent, idle=idle, proven_at=proven_at)
    return token


def session_id_of(token: str) -> str:
    return keyed_mac(_TOKEN, token)


def _store(session_id: str, staff: Staff, *, now: datetime, agent: str, idle: timedelta, proven_at: datetime | None, **more: str) -> None:
    assert staff.id is not None
    held: dict[str, str | int] = {
        "staff": staff.id,
        "epoch": staff.session_epoch,
        "began": int(now.timestamp()),
        "address": origin.current(),
        "agent": agent[:120],
        "proven": int(proven_at.timestamp()) if proven_at else 0,
        **more,
    }
    limits = (int(idle.total_seconds()), int(LIFETIME.total_seconds()))
    with _told_when_away():
        pipeline = redis.client().pipeline(transaction=True)
        pipeline.eval(_OPEN, 2, *_keys(session_id), *limits, *(part for pair in held.items() for part in pair))
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


def principal_of_session(session: Session, session_id: str, *, is_use: bool = True) -> Principal | None:
    """Who holds this session now, with the rights of this moment; None when it ended or the person was disabled.

    `is_use` is False for what an open page does by itself: that keeps no session open. Raises SessionIdle, or Unavailable without Redis.
    """
    with _told_when_away():
        found: Any = redis.client().eval(_USE, 2, *_keys(session_id), "1" if is_use else "0")
    if found[0] is None:
        if found[1] is not None:
            raise SessionIdle(timedelta(seconds=int(found[1])))
        return None
    staff_id, epoch, proven = (int(value or 0) for value in found[:3])
    staff = session.get(Staff, staff_id)
    if staff is None or not staff.is_active or staff.session_epoch != epoch:
        return None
    return principal_of(staff, proven_at=datetime.fromtimestamp(proven, UTC) if proven else None)


def principal_of(staff: Staff, *, proven_at: datetime | None = None) -> Principal:
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
        proven_at=proven_at,
    )


def note_proof(session_id: str, *, now: datetime) -> None:
    """The holder of this session has just proved who they are. Nothing happens to a session that has ended. Raises Unavailable."""
    with _told_when_away():
        client = redis.client()
        if client.exists(_key(session_id)):
            client.hset(_key(session_id), "proven", str(int(now.timestamp())))


def end_session(session_id: str) -> None:
    """End a session; ending one that is gone is fine."""
    with _told_when_away():
        redis.client().delete(*_keys(session_id))


def end_every_session(staff_id: int, *, but: str | None = None) -> None:
    """Take every session of this person out of Redis, except the one named `but`. They died with the epoch; this only tidies up."""
    with _told_when_away():
        client = redis.client()
        for raw in client.smembers(_of(staff_id)):
            session_id = raw.decode() if isinstance(raw, bytes) else raw
            if session_id != but:
                client.delete(*_keys(session_id))
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
    """Log in for the JSON API: the session lives as long as its refresh tokens are swapped one by one, before it was idle too long."""
    session_id, secret = secrets.token_hex(32), secrets.token_urlsafe(32)
    idle = timedelta(minutes=get_settings().api_idle_minutes)
    _store(session_id, staff, now=now, agent=agent, idle=idle, proven_at=now, refresh=keyed_mac(_REFRESH, secret))
    return RefreshToken(session_id, f"{session_id}.{secret}")


def swap_refresh(text: str) -> RefreshToken | None:
    """Swap a refresh token for the next one. A token that was used before ends the whole session: somebody else holds a copy."""
    session_id, _, secret = text.partition(".")
    fresh = secrets.token_urlsafe(32)
    with _told_when_away():
        swapped = redis.client().eval(_ROTATE, 2, *_keys(session_id), keyed_mac(_REFRESH, secret), keyed_mac(_REFRESH, fresh))
    return RefreshToken(session_id, f"{session_id}.{fresh}") if swapped == 1 else None


def forget_everything(staff: Staff) -> None:
    """Every session of this person ends with its next action, wherever it is."""
    staff.session_epoch += 1
