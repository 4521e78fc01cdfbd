"""Keys derived from INET_SECRET_KEY, one per purpose, and the three things done with them: seal, sign, look up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from functools import lru_cache

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.settings import get_settings

_NONCE_BYTES = 12


class BadSeal(Exception):
    """A sealed text was not made by us for this purpose, was altered, or was made with another key."""


@lru_cache(maxsize=32)
def _key(purpose: str) -> bytes:
    secret = get_settings().secret_key.get_secret_value().encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=b"inet-portal", info=purpose.encode()).derive(secret)


def derived_secret(purpose: str) -> str:
    """A secret for a library that wants one as text."""
    return _key(purpose).hex()


def forget() -> None:
    """Drop derived keys after the settings changed (tests)."""
    _key.cache_clear()


def seal(purpose: str, data: bytes) -> str:
    """Encrypt and authenticate (AES-256-GCM); the answer is URL-safe text."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + AESGCM(_key(purpose)).encrypt(nonce, data, purpose.encode())).rstrip(b"=").decode()


def unseal(purpose: str, text: str) -> bytes:
    """Undo `seal`. Raises BadSeal for anything else."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return AESGCM(_key(purpose)).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError) as error:
        raise BadSeal from error


def seal_json(purpose: str, value: dict[str, object]) -> str:
    return seal(purpose, orjson.dumps(value))


def unseal_json(purpose: str, text: str) -> dict[str, object]:
    """Raises BadSeal."""
    value = orjson.loads(unseal(purpose, text))
    if not isinstance(value, dict):
        raise BadSeal
    return value


def keyed_mac(purpose: str, text: str) -> str:
    """A keyed hash to find a secret by without storing it: useless to a thief of the table alone."""
    return hmac.new(_key(purpose), text.encode(), hashlib.sha256).hexdigest()
