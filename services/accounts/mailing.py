"""Mails to staff: links to choose a password, and word of a change to how an account is opened."""

from __future__ import annotations

from datetime import datetime

import structlog

from app.db import Begin
from app.outbound import OutboundError
from app.settings import get_settings
from services.accounts.administration import Invitation
from services.accounts.links import make_link
from services.accounts.models import Staff
from services.accounts.staff import find_by_email
from services.integrations.clients import outside
from services.integrations.mail import MailClient

log = structlog.get_logger(__name__)

_RESET = """Somebody, probably you, asked for a new password for your account at the INET console.

Choose it here within 30 minutes:
{link}

If it was not you, do nothing: your password stays as it is.
"""
_INVITATION = """{inviter} made an account for you at the INET console.

Choose your password here within three days:
{link}
"""
_CHANGED = """{what} of your account at the INET console on {at:%d %B %Y at %H:%M} (Banjul).

If it was not you, tell an administrator now.
"""


def mailer() -> MailClient | None:
    """The mail server of the settings, or None: then links are handed over by other means."""
    return outside().mail if get_settings().email_url else None


def mail_reset_link(begin: Begin, mail: MailClient, email: str, now: datetime) -> None:
    """Mail a reset link if there is such an account; to be called behind the answer, which is the same for everybody."""
    with begin() as session:
        staff = find_by_email(session, email)
        link = make_link(staff, "reset", now=now) if staff and staff.is_active else None
    if staff and link:
        _send(mail, to=staff.email, subject="Your new password for the INET console", text=_RESET.format(link=link))


def mail_invitation(mail: MailClient, invitation: Invitation, inviter: str) -> bool:
    """Whether the mail server took it; if not, the link has to be handed over by other means."""
    text = _INVITATION.format(inviter=inviter, link=invitation.link)
    return _send(mail, to=invitation.email, subject="Your account at the INET console", text=text)


def mail_change(mail: MailClient, to: str, what: str, now: datetime) -> None:
    """`what` is a sentence's beginning, such as "The password was changed"."""
    _send(mail, to=to, subject="A change to your account at the INET console", text=_CHANGED.format(what=what, at=now))


_NEW_PLACE = """Somebody logged in to your account at the INET console on {at:%d %B %Y at %H:%M} (Banjul), from where you had not
logged in during the last 30 days: {place}.

If it was you, all is well. If not, choose another password now (Your account in the console) and tell an administrator.
"""
_FAILURES = """Within an hour, a wrong password for your account at the INET console was entered several times, the last time on
{at:%d %B %Y at %H:%M} (Banjul).

If it was you, all is well. If not, somebody is guessing: nothing was opened, and guessing is slowed down. A second factor keeps them out
even with the right password (Your account in the console).
"""
_WRONG_CODE = """On {at:%d %B %Y at %H:%M} (Banjul), somebody entered your right password at the INET console, and then a wrong code of the
second factor.

If it was not you, your password is known to somebody else: choose another one now, and tell an administrator.
"""


def mail_new_place(begin: Begin, mail: MailClient, staff_id: int, place: str, at: datetime) -> None:
    """Tell a person of a log-in from a new place (OWASP ASVS 5.0, 6.3.5)."""
    _tell(begin, mail, staff_id, "A log-in to the INET console from a new place", _NEW_PLACE.format(at=at, place=place or "unknown"))


def mail_wrong_code(begin: Begin, mail: MailClient, staff_id: int, at: datetime) -> None:
    """Tell a person that somebody has their password."""
    _tell(begin, mail, staff_id, "Somebody has your password for the INET console", _WRONG_CODE.format(at=at))


def mail_failures(begin: Begin, mail: MailClient, email: str, at: datetime) -> None:
    """Tell a person of repeated wrong passwords, if there is such an account."""
    with begin() as session:
        staff = find_by_email(session, email)
        staff_id = staff.id if staff else None
    if staff_id is not None:
        _tell(begin, mail, staff_id, "Wrong passwords for your account at the INET console", _FAILURES.format(at=at))


def _tell(begin: Begin, mail: MailClient, staff_id: int, subject: str, text: str) -> None:
    with begin() as session:
        staff = session.get(Staff, staff_id)
        to = staff.email if staff and staff.is_active else None
    if to:
        _send(mail, to=to, subject=subject, text=text)


def _send(mail: MailClient, *, to: str, subject: str, text: str) -> bool:
    try:
        mail.send(to=to, subject=subject, text=text)
    except OutboundError as failure:
        log.warning("staff_mail.not_sent", detail=failure.detail)
        return False
    return True
