"""Short access tokens of the JSON API: JWTs signed with a named key, worth nothing without their session (RFC 9068, OWASP ASVS 5.0 V9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from app.keys import derived_secret
from app.settings import get_settings

LIFETIME = timedelta(minutes=10)
_ALGORITHM = "HS256"
_ISSUER, _AUDIENCE = "inet-portal", "inet-portal/api"


@lru_cache(maxsize=1)
def _keys() -> KeySet:
    """The signing key first, then those that still open: a key is rotated by naming a new one in front (INET_TOKEN_KEY_IDS)."""
    names = [name.strip() for name in get_settings().token_key_ids.split(",") if name.strip()]
    return KeySet([OctKey.import_key(derived_secret(f"access-token:{name}"), {"kid": name, "alg": _ALGORITHM}) for name in names])


def forget() -> None:
    """Read the key names anew (tests, rotation)."""
    _keys.cache_clear()


def make(*, staff_id: int, session_id: str, now: datetime) -> str:
    """A token for one session of one person, good for `LIFETIME`."""
    key = _keys().keys[0]
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": str(staff_id),
        "sid": session_id,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return jwt.encode({"alg": _ALGORITHM, "typ": "at+jwt", "kid": key.kid}, claims, key)


def read(token: str, *, now: datetime) -> str | None:
    """The session that a token names; None for one that is forged, expired, foreign or of another kind."""
    try:
        found = jwt.decode(token, _keys(), algorithms=[_ALGORITHM])
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=0,
            iss={"essential": True, "value": _ISSUER},
            aud={"essential": True, "value": _AUDIENCE},
            exp={"essential": True},
            sid={"essential": True},
        )
        rules.validate(found.claims)
    except (JoseError, ValueError):
        return None
    session_id = found.claims["sid"]
    return session_id if found.header.get("typ") == "at+jwt" and isinstance(session_id, str) else None


def looks_like_one(token: str) -> bool:
    return token.count(".") == 2
