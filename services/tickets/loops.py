"""What must not become a ticket by itself, or must not be answered: automatic replies, bounces, loops, floods, and what looks like spam.

Each rule can be read off the mail or counted; none is a guess. Whoever is held waits for a person, who sees the rule's words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.events import publish
from services.notifications.models import Medium, Notification, NotificationState
from services.tickets.inbound_store import sender_macs
from services.tickets.intake_models import InboundMessage, InboundState
from services.tickets.mail_reading import Mail

# Of one sender; more than this is a loop, or somebody who wants us to choke.
FLOOD = ((timedelta(minutes=10), 5), (timedelta(days=1), 30))
_DAEMONS = ("mailer-daemon@", "postmaster@", "mail-daemon@")
_IDLE_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply"})
_MAX_REPORT_PARTS = 40


@dataclass(frozen=True)
class Verdict:
    """Where a mail goes instead of into a ticket, and why."""

    state: InboundState
    why: str


def _held(why: str) -> Verdict:
    return Verdict(InboundState.HELD, why)


def _ignored(why: str) -> Verdict:
    return Verdict(InboundState.IGNORED, why)


def verdict(session: Session, message: InboundMessage, mail: Mail, *, own: frozenset[str]) -> Verdict | None:
    """None for one that a person wrote to be answered. `own` are our own addresses, in small letters."""
    if is_bounce(mail):
        return _ignored("A mail of ours came back.")
    if (automatic := _first_word(mail, "Auto-Submitted")) and automatic != "no":
        return _ignored("An automatic reply.") if automatic == "auto-replied" else _held("Sent by a machine (Auto-Submitted).")
    if mail.sender in own:
        return _held("It says that it comes from our own address: a loop, or somebody who pretends.")
    if _precedence(mail) in _IDLE_PRECEDENCE or mail.header("X-Autoreply") or mail.header("X-Autorespond"):
        return _ignored("An automatic reply or a mass mailing (Precedence).")
    if mail.header("List-Id"):
        return _ignored("From a mailing list.")
    if mail.header("List-Unsubscribe"):
        return _held("A mass mailing (it offers to unsubscribe).")
    if (spam := _spam(mail)) is not None:
        return _held(spam)
    if not mail.sender or "@" not in mail.sender:
        return _held("It does not say who sent it, so it cannot be answered.")
    return _flood(session, message, mail)


def wants_no_automatic_answer(mail: Mail) -> bool:
    """The mail is for people, but what answers by itself shall be silent."""
    return bool(mail.header("X-Auto-Response-Suppress") or _precedence(mail))


def is_bounce(mail: Mail) -> bool:
    """A report on a mail of ours (RFC 3464), or whatever else comes from nobody."""
    is_report = mail.parsed.get_content_type() == "multipart/report"
    return is_report or mail.header("Return-Path") == "<>" or mail.sender.startswith(_DAEMONS)


def note_bounce(session: Session, mail: Mail) -> bool:
    """Say at the message that it did not arrive. False when the report names none of ours, or tells only of a delay."""
    reason = _final_failure(mail.parsed)
    named = [*_reported_ids(mail.parsed), *mail.references]
    if reason is None or not named:
        return False
    wanted = select(Notification).where(
        Notification.medium == Medium.EMAIL,
        col(Notification.provider) == "smtp",
        col(Notification.provider_id).in_([f"<{one}>"[:120] for one in named]),
        col(Notification.state).in_((NotificationState.SENT, NotificationState.UNKNOWN)),
    )
    found = session.exec(wanted.with_for_update()).first()
    if found is None:
        return False
    found.state, found.error, found.next_attempt_at = NotificationState.FAILED, f"It came back: {reason}"[:300], None
    publish(session, "notifications", found.id)
    return True


def _final_failure(parsed: Message) -> str | None:
    """What the report says went wrong for good; the words of the report where it has no fields."""
    fields = {"action": "", "status": "", "diagnostic-code": ""}
    for part in list(parsed.walk())[:_MAX_REPORT_PARTS]:
        for name in fields:
            fields[name] = fields[name] or " ".join(str(part.get(name, "")).split())
    if fields["action"].lower() in ("delayed", "delivered", "relayed", "expanded"):
        return None
    return (fields["diagnostic-code"].partition(";")[2].strip() or fields["status"] or "the mail server refused it")[:200]


def _reported_ids(parsed: Message) -> list[str]:
    """The Message-IDs of the mails inside the report."""
    if parsed.get_content_type() != "multipart/report":
        return []
    found = []
    for part in list(parsed.walk())[1:_MAX_REPORT_PARTS]:
        lines = str(part.get("Message-ID", ""))
        if part.get_content_type() == "text/rfc822-headers":
            lines += next((line[11:] for line in str(part.get_payload()).splitlines() if line.lower().startswith("message-id:")), "")
        found += [lines.strip(" <>\r\n\t")] * bool(lines.strip())
    return found


def _precedence(mail: Mail) -> str:
    return _first_word(mail, "Precedence").replace("-", "_")


def _first_word(mail: Mail, name: str) -> str:
    """Of a field that may go on with parameters or a comment."""
    return next(iter(re.findall(r"[a-z_-]+", mail.header(name))), "")


def _spam(mail: Mail) -> str | None:
    """What the operator's own filter said (it writes above what the sender wrote), or the sender's own domain."""
    if mail.header("X-Spam-Flag").startswith("yes") or mail.header("X-Spam-Status").startswith("yes"):
        return "The mail server's filter says that it is spam."
    results = mail.parsed.get_all("Authentication-Results", [])
    if results and "dmarc=fail" in str(results[0]).lower():
        return "The sender's domain says that this is not from there (DMARC): probably forged."
    return None


def _flood(session: Session, message: InboundMessage, mail: Mail) -> Verdict | None:
    """Counted by when mails came, and only those before this one: the order in which they are read changes nothing."""
    macs = sender_macs(mail.sender)
    for within, most in FLOOD:
        if _before(session, message, macs, since=message.received_at - within) >= most:
            minutes = round(within.total_seconds() / 60)
            span = f"{minutes} minutes" if minutes < 600 else "24 hours"
            return _held(f"More than {most} mails from this sender within {span}.")
    return None


def _before(session: Session, message: InboundMessage, macs: tuple[str, ...], *, since: datetime) -> int:
    """What seems to be the same mail once more, and was not looked at yet, does not count twice."""
    other = aliased(InboundMessage)
    is_there_already = sa.exists().where(
        col(other.mail_id) == col(InboundMessage.mail_id),
        col(other.raw_bytes) == col(InboundMessage.raw_bytes),
        col(other.id) != col(InboundMessage.id),
        (col(other.state) != InboundState.STORED) | (col(other.id) < col(InboundMessage.id)),
    )
    counted = sa.select(sa.func.count()).where(
        col(InboundMessage.sender_mac).in_(macs),
        col(InboundMessage.received_at) > since,
        col(InboundMessage.received_at) <= message.received_at,
        col(InboundMessage.id) < message.id,
        col(InboundMessage.state) != InboundState.IGNORED,
        ~((col(InboundMessage.state) == InboundState.STORED) & is_there_already),
    )
    return int(session.execute(counted).scalar_one())
