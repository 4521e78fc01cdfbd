"""The second factor: time-based codes (RFC 6238) and recovery codes, each of which opens once."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime

import pyotp
from sqlmodel import Session, col, delete, select

from app.errors import InvalidInput, Unauthenticated
from app.keys import keyed_mac, keyed_macs, seal, unseal
from app.settings import get_settings
from services.accounts.models import RecoveryCode, Role, Staff

_SEED, _RECOVERY = "totp-seed", "recovery-code"
_STEP_SECONDS = 30
# One step of clock skew to either side.
_SKEW_STEPS = 1
_RECOVERY_CODES = 10
_ALPHABET = "23456789ABCDEFGHJKMNPRSTUVWXYZ"
_REQUIRED_FOR = frozenset({Role.ROOT, Role.SYSTEM_ADMIN, Role.BILLING_OFFICER})


class SecondFactorNeeded(Unauthenticated):
    code, title = "second_factor_needed", "A second factor is needed"
    message = "Enter the six digits of your authenticator app, or a recovery code."


class WrongSecondFactor(Unauthenticated):
    code, title = "second_factor_wrong", "The code is not right"
    message = "That code is not right or was used already. Wait for the next one, or use a recovery code."


def is_required(role: Role) -> bool:
    """Whether people of this role must have one: in production, for whoever touches money, staff or everything."""
    return get_settings().env == "production" and role in _REQUIRED_FOR


def begin(staff: Staff) -> str:
    """Make a new seed and answer the address that an authenticator app reads as a QR code. It counts once it is confirmed."""
    seed = pyotp.random_base32()
    staff.totp_sealed, staff.totp_confirmed_at, staff.totp_last_step = seal(_SEED, seed.encode()), None, None
    return pyotp.TOTP(seed).provisioning_uri(name=staff.email, issuer_name="INET Portal")


def confirm(session: Session, staff: Staff, code: str, *, now: datetime) -> list[str]:
    """Switch the second factor on by a first code; answers the recovery codes, shown this one time. Raises InvalidInput."""
    if not _use_code(staff, code, now=now):
        raise InvalidInput("That code is not right. Check the phone's clock, and enter the newest code.", field="code")
    staff.totp_confirmed_at = now
    session.exec(delete(RecoveryCode).where(col(RecoveryCode.staff_id) == staff.id))
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(12)) for _ in range(_RECOVERY_CODES)]
    assert staff.id is not None
    session.add_all(RecoveryCode(staff_id=staff.id, code_mac=_mac(staff.id, code)) for code in codes)
    session.flush()
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def check(session: Session, staff: Staff, code: str | None, *, now: datetime) -> None:
    """Raises SecondFactorNeeded without a code, WrongSecondFactor for one that is wrong or was used. Nothing without a factor."""
    if not staff.has_second_factor:
        return
    if not code:
        raise SecondFactorNeeded
    if not _use_code(staff, code, now=now) and not _use_recovery(session, staff, code, now=now):
        raise WrongSecondFactor
    session.flush()


def remove(session: Session, staff: Staff) -> None:
    """Take the factor away, for a person who lost phone and recovery codes."""
    staff.totp_sealed = staff.totp_confirmed_at = staff.totp_last_step = None
    session.exec(delete(RecoveryCode).where(col(RecoveryCode.staff_id) == staff.id))


def _use_code(staff: Staff, code: str, *, now: datetime) -> bool:
    digits = code.replace(" ", "")
    if staff.totp_sealed is None or len(digits) != 6 or not digits.isdecimal() or not digits.isascii():
        return False
    totp = pyotp.TOTP(unseal(_SEED, staff.totp_sealed).decode())
    step_now = int(now.timestamp()) // _STEP_SECONDS
    for step in range(step_now - _SKEW_STEPS, step_now + _SKEW_STEPS + 1):
        is_fresh = staff.totp_last_step is None or step > staff.totp_last_step
        if is_fresh and hmac.compare_digest(totp.generate_otp(step), digits):
            staff.totp_last_step = step
            return True
    return False


def _use_recovery(session: Session, staff: Staff, code: str, *, now: datetime) -> bool:
    assert staff.id is not None
    macs = keyed_macs(_RECOVERY, _named(staff.id, code.upper().replace("-", "").replace(" ", "")))
    found = session.exec(
        select(RecoveryCode).where(col(RecoveryCode.code_mac).in_(macs), col(RecoveryCode.used_at).is_(None)).with_for_update()
    ).one_or_none()
    if found is None:
        return False
    found.used_at = now
    return True


def _mac(staff_id: int, code: str) -> str:
    return keyed_mac(_RECOVERY, _named(staff_id, code))


def _named(staff_id: int, code: str) -> str:
    return f"{staff_id}:{code}"
