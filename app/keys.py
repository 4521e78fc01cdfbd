"""Keys derived from INET_SECRET_KEY, one per purpose, and the three things done with them: seal, sign, look up.

New things are made with the current key. What was made with an earlier one (INET_SECRET_KEY_PREVIOUS) still opens, until
`inet secrets rotate` has sealed it anew (services/secrets.py).
"""

from __future__ import annotations

import base64
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


@lru_cache(maxsize=64)
def _keys(purpose: str) -> tuple[bytes, ...]:
    """The purpose's keys, the current one first."""
    return tuple(
        HKDF(algorithm=hashes.SHA256(), length=32, salt=b"inet-portal", info=purpose.encode()).derive(secret.encode())
        for secret in get_settings().secret_keys
    )


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    """Kept, because its making costs more than sealing a few bytes with it."""
    return AESGCM(key)


def _key(purpose: str) -> bytes:
    return _keys(purpose)[0]


def derived_secret(purpose: str) -> str:
    """A secret for a library that wants one as text."""
    return _key(purpose).hex()


def derived_secrets(purpose: str) -> tuple[str, ...]:
    """The same of each key, the current one first."""
    return tuple(key.hex() for key in _keys(purpose))


def forget() -> None:
    """Drop derived keys after the settings changed (tests)."""
    _keys.cache_clear()
    _cipher.cache_clear()


def seal(purpose: str, data: bytes) -> str:
    """Encrypt and authenticate (AES-256-GCM); the answer is URL-safe text."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + _cipher(_key(purpose)).encrypt(nonce, data, purpose.encode())).rstrip(b"=").decode()


def unseal(purpose: str, text: str) -> bytes:
    """Undo `seal`, also of an earlier key. Raises BadSeal for anything else."""
    return _unseal(purpose, text)[0]


def is_sealed_anew(purpose: str, text: str) -> bool:
    """Whether `text` was sealed with the current key. Raises BadSeal when no key opens it."""
    return _unseal(purpose, text)[1] == 0


def _unseal(purpose: str, text: str) -> tuple[bytes, int]:
    """What was sealed, and with which key by its number (0 is the current one)."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise BadSeal from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        # The decoder skips what it does not know: one sealed thing would go by any number of texts.
        raise BadSeal
    for number, key in enumerate(_keys(purpose)):
        try:
            return _cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode()), number
        except (InvalidTag, ValueError):
            continue
    raise BadSeal


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
    return keyed_macs(purpose, text)[0]


def keyed_macs(purpose: str, text: str) -> tuple[str, ...]:
    """The same with each key, the current one first: for look-ups of what may have been stored under an earlier key."""
    return tuple(hmac.digest(key, text.encode(), "sha256").hex() for key in _keys(purpose))
