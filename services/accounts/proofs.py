"""A fresh proof of who sits there, before what is worth money: a voucher's code, a router's key, a refund (OWASP ASVS 5.0, 7.5.3).

A log-in is one; later on, the password or a code of the second factor is asked for again. It is kept with the session in Redis, comes to
a use case with the `Principal`, and is demanded there by `Principal.require_proof`. API tokens are bound to their scopes and exempt.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import structlog
from sqlmodel import Session

from app.errors import InvalidInput, Unauthenticated
from app.refusals import place
from services.accounts import passwords, second_factor, sessions, tries
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.second_factor import WrongSecondFactor

Means = Literal["password", "code"]
log = structlog.get_logger(__name__)


class ProofRefused(InvalidInput):
    code, title = "proof_refused", "That does not prove it"
    message = "That is not right. Try again; a code of the app counts once."


def best_means(session: Session, *, actor: Principal) -> Means:
    """What to ask this person for. Raises Unauthenticated for anybody but staff."""
    return "code" if _person(session, actor).has_second_factor else "password"


def prove(
    session: Session, *, actor: Principal, session_id: str, password: str | None = None, code: str | None = None, now: datetime
) -> None:
    """Note a fresh proof with the session: the password, or a code of the second factor.

    Raises ProofRefused, Unauthenticated for anybody but staff, TooMany, or Unavailable without Redis.
    """
    person = _person(session, actor, lock=True)
    means: Means = "code" if code else "password"
    is_good = _code_is_good(session, person, code, now=now) if code else _password_is_good(person, password or "")
    if not is_good:
        log.warning("proof.refused", staff_id=person.id, address=place())
        raise ProofRefused(field=means)
    sessions.note_proof(session_id, now=now)


def _password_is_good(person: Staff, password: str) -> bool:
    tries.count_own_password(person.email)
    return passwords.verify(password, person.password_hash)[0]


def _code_is_good(session: Session, person: Staff, code: str, *, now: datetime) -> bool:
    tries.count_code(person.email)
    if not person.has_second_factor:
        return False
    try:
        second_factor.check(session, person, code, now=now)
    except WrongSecondFactor:
        return False
    return True


def _person(session: Session, actor: Principal, *, lock: bool = False) -> Staff:
    actor.require(Permission.SELF_EDIT)
    person = session.get(Staff, actor.id, with_for_update=lock, populate_existing=lock) if actor.kind == "staff" else None
    if person is None:
        raise Unauthenticated
    return person
