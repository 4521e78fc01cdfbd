"""Staff accounts and logging in."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from pwdlib import PasswordHash
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.settings import DEMO_PASSWORD, get_settings
from services.accounts import sessions
from services.accounts.errors import BadCredentials, BadEmail, StaffExists, WeakPassword
from services.accounts.models import Role, Staff
from services.accounts.permissions import Principal

_MIN_PASSWORD = 12
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
    return sessions.open_session(staff, now=now)


def principal_for_session(session: Session, token: str | None) -> Principal | None:
    """Who holds this token of a console session now; None for nobody."""
    return sessions.principal_of_session(session, sessions.session_id_of(token)) if token else None


def log_out(token: str) -> None:
    """End a console session; ending one that is gone is fine."""
    sessions.end_session(sessions.session_id_of(token))
