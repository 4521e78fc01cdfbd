"""What opens a conversation to whoever was sent it: in the address that mail is answered to, and in the customer's link."""

from __future__ import annotations

import hmac

from app.keys import keyed_mac, keyed_macs
from services.tickets.models import Ticket

_USE = "ticket-reply"
_LENGTH = 20


def reply_token(ticket: Ticket) -> str:
    """The same for a ticket's whole life (until the secret key is rotated twice)."""
    return keyed_mac(_USE, ticket.reference)[:_LENGTH]


def opens(reference: str, token: str) -> bool:
    """Whether this token is the ticket's, by the current key or an earlier one."""
    given = token.strip().lower()[:_LENGTH].encode()
    return any(hmac.compare_digest(mac[:_LENGTH].encode(), given) for mac in keyed_macs(_USE, reference.upper()))
