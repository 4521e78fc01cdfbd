"""The apps' credentials: short access tokens (JWT, RFC 9068), each made with one device key and worth nothing without its phone's row."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from app.keys import derived_secret, keyed_mac, keyed_macs
from app.settings import get_settings

LIFETIME = timedelta(minutes=10)
DEVICE_KEY = "app-device-key"
"""The purpose that device keys are hashed for."""
_ISSUED, _TAG = "app-device-key-issued", 32
_ALGORITHM = "HS256"
_ISSUER, _AUDIENCE = "inet-portal", "inet-portal/mobile"


@dataclass(frozen=True)
class Claims:
    """Which phone a token is of, and the number of the device key that it was made with."""

    device: str
    key_number: int


@lru_cache(maxsize=1)
def _keys() -> KeySet:
    """The signing key first, then those that still open: a key is rotated by naming a new one in front (INET_TOKEN_KEY_IDS)."""
    names = [name.strip() for name in get_settings().token_key_ids.split(",") if name.strip()]
    return KeySet([OctKey.import_key(derived_secret(f"app-token:{name}"), {"kid": name, "alg": _ALGORITHM}) for name in names])


def forget() -> None:
    """Read the key names anew (tests, rotation)."""
    _keys.cache_clear()


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
    key = _keys().keys[0]
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": device,
        "key": key_number,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return jwt.encode({"alg": _ALGORITHM, "typ": "at+jwt", "kid": key.kid}, claims, key)


def read(token: str, *, now: datetime) -> Claims | None:
    """None for a token that is forged, expired, foreign or of another kind."""
    try:
        found = jwt.decode(token, _keys(), algorithms=[_ALGORITHM])
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=0,
            iss={"essential": True, "value": _ISSUER},
            aud={"essential": True, "value": _AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )
        rules.validate(found.claims)
    except (JoseError, ValueError):
        return None
    device, number = found.claims["sub"], found.claims.get("key")
    if found.header.get("typ") != "at+jwt" or not isinstance(device, str) or not isinstance(number, int):
        return None
    return Claims(device, number)
