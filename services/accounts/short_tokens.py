"""Short access tokens: JWTs signed with a named key (RFC 9068, OWASP ASVS 5.0 V9). What else they are worth is for who reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from app.keys import derived_secret
from app.settings import get_settings

LIFETIME = timedelta(minutes=10)
_ALGORITHM, _TYPE, _ISSUER = "HS256", "at+jwt", "inet-portal"


class ShortTokens:
    """Tokens of one kind: `purpose` is what their keys are derived for, `audience` whom they are for. No other kind opens anything."""

    def __init__(self, *, purpose: str, audience: str) -> None:
        self._purpose, self._audience = purpose, f"{_ISSUER}/{audience}"
        self._made: KeySet | None = None

    def _keys(self) -> KeySet:
        """The signing key first, then those that still open: a key is rotated by naming a new one in front (INET_TOKEN_KEY_IDS)."""
        if self._made is None:
            names = [name.strip() for name in get_settings().token_key_ids.split(",") if name.strip()]
            secrets = {name: derived_secret(f"{self._purpose}:{name}") for name in names}
            self._made = KeySet([OctKey.import_key(secret, {"kid": name, "alg": _ALGORITHM}) for name, secret in secrets.items()])
        return self._made

    def forget(self) -> None:
        """Read the key names anew (tests, rotation)."""
        self._made = None

    def make(self, claims: dict[str, Any], *, now: datetime) -> str:
        """A token that says this, good for `LIFETIME`."""
        key = self._keys().keys[0]
        times = {"iat": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp())}
        header = {"alg": _ALGORITHM, "typ": _TYPE, "kid": key.kid}
        return jwt.encode(header, {"iss": _ISSUER, "aud": self._audience, **claims, **times}, key)

    def read(self, token: str, *, needed: str, now: datetime) -> dict[str, Any] | None:
        """What it says, `needed` among it; None for a token that is forged, expired, foreign or of another kind."""
        named: dict[str, Any] = {"iss": _ISSUER, "aud": self._audience}
        wanted: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in named.items()}
        wanted |= {name: {"essential": True} for name in ("exp", needed)}
        try:
            found = jwt.decode(token, self._keys(), algorithms=[_ALGORITHM])
            rules = jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=0, **wanted)
            rules.validate(found.claims)
        except (JoseError, ValueError):
            return None
        return dict(found.claims) if found.header.get("typ") == _TYPE else None
