"""The apps' credentials: device keys, and short access tokens that are each made with one and worth nothing without the phone's row."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from app.keys import keyed_mac, keyed_macs
from services.accounts.short_tokens import LIFETIME, ShortTokens

__all__ = ["DEVICE_KEY", "LIFETIME", "Claims", "device_of_key", "forget", "make", "new_device_key", "read"]
DEVICE_KEY = "app-device-key"
"""The purpose that device keys are hashed for."""
_ISSUED, _TAG = "app-device-key-issued", 32
_TOKENS = ShortTokens(purpose="app-token", audience="mobile")
forget = _TOKENS.forget


@dataclass(frozen=True)
class Claims:
    """Which phone a token is of, and the number of the device key that it was made with."""

    device: str
    key_number: int


def new_device_key(device: str) -> str:
    """256 random bits as text, with whose it is and that we made it: so an old one is known for what it is, however old."""
    body = f"{device}.{secrets.token_urlsafe(32)}"
    return f"{body}.{keyed_mac(_ISSUED, body)[:_TAG]}"


def device_of_key(key: str) -> str | None:
    """The phone that we once made this key for; None for what we did not make."""
    body, _, tag = key.rpartition(".")
    is_ours = any(hmac.compare_digest(tag.encode(), mac[:_TAG].encode()) for mac in keyed_macs(_ISSUED, body))
    return body.partition(".")[0] if is_ours else None


def make(*, device: str, key_number: int, now: datetime) -> str:
    """A token for one phone, good for `LIFETIME`."""
    return _TOKENS.make({"sub": device, "key": key_number}, now=now)


def read(token: str, *, now: datetime) -> Claims | None:
    """None for a token that is forged, expired, foreign or of another kind."""
    claims = _TOKENS.read(token, needed="sub", now=now)
    if claims is None or not isinstance(claims["sub"], str) or not isinstance(claims.get("key"), int):
        return None
    return Claims(claims["sub"], claims["key"])
