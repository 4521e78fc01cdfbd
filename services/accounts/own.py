"""What people do for themselves: their password, their second factor, their sessions.

Whoever changes how the account is opened proves once more who they are: an open browser is not enough. Every other session ends then,
and the one at hand goes on under a new token, which is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlmodel import Session, col, func, select

from app.db import after_commit
from app.errors import Conflict, NotFound, Unauthenticated
from app.refusals import place
from services.accounts import passwords, second_factor, sessions, tries
from services.accounts.errors import WrongPassword
from services.accounts.models import RecoveryCode, Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.sessions import OpenSession
from services.audit import service as audit

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OwnAccount:
    """What the page of the own account shows."""

    name: str
    email: str
    has_second_factor: bool
    second_factor_since: datetime | None
    recovery_codes_left: int
    sessions: tuple[OpenSession, ...]


def own_account(session: Session, *, actor: Principal) -> OwnAccount:
    """Raises Forbidden for anybody but staff, or Unavailable without Redis."""
    staff = _self(session, actor)
    left = session.exec(
        select(func.count()).select_from(RecoveryCode).where(RecoveryCode.staff_id == staff.id, col(RecoveryCode.used_at).is_(None))
    ).one()
    return OwnAccount(staff.name, staff.email, staff.has_second_factor, staff.totp_confirmed_at, left, live_sessions(staff))


def live_sessions(staff: Staff) -> tuple[OpenSession, ...]:
    """Where this person is logged in, newest first. Raises Unavailable without Redis."""
    assert staff.id is not None
    return tuple(one for one in sessions.open_sessions(staff.id) if one.epoch == staff.session_epoch)


def change_password(session: Session, *, actor: Principal, present: str, wanted: str, now: datetime, agent: str = "") -> str:
    """Answers the new token of this session. Raises WrongPassword, WeakPassword, TooMany or Unavailable."""
    staff = _proven(session, actor, present)
    passwords.check_policy(wanted, email=staff.email, name=staff.name)
    staff.password_hash = passwords.hash_password(wanted)
    token = renew(session, staff, now=now, agent=agent, proven_at=now)
    audit.record(session, actor, "staff.change_own_password", target=("staff", staff.id), now=now)
    return token


def begin_second_factor(session: Session, *, actor: Principal, present: str) -> str:
    """Answers the address for the authenticator app. Raises WrongPassword, TooMany, or Conflict when there is one already."""
    staff = _proven(session, actor, present)
    if staff.has_second_factor:
        raise Conflict("You have a second factor. Take it away first, then set up the new one.")
    return second_factor.begin(staff)


def confirm_second_factor(session: Session, *, actor: Principal, code: str, now: datetime, agent: str = "") -> tuple[list[str], str]:
    """Answers the recovery codes and the new token of this session. Raises InvalidInput for a wrong code, Conflict, TooMany."""
    staff = _self(session, actor, lock=True)
    if staff.has_second_factor:
        raise Conflict("Your second factor is on already.")
    tries.count_code(staff.email)
    codes = second_factor.confirm(session, staff, code, now=now)
    token = renew(session, staff, now=now, agent=agent, proven_at=now)
    audit.record(session, actor, "staff.add_second_factor", target=("staff", staff.id), now=now)
    return codes, token


def remove_second_factor(session: Session, *, actor: Principal, present: str, code: str, now: datetime, agent: str = "") -> str:
    """With password and a code. Answers the new token of this session. Raises WrongPassword, WrongSecondFactor, TooMany."""
    staff = _proven(session, actor, present)
    tries.count_code(staff.email)
    second_factor.check(session, staff, code, now=now)
    second_factor.remove(session, staff)
    token = renew(session, staff, now=now, agent=agent, proven_at=now)
    audit.record(session, actor, "staff.remove_second_factor", target=("staff", staff.id), now=now)
    return token


def end_own_session(session: Session, *, actor: Principal, session_id: str, now: datetime) -> None:
    """Raises NotFound for a session that is not this person's."""
    staff = _self(session, actor)
    if session_id not in {one.id for one in live_sessions(staff)}:
        raise NotFound("That session has ended already.")
    sessions.end_session(session_id)
    audit.record(session, actor, "staff.end_own_session", target=("staff", staff.id), now=now)


def end_other_sessions(session: Session, *, actor: Principal, now: datetime, agent: str = "") -> str:
    """Log out everywhere else. Answers the new token of this session."""
    staff = _self(session, actor, lock=True)
    token = renew(session, staff, now=now, agent=agent, proven_at=actor.proven_at)
    audit.record(session, actor, "staff.log_out_everywhere", target=("staff", staff.id), now=now)
    return token


def renew(session: Session, staff: Staff, *, now: datetime, agent: str = "", proven_at: datetime | None) -> str:
    """End every session of this person and open a new one. Raises Unavailable without Redis."""
    assert staff.id is not None
    staff_id = staff.id
    sessions.forget_everything(staff)
    token = sessions.open_session(staff, now=now, agent=agent, proven_at=proven_at)
    after_commit(session, lambda: sessions.end_every_session(staff_id, but=sessions.session_id_of(token)))
    return token


def _self(session: Session, actor: Principal, *, lock: bool = False) -> Staff:
    actor.require(Permission.SELF_EDIT)
    staff = session.get(Staff, actor.id, with_for_update=lock, populate_existing=lock) if actor.kind == "staff" else None
    if staff is None:
        raise Unauthenticated
    return staff


def _proven(session: Session, actor: Principal, present: str) -> Staff:
    staff = _self(session, actor, lock=True)
    tries.count_own_password(staff.email)
    if not passwords.verify(present, staff.password_hash)[0]:
        log.warning("own_password.refused", staff_id=staff.id, address=place())
        raise WrongPassword
    return staff
