"""Staff accounts and logging in."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.db import transaction
from app.refusals import place
from services.accounts import passwords, second_factor, sessions, telling, tries
from services.accounts.errors import BadCredentials, BadEmail, StaffExists
from services.accounts.models import Role, Staff
from services.accounts.permissions import Principal
from services.accounts.second_factor import WrongSecondFactor
from services.audit import service as audit

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]+\.[^@\s.\x00-\x1f]{2,}")
_LONGEST_EMAIL, _LONGEST_CODE = 254, 40
log = structlog.get_logger(__name__)


def add_staff(
    session: Session,
    *,
    email: str,
    role: Role,
    password: str | None,
    now: datetime,
    name: str | None = None,
    actor: Principal | None = None,
) -> tuple[Staff, str]:
    """Make an account and answer it with its password (a random one when none is given).

    `actor` is who sits at the command line; without one (demo data) nothing is audited. Raises BadEmail, WeakPassword or StaffExists.
    """
    password = password or secrets.token_urlsafe(15)
    passwords.check_policy(password, email=email, name=name or "")
    staff = save_staff(session, email=email, role=role, password_hash=passwords.hash_password(password), now=now, name=name)
    if actor is not None:
        shown = {"email": staff.email, "name": staff.name, "role": role}
        audit.record(session, actor, "staff.add", target=("staff", staff.id), now=now, after=shown)
    return staff, password


def save_staff(session: Session, *, email: str, role: Role, password_hash: str, now: datetime, name: str | None = None) -> Staff:
    """Add the row; an empty `password_hash` is that of a person who was invited. Raises BadEmail or StaffExists."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email) or len(email) > _LONGEST_EMAIL:
        raise BadEmail(field="email")
    shown_name = (name or "").strip() or email.split("@")[0].replace(".", " ").title()
    staff = Staff(email=email, name=shown_name[:120], role=role, password_hash=password_hash, created_at=now)
    try:
        with session.begin_nested():
            session.add(staff)
    except IntegrityError:
        raise StaffExists(field="email") from None
    return staff


def find_by_email(session: Session, email: str) -> Staff | None:
    """`email` as it was typed into a form that everybody may fill in."""
    email = passwords.storable(email.strip().lower(), longest=_LONGEST_EMAIL + 1)
    return session.exec(select(Staff).where(Staff.email == email)).one_or_none() if _EMAIL.fullmatch(email) else None


def authenticate(session: Session, *, email: str, password: str, now: datetime, code: str | None = None) -> Staff:
    """Check password (argon2id) and second factor, and audit the success. The answer is locked while it has a second factor.

    Raises BadCredentials for everything that a stranger must not tell apart (no such person, wrong password, disabled, invited only),
    SecondFactorNeeded or WrongSecondFactor to who knows the password, TooMany, or Unavailable without Redis.
    """
    email = passwords.storable(email.strip().lower(), longest=_LONGEST_EMAIL)
    tries.count_log_in(email)
    staff = find_by_email(session, email)
    good, better_hash = passwords.verify(password, staff.password_hash if staff else None)
    if staff is None or not good or not staff.is_active:
        # Not audited: a row only for those who exist would tell by its time who does.
        # The log may say it: whoever reads that knows the accounts.
        log.warning("log_in.refused", staff_id=staff.id if staff else None, address=place())
        telling.of_failures(email, now=now)
        raise BadCredentials
    _check_second_factor(session, staff, passwords.storable(code or "", longest=_LONGEST_CODE), now=now)
    if better_hash:
        staff.password_hash = better_hash
    is_first_ever, staff.last_login_at = staff.last_login_at is None, now
    if tries.remember(email) and not is_first_ever:
        telling.of_new_place(session, staff, now=now)
    audit.record(session, sessions.principal_of(staff), "staff.log_in", target=("staff", staff.id), now=now)
    return staff


def _check_second_factor(session: Session, staff: Staff, code: str, *, now: datetime) -> None:
    if not staff.has_second_factor:
        return
    if code:
        tries.count_code(staff.email)
    # Of two log-ins at once with the same code one must find it used.
    session.refresh(staff, with_for_update=True)
    try:
        second_factor.check(session, staff, code, now=now)
    except WrongSecondFactor:
        log.warning("second_factor.refused", staff_id=staff.id, address=place())
        # Somebody has the password: that must be told, though this transaction is rolled back.
        with transaction() as apart:
            audit.record(apart, sessions.principal_of(staff), "staff.second_factor_refused", target=("staff", staff.id), now=now)
            telling.of_wrong_code(apart, staff, now=now)
        raise


def log_in(session: Session, *, email: str, password: str, now: datetime, code: str | None = None, agent: str = "") -> str:
    """`authenticate`, then open a console session under a new token, which is the answer. Raises what `authenticate` raises."""
    staff = authenticate(session, email=email, password=password, code=code, now=now)
    return sessions.open_session(staff, now=now, agent=agent, proven_at=now)


def principal_for_session(session: Session, token: str | None, *, is_use: bool = True) -> Principal | None:
    """Who holds this token of a console session now; None for nobody. Raises SessionIdle; `is_use` as in `principal_of_session`."""
    return sessions.principal_of_session(session, sessions.session_id_of(token), is_use=is_use) if token else None


def log_out(token: str) -> None:
    """End a console session; ending one that is gone is fine."""
    sessions.end_session(sessions.session_id_of(token))
