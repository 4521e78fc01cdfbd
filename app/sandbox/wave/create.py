"""What Wave accepts in a create call (protocols/wave.md §3, §4.1)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.sandbox.wave.errors import WaveError, invalid
from app.sandbox.wave.models import CURRENCY

AMOUNT = re.compile(r"(0\.\d{1,2}|[1-9]\d*(\.\d{1,2})?)")
E164 = re.compile(r"\+[1-9]\d{6,14}")
MAX_REFERENCE = 255


@dataclass(frozen=True)
class CreateRequest:
    """A create call that passed every check."""

    amount: str
    success_url: str
    error_url: str
    client_reference: str | None
    restrict_payer_mobile: str | None


def read_create(body: object) -> CreateRequest:
    """Check a create call's JSON. Raises WaveError (400) naming the field; unknown fields are ignored."""
    if not isinstance(body, dict):
        raise WaveError(400, "request-validation-error", "Request invalid")
    if _required(body, "currency") != CURRENCY:
        raise invalid("currency", f"this wallet holds {CURRENCY}")
    if body.get("aggregated_merchant_id") is not None:
        raise invalid("aggregated_merchant_id", "this wallet is not an aggregator's")
    return CreateRequest(
        amount=_amount(body),
        success_url=_url(body, "success_url"),
        error_url=_url(body, "error_url"),
        client_reference=_reference(body),
        restrict_payer_mobile=_mobile(body),
    )


def is_amount(value: str) -> bool:
    """Whether this is a positive amount in Wave's notation."""
    return AMOUNT.fullmatch(value) is not None and any(digit in "123456789" for digit in value)


def _required(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if value is None:
        raise invalid(field, "field required")
    if not isinstance(value, str):
        raise invalid(field, "str type expected")
    return value


def _amount(body: dict[str, Any]) -> str:
    value = _required(body, "amount")
    if not is_amount(value):
        raise invalid("amount", "must be a positive decimal with at most two places")
    return value


def _url(body: dict[str, Any], field: str) -> str:
    value = _required(body, field)
    try:
        parts = urlsplit(value)
    except ValueError:
        raise invalid(field, "not a URL") from None
    # Real Wave knows https only. A demo on one machine has no certificate, and nobody can listen in on a loopback.
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))):
        return value
    raise invalid(field, "must be an https URL")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _reference(body: dict[str, Any]) -> str | None:
    value = body.get("client_reference")
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_REFERENCE:
        raise invalid("client_reference", f"at most {MAX_REFERENCE} characters")
    return value


def _mobile(body: dict[str, Any]) -> str | None:
    value = body.get("restrict_payer_mobile")
    if value is None:
        return None
    if not isinstance(value, str) or not E164.fullmatch(value):
        raise invalid("restrict_payer_mobile", "must be an E.164 number")
    return value
