"""openNDS's hashes, its URL encoding and the redirect blob (protocols/opennds.md §2, §3)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

KEY_BYTES = 32
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def hid_of(token: str) -> str:
    """What the FAS knows a client by."""
    return hashlib.sha256(token.encode()).hexdigest()


def rhid_of(hid: str, faskey: str) -> str:
    """What the FAS must hand back to let that client in."""
    return hashlib.sha256((hid + faskey).encode()).hexdigest()


def url_encode(text: str) -> str:
    """openNDS's own encoding: everything but unreserved characters as lower-case `%xx`."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02x}" for byte in text.encode())


def gateway_hash(gateway_name: str) -> str:
    """The only name by which authmon introduces its router."""
    return hashlib.sha256(url_encode(gateway_name).encode()).hexdigest()


def encrypt_query(plain: str, faskey: str, iv: str) -> str:
    """The `fas` value of level 3: AES-256-CBC, base64 twice. `iv` is 16 characters taken as they are."""
    key = faskey.encode()[:KEY_BYTES].ljust(KEY_BYTES, b"\0")
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv.encode())).encryptor()
    ciphertext = encryptor.update(padder.update(plain.encode()) + padder.finalize()) + encryptor.finalize()
    return b64encode(b64encode(ciphertext)).decode()


def encode_query(plain: str) -> str:
    """The `fas` value of level 4: base64, not escaped."""
    return b64encode(plain.encode()).decode()


def new_token() -> str:
    """A client's token: 8 hex digits."""
    return secrets.token_hex(4)


def new_iv() -> str:
    """16 hex characters."""
    return secrets.token_hex(8)


def new_mac() -> str:
    """A random MAC as phones make them up: locally administered, not multicast."""
    first = (secrets.randbelow(256) & 0b11111100) | 0b10
    return ":".join(f"{byte:02x}" for byte in (first, *secrets.token_bytes(5)))
