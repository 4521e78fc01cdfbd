"""Handing one message to the provider of its medium. No transaction is open meanwhile, and nothing here is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.outbound import OutboundError, Refused, Unavailable
from services.integrations.clients import Outside
from services.integrations.sms import SmsRefused
from services.notifications.models import Medium

_NO_ROUTE = "CouldNotRoute"


@dataclass(frozen=True)
class Order:
    """One message, opened: whom it goes to, and what it says."""

    medium: Medium
    to: str
    text: str
    subject: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Handed:
    """Which provider took it, and what it calls it (None: nothing by which it could be asked about)."""

    provider: str
    provider_id: str | None


class NotSetUp(OutboundError):
    """There is no provider for the medium."""


def hand_over(order: Order, outside: Outside) -> Handed:
    """Raises an OutboundError: Refused, Unavailable, OutcomeUnknown, or NotSetUp."""
    return _mail(order, outside) if order.medium is Medium.EMAIL else _text(order, outside)


def is_configuration(failure: OutboundError) -> bool:
    """Whether the provider refuses us rather than the message: credit, key, sender. Then everything waits for a person."""
    if isinstance(failure, SmsRefused):
        return failure.kind == "configuration"
    return isinstance(failure, Refused) and failure.operation == "log_in"


def _text(order: Order, outside: Outside) -> Handed:
    if outside.sms is None and outside.sms_second is None:
        raise NotSetUp("sms", "send", "No SMS gateway is configured.")
    if outside.sms is not None:
        try:
            return Handed("africastalking", outside.sms.send(to=order.to, text=order.text).message_id or None)
        except OutboundError as failure:
            if outside.sms_second is None or not _is_for_the_second(failure):
                raise
    assert outside.sms_second is not None
    return Handed(outside.sms_second.name, outside.sms_second.send(to=order.to, text=order.text).message_id or None)


def _is_for_the_second(failure: OutboundError) -> bool:
    """Only what certainly was not sent, and may go another way."""
    if isinstance(failure, Refused):
        return failure.code == _NO_ROUTE or is_configuration(failure)
    return isinstance(failure, Unavailable)


def _mail(order: Order, outside: Outside) -> Handed:
    if outside.mail is None:
        raise NotSetUp("mail", "send", "No mail server is configured.")
    return Handed("smtp", outside.mail.send(to=order.to, subject=order.subject, text=order.text, headers=order.headers))
