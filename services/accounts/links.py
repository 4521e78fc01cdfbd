"""Links by which a person chooses a password: sealed, single-use, bound to the account as it was when the link was made."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlmodel import Session

from app.keys import BadSeal, seal_json, unseal_json
from app.settings import get_settings
from services.accounts import passwords, sessions
from services.accounts.errors import LinkSpent
from services.accounts.models import Staff
from services.audit import service as audit

Kind = Literal["reset", "invite"]
LIFETIMES: dict[Kind, timedelta] = {"reset": timedelta(minutes=30), "invite": timedelta(days=3)}
PATH = "/console/reset"
_PURPOSE = "staff-password-link"
_LONGEST = 1000


def make_link(staff: Staff, kind: Kind, *, now: datetime) -> str:
    """The address to hand over. Its secret stands behind a #, so that no server or proxy on the way logs it."""
    until = int((now + LIFETIMES[kind]).timestamp())
    token = seal_json(_PURPOSE, {"staff": staff.id, "epoch": staff.session_epoch, "until": until})
    return f"{get_settings().public_url}{PATH}#{token}"


def holder_of(session: Session, token: str, *, now: datetime, lock: bool = False) -> Staff:
    """Whose password the link sets. Raises LinkSpent for a used, old, forged or withdrawn one, and for a disabled person."""
    try:
        held = unseal_json(_PURPOSE, token[:_LONGEST])
    except BadSeal:
        raise LinkSpent from None
    staff = session.get(Staff, held["staff"], with_for_update=lock, populate_existing=lock)
    is_good = staff is not None and staff.is_active and staff.session_epoch == held["epoch"] and now.timestamp() < _number(held["until"])
    if staff is None or not is_good:
        raise LinkSpent
    return staff


def set_password(session: Session, *, token: str, password: str, now: datetime) -> None:
    """Spend the link: the new password counts, and every session of the person ends. Raises LinkSpent or WeakPassword."""
    staff = holder_of(session, token, now=now, lock=True)
    passwords.check_policy(password, email=staff.email, name=staff.name)
    was_invited = not staff.password_hash
    staff.password_hash = passwords.hash_password(password)
    # This also spends the link, and every other one.
    sessions.forget_everything(staff)
    action = "staff.accept_invitation" if was_invited else "staff.reset_password"
    audit.record(session, sessions.principal_of(staff), action, target=("staff", staff.id), now=now)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
