"""Word by mail of what people should know about their account: a log-in from a new place, repeated wrong tries (ASVS 5.0, 6.3.5).

The mail goes by a job, so that no log-in waits for a mail server. Nothing is rung for where no mail is set up.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlmodel import Session

from app import redis
from app.keys import seal, unseal
from app.queue import enqueue, ring
from app.refusals import place
from app.settings import get_settings
from services.accounts import tries
from services.accounts.models import Staff

_JOBS = "jobs.accounts"
_SEALED_FOR = "log-in-failures"
log = structlog.get_logger(__name__)


def of_new_place(session: Session, staff: Staff, *, now: datetime) -> None:
    """A log-in succeeded from where there was none for a month."""
    assert staff.id is not None
    if _has_mail():
        ring(session, f"{_JOBS}.tell_new_place", staff.id, place(), int(now.timestamp()))


def of_wrong_code(session: Session, staff: Staff, *, now: datetime) -> None:
    """The right password came with a wrong code; the first one in an hour is told."""
    assert staff.id is not None
    if _has_mail() and tries.first_wrong_code(staff.email):
        ring(session, f"{_JOBS}.tell_wrong_code", staff.id, int(now.timestamp()))


def of_failures(email: str, *, now: datetime) -> None:
    """A wrong password was tried on `email`, whether there is such an account or not: the job finds out, so that nothing here tells."""
    if not tries.fail(email) or not _has_mail():
        return
    # Rung at once: the transaction of a refused log-in is rolled back. The address itself stays out of Redis.
    try:
        enqueue(f"{_JOBS}.tell_failures", seal(_SEALED_FOR, email.encode()), int(now.timestamp()))
    except redis.Away:
        log.warning("log_in.failures_not_told")


def opened(sealed_email: str) -> str:
    """The address that `of_failures` sealed."""
    return unseal(_SEALED_FOR, sealed_email).decode()


def _has_mail() -> bool:
    return get_settings().email_url is not None
