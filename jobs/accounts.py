"""Jobs of the accounts."""

from __future__ import annotations

from datetime import UTC, datetime

from app.db import transaction
from jobs.base import job
from services.accounts import mailing, telling


@job
def tell_new_place(staff_id: int, place: str, at: int) -> None:
    """Mail a person of a log-in from a new place; a word lost with Redis is not sent again, because the audit has it."""
    if mail := mailing.mailer():
        mailing.mail_new_place(transaction, mail, staff_id, place, _moment(at))


@job
def tell_wrong_code(staff_id: int, at: int) -> None:
    """Mail a person that somebody entered their password and then a wrong code."""
    if mail := mailing.mailer():
        mailing.mail_wrong_code(transaction, mail, staff_id, _moment(at))


@job
def tell_failures(sealed_email: str, at: int) -> None:
    """Mail the person, if there is one under that address, of repeated wrong passwords."""
    if mail := mailing.mailer():
        mailing.mail_failures(transaction, mail, telling.opened(sealed_email), _moment(at))


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
