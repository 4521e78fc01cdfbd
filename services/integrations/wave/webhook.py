"""Wave's webhooks: is it really Wave, and what does it say (wave.md §5)."""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_AGE_SECONDS = 300
MAX_AHEAD_SECONDS = 30
_MAX_HEADER = 2048
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,64}")


class WebhookRefused(Exception):
    """The request does not prove that it comes from Wave. `reason_code`: missing, malformed, mismatch, stale, future, no_secret."""

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code


@dataclass(frozen=True)
class WaveEvent:
    """What a webhook claims. A hint only: ask Wave for the session before acting on it."""

    id: str
    type: str
    session_id: str | None
    client_reference: str | None
    transaction_id: str | None
    raw: dict[str, Any]


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The `v1` value: HMAC-SHA256 over the timestamp directly followed by the raw body. Requests are signed the same way (§2)."""
    return hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()


def verify_webhook(*, body: bytes, signature: str | None, authorization: str | None, secrets: Sequence[str], now: datetime) -> None:
    """Accept a signed webhook (`Wave-Signature`) or one with a shared secret (`Authorization: Bearer`). Raises WebhookRefused.

    Several secrets may be valid while one is being replaced. A signature, once present, must be right by itself.
    """
    known = [secret for secret in secrets if secret]
    if not known:
        raise WebhookRefused("no_secret")
    if signature is not None:
        _verify_signature(body, signature, known, now)
    elif authorization is not None:
        _verify_bearer(authorization, known)
    else:
        raise WebhookRefused("missing")


def _verify_signature(body: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    timestamp, digests = _split_signature(header)
    genuine = False
    for secret in secrets:
        expected = sign(secret, timestamp, body).encode()
        for digest in digests:
            # No early exit: the time taken must not tell which of several secrets or digests came close.
            genuine |= hmac.compare_digest(expected, digest.encode())
    if not genuine:
        raise WebhookRefused("mismatch")
    age = now.timestamp() - int(timestamp)
    if age > MAX_AGE_SECONDS:
        raise WebhookRefused("stale")
    if age < -MAX_AHEAD_SECONDS:
        raise WebhookRefused("future")


def _split_signature(header: str) -> tuple[str, list[str]]:
    if len(header) > _MAX_HEADER:
        raise WebhookRefused("malformed")
    parts = [part.strip().partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in parts if name == "t"]
    digests = [value.lower() for name, _, value in parts if name == "v1" and _HEX_DIGEST.fullmatch(value)]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]) or not digests:
        raise WebhookRefused("malformed")
    return timestamps[0], digests


def _verify_bearer(header: str, secrets: Sequence[str]) -> None:
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer" or len(header) > _MAX_HEADER:
        raise WebhookRefused("malformed")
    token = given.strip().encode(errors="replace")
    genuine = False
    for secret in secrets:
        genuine |= hmac.compare_digest(secret.encode(), token)
    if not genuine:
        raise WebhookRefused("mismatch")


def parse_event(body: bytes) -> WaveEvent:
    """Read a verified webhook. Raises ValueError when it is no JSON object with an id and a type. Unknown types are fine."""
    try:
        raw = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(raw, dict):
        raise ValueError("not an object")  # noqa: TRY004 - wrong data from outside, not a wrong argument
    event_id, event_type = raw.get("id"), raw.get("type")
    if not (isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id)):
        raise ValueError("no usable event id")
    if not (isinstance(event_type, str) and _EVENT_ID.fullmatch(event_type)):
        raise ValueError("no usable event type")
    found = raw.get("data")
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    about_session = event_type.startswith("checkout.session.")
    about_transaction = event_type == "merchant.payment_received"
    return WaveEvent(
        id=event_id,
        type=event_type,
        session_id=_token(data.get("id")) if about_session else None,
        client_reference=_text(data.get("client_reference")),
        transaction_id=_token(data.get("id")) if about_transaction else _token(data.get("transaction_id")),
        raw=raw,
    )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _token(value: Any) -> str | None:
    return value if isinstance(value, str) and _EVENT_ID.fullmatch(value) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable() else None
