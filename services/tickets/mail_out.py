"""What a mail about a ticket carries beside its words, so that the answer to it finds back: its own name, what it answers, where to."""

from __future__ import annotations

from email.utils import parseaddr
from urllib.parse import parse_qs, urlsplit

from sqlmodel import Session, col, select

from app.keys import keyed_mac
from app.settings import get_settings
from services.integrations.imap import ImapClient
from services.tickets.models import MessageKind, Ticket, TicketMessage
from services.tickets.tokens import reply_token

_NAMED = 10
_LONGEST_LOCAL_PART = 64


def headers(session: Session, ticket: Ticket, message: TicketMessage | None = None) -> dict[str, str]:
    """Fields for `tell(headers=...)`. `message` is what the mail carries; None for a mail that the product writes by itself.

    The Message-ID is noted at the message, also when the mail is sent once more.
    """
    said = _mail_ids(session, ticket, before=message)
    fields = {"In-Reply-To": f"<{said[-1]}>", "References": " ".join(f"<{one}>" for one in said)} if said else {}
    if message is not None:
        if message.mail_id is None:
            message.mail_id = f"{ticket.reference.lower()}.{message.id}.{keyed_mac('mail-id', str(message.id))[:12]}@{_domain()}"
            session.flush()
        fields["Message-ID"] = f"<{message.mail_id}>"
    fields["Auto-Submitted"] = "no" if message is not None and message.kind is MessageKind.REPLY else "auto-generated"
    if (address := reply_address(ticket)) is not None:
        fields["Reply-To"] = address
    return fields


def reply_address(ticket: Ticket) -> str | None:
    """Where an answer is sent, so that it is known to belong here; None when nobody reads mail."""
    local, _, domain = inbound_address().partition("@")
    if not domain:
        return None
    tagged = f"{local}+{ticket.reference}.{reply_token(ticket)}"
    # A longer one is no address (RFC 5321 §4.5.3.1.1): then the answer finds back by what it refers to.
    return f"{tagged}@{domain}" if len(tagged) <= _LONGEST_LOCAL_PART else f"{local}@{domain}"


def inbound_address() -> str:
    """The address that people write to; empty when no mailbox is read."""
    url = get_settings().imap_url
    if url is None:
        return ""
    try:
        return ImapClient(url.get_secret_value()).address or sender_address()
    except ValueError:
        return ""


def sender_address() -> str:
    """The address that our mails come from; empty when none are sent."""
    url = get_settings().email_url
    query = parse_qs(urlsplit(url.get_secret_value()).query) if url else {}
    return parseaddr(query.get("from", [""])[0])[1].lower()


def own_addresses() -> frozenset[str]:
    """What no customer writes from."""
    return frozenset(filter(None, (inbound_address(), sender_address())))


def _domain() -> str:
    return sender_address().partition("@")[2] or "inet.invalid"


def _mail_ids(session: Session, ticket: Ticket, *, before: TicketMessage | None) -> list[str]:
    """The latest mails of the conversation, oldest first."""
    wanted = select(TicketMessage.mail_id).where(TicketMessage.ticket_id == ticket.id, col(TicketMessage.mail_id).is_not(None))
    if before is not None:
        wanted = wanted.where(col(TicketMessage.id) < before.id)
    newest = session.exec(wanted.order_by(col(TicketMessage.id).desc()).limit(_NAMED)).all()
    return [one for one in reversed(newest) if one is not None]
