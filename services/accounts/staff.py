"""Staff accounts, and the staff sessions that Redis holds: opaque, revocable at once, gone with a FLUSHALL (log in again)."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

import orjson
from pwdlib import PasswordHash
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app import redis
from app.errors import Unavailable
from app.settings import DEMO_PASSWORD, get_settings
from services.accounts.errors import BadCredentials, BadEmail, StaffExists, WeakPassword
from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Principal

_MIN_PASSWORD = 12
_SESSION_TTL = timedelta(hours=12)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]{2,}")
_WELL_KNOWN = {"password1234", "123456789012", "qwertyuiopas", "administrator", "passwordpassword"}
_hasher = PasswordHash.recommended()
# Checked against when there is no such account, so that the answer takes as long as for a wrong password.
_NOBODY = _hasher.hash(secrets.token_hex(16))


def add_staff(
    session: Session, *, email: str, role: Role, password: str | None, now: datetime, name: str | None = None
) -> tuple[Staff, str]:
    """Make an account and answer it with its password (a random one when none is given).

    Raises BadEmail, WeakPassword or StaffExists.
    """
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise BadEmail
    password = password or secrets.token_urlsafe(15)
    _check_password(password)
    staff = Staff(
        email=email,
        name=name or email.split("@")[0].replace(".", " ").title(),
        role=role,
        password_hash=_hasher.hash(password),
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(staff)
    except IntegrityError:
        raise StaffExists from None
    return staff, password


def _check_password(password: str) -> None:
    demo_in_production = password == DEMO_PASSWORD and get_settings().env == "production"
    if len(password) < _MIN_PASSWORD or password.lower() in _WELL_KNOWN or demo_in_production:
        raise WeakPassword


def log_in(session: Session, *, email: str, password: str, now: datetime) -> str:
    """Check the password (argon2id) and open a staff session; answers its token. Raises BadCredentials, or Unavailable without Redis."""
    staff = session.exec(select(Staff).where(Staff.email == email.strip().lower())).one_or_none()
    good, better_hash = _hasher.verify_and_update(password, staff.password_hash if staff else _NOBODY)
    if not staff or not good or not staff.is_active:
        raise BadCredentials
    if better_hash:
        staff.password_hash = better_hash
    staff.last_login_at = now
    token = secrets.token_urlsafe(32)
    _store_session(token, staff)
    return token


def _session_key(token: str) -> str:
    return f"staff-session:{token}"


def _store_session(token: str, staff: Staff) -> None:
    try:
        redis.client().set(
            _session_key(token), orjson.dumps({"staff": staff.id, "epoch": staff.session_epoch}), ex=int(_SESSION_TTL.total_seconds())
        )
    except redis.Away:
        raise Unavailable("Log-in is closed for a moment: the session store is not answering. Try again in a minute.") from None


def principal_for_session(session: Session, token: str | None) -> Principal | None:
    """Who holds this staff session now, with the rights of this moment; None when it ended or the person was disabled."""
    if not token:
        return None
    try:
        stored = redis.client().get(_session_key(token))
    except redis.Away:
        raise Unavailable("The session store is not answering. Your page is kept; try again in a minute.") from None
    if not isinstance(stored, bytes):
        return None
    held = orjson.loads(stored)
    staff = session.get(Staff, held["staff"])
    if staff is None or not staff.is_active or staff.session_epoch != held["epoch"]:
        return None
    return principal_of(staff)


def principal_of(staff: Staff) -> Principal:
    assert staff.id is not None
    return Principal(
        kind="staff", id=staff.id, name=staff.name, email=staff.email, role=staff.role, permissions=ROLE_PERMISSIONS[staff.role]
    )


def log_out(token: str) -> None:
    """End a staff session; ending one that is gone is fine."""
    try:
        redis.client().delete(_session_key(token))
    except redis.Away:
        raise Unavailable from None
