"""What admins do with other people's accounts. No password is ever chosen for somebody else: people get a link, and choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.db import after_commit
from app.errors import Conflict, InvalidInput
from services.accounts import links, second_factor, sessions
from services.accounts.errors import LastRoot, NotYourself, OnlyRoot, StaffNotFound
from services.accounts.models import Role, Staff
from services.accounts.own import live_sessions
from services.accounts.permissions import Permission, Principal
from services.accounts.sessions import OpenSession
from services.accounts.staff import save_staff
from services.audit import service as audit

# Who could give themselves everything: only Root makes or changes them.
_ROOTS_OWN = frozenset({Role.ROOT, Role.SYSTEM_ADMIN})
_REASON = (3, 200)
_ACTIVE_ROOTS = select(Staff).where(Staff.role == Role.ROOT, col(Staff.is_active).is_(True)).order_by(col(Staff.id))


@dataclass(frozen=True)
class Invitation:
    """`link` is shown or mailed once; it is not stored."""

    staff_id: int
    email: str
    link: str


def roles_open_to(actor: Principal) -> tuple[Role, ...]:
    """The roles that this person may give."""
    return tuple(role for role in Role if actor.role is Role.ROOT or role not in _ROOTS_OWN)


def may_change(actor: Principal, staff: Staff) -> bool:
    """Whether the rules let `actor` do anything to this account; the use cases check it themselves."""
    return actor.may(Permission.STAFF_EDIT) and actor.id != staff.id and (actor.role is Role.ROOT or staff.role not in _ROOTS_OWN)


def invite_staff(session: Session, *, actor: Principal, email: str, name: str, role: Role, now: datetime) -> Invitation:
    """An account without a password, and the link by which the person chooses one. Raises Forbidden, OnlyRoot, BadEmail, StaffExists."""
    actor.require(Permission.STAFF_EDIT)
    _check_role(actor, role)
    staff = save_staff(session, email=email, role=role, password_hash="", now=now, name=name)
    assert staff.id is not None
    audit.record(
        session, actor, "staff.invite", target=("staff", staff.id), now=now, after={"email": staff.email, "name": staff.name, "role": role}
    )
    return Invitation(staff.id, staff.email, links.make_link(staff, "invite", now=now))


def make_link(session: Session, *, actor: Principal, staff_id: int, reason: str, now: datetime) -> Invitation:
    """A link to choose a password: an invitation anew, or a reset. Older links and every session of the person end.

    Raises Forbidden, NotYourself, OnlyRoot, StaffNotFound, InvalidInput without a reason, or Conflict for a disabled person.
    """
    staff = _other(session, actor, staff_id)
    if not staff.is_active:
        raise Conflict("This account is disabled. Enable it first.")
    is_invitation = not staff.password_hash
    _end_everything(session, staff)
    action = "staff.invite_again" if is_invitation else "staff.make_reset_link"
    _record(session, actor, action, staff, reason, now=now)
    return Invitation(staff_id, staff.email, links.make_link(staff, "invite" if is_invitation else "reset", now=now))


def change_role(session: Session, *, actor: Principal, staff_id: int, role: Role, reason: str, now: datetime) -> Staff:
    """Every session of the person ends. Raises Forbidden, NotYourself, OnlyRoot, LastRoot, StaffNotFound, InvalidInput."""
    staff = _other(session, actor, staff_id, with_roots=True)
    _check_role(actor, role)
    if role is staff.role:
        return staff
    _keep_a_root(session, staff)
    before = {"role": staff.role}
    staff.role = role
    _end_everything(session, staff)
    _record(session, actor, "staff.change_role", staff, reason, now=now, before=before, after={"role": role})
    return staff


def disable(session: Session, *, actor: Principal, staff_id: int, reason: str, now: datetime) -> Staff:
    """The person is out with the next action. Raises Forbidden, NotYourself, OnlyRoot, LastRoot, StaffNotFound, InvalidInput."""
    staff = _other(session, actor, staff_id, with_roots=True)
    if not staff.is_active:
        return staff
    _keep_a_root(session, staff)
    staff.is_active = False
    _end_everything(session, staff)
    _record(session, actor, "staff.disable", staff, reason, now=now, before={"is_active": True}, after={"is_active": False})
    return staff


def enable(session: Session, *, actor: Principal, staff_id: int, reason: str, now: datetime) -> Staff:
    """Old sessions and links stay dead. Raises Forbidden, NotYourself, OnlyRoot, StaffNotFound, InvalidInput."""
    staff = _other(session, actor, staff_id)
    if staff.is_active:
        return staff
    staff.is_active = True
    _record(session, actor, "staff.enable", staff, reason, now=now, before={"is_active": False}, after={"is_active": True})
    return staff


def reset_second_factor(session: Session, *, actor: Principal, staff_id: int, reason: str, now: datetime) -> Staff:
    """For a person who lost phone and recovery codes. Raises Forbidden, NotYourself, OnlyRoot, StaffNotFound, InvalidInput."""
    staff = _other(session, actor, staff_id)
    second_factor.remove(session, staff)
    _end_everything(session, staff)
    _record(session, actor, "staff.reset_second_factor", staff, reason, now=now)
    return staff


def log_out_everywhere(session: Session, *, actor: Principal, staff_id: int, reason: str, now: datetime) -> None:
    """Raises Forbidden, NotYourself, OnlyRoot, StaffNotFound, InvalidInput."""
    staff = _other(session, actor, staff_id)
    _end_everything(session, staff)
    _record(session, actor, "staff.log_out_everywhere", staff, reason, now=now)


def sessions_of(session: Session, *, actor: Principal, staff_id: int) -> tuple[OpenSession, ...]:
    """Where this person is logged in. Raises Forbidden, StaffNotFound, or Unavailable without Redis."""
    actor.require(Permission.STAFF_READ)
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise StaffNotFound
    return live_sessions(staff)


def _other(session: Session, actor: Principal, staff_id: int, *, with_roots: bool = False) -> Staff:
    """The account to change, locked. Raises Forbidden, StaffNotFound, NotYourself or OnlyRoot."""
    actor.require(Permission.STAFF_EDIT)
    if with_roots:
        # Two Roots who take away each other's role at once queue here, and the second one finds itself the last.
        session.exec(_ACTIVE_ROOTS.with_for_update()).all()
    staff = session.get(Staff, staff_id, with_for_update=True, populate_existing=True)
    if staff is None:
        raise StaffNotFound
    if actor.kind == "staff" and actor.id == staff_id:
        raise NotYourself
    _check_role(actor, staff.role)
    return staff


def _check_role(actor: Principal, role: Role) -> None:
    if role not in roles_open_to(actor):
        raise OnlyRoot


def _keep_a_root(session: Session, staff: Staff) -> None:
    """Raises LastRoot when this account is the last that can undo everything. Who was only invited cannot log in yet."""
    if staff.role is not Role.ROOT:
        return
    roots = session.exec(_ACTIVE_ROOTS.execution_options(populate_existing=True)).all()
    if not any(root.id != staff.id and root.password_hash for root in roots):
        raise LastRoot


def _end_everything(session: Session, staff: Staff) -> None:
    assert staff.id is not None
    staff_id = staff.id
    sessions.forget_everything(staff)
    after_commit(session, lambda: sessions.end_every_session(staff_id))


def _record(
    session: Session,
    actor: Principal,
    action: str,
    staff: Staff,
    reason: str,
    *,
    now: datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    shortest, longest = _REASON
    reason = reason.strip()
    if len(reason) < shortest:
        raise InvalidInput("Say in a few words why.", field="reason")
    audit.record(
        session, actor, action, target=("staff", staff.id), now=now, before=before, after={**(after or {}), "reason": reason[:longest]}
    )
