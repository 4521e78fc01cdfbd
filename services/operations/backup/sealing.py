"""A back-up's outermost layer: a stream in sealed pieces, of which none can be changed, left out, added or moved.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with AES-256-GCM, as `age` and Tink have it. The file is

    INETBAK1 | length of the header (4 bytes) | header, JSON | pieces

Each piece is 1 MiB of plain bytes and a tag of 16; the last one may be shorter. A piece's nonce is 7 random bytes of the header, its
number in 4 bytes, and 1 for the last, else 0. What all pieces authenticate beside themselves is the hash of the header. The key is
of this file alone: HKDF-SHA256 of the back-up key with the header's salt. Integers are big-endian.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.keys import derived_secrets
from app.settings import get_settings
from services.operations.backup.errors import Damaged, NotABackup, WrongKey

_MAGIC = b"INETBAK1"
_VERSION = 1
PIECE_BYTES = 1 << 20
_TAG_BYTES = 16
_PREFIX_BYTES = 7
_MOST_HEADER_BYTES = 64 * 1024
_MOST_PIECES = 2**32 - 1


@dataclass(frozen=True)
class Key:
    """A key that can seal back-ups, and the setting that it comes from."""

    source: str
    secret: bytes

    @property
    def id(self) -> str:
        """Tells keys apart and tells nothing about them."""
        return _derive(self.secret, b"", b"inet back-up: key id", 8).hex()

    def for_file(self, salt: bytes) -> bytes:
        return _derive(self.secret, salt, b"inet back-up: file", 32)


def _derive(secret: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=purpose).derive(secret)


def keys() -> tuple[Key, ...]:
    """The one that seals first, then all others that open."""
    own = get_settings().backup_key.get_secret_value()
    given = (Key("INET_BACKUP_KEY", own.encode()),) if own else ()
    return (*given, *(Key("INET_SECRET_KEY", secret.encode()) for secret in derived_secrets("backup")))


def secret_key_id() -> str:
    """Which INET_SECRET_KEY opens the sealed columns of the database that is backed up."""
    return Key("INET_SECRET_KEY", derived_secrets("backup")[0].encode()).id


class Sealer:
    """Writes a sealed file; without `finish` it is a truncated one."""

    def __init__(self, out: BinaryIO, key: Key, facts: dict[str, Any]) -> None:
        salt, self._prefix = os.urandom(32), os.urandom(_PREFIX_BYTES)
        header = orjson.dumps(
            {
                **facts,
                "version": _VERSION,
                "sealing": "STREAM AES-256-GCM",
                "kdf": "HKDF-SHA256",
                "key_id": key.id,
                "key_source": key.source,
                "salt": salt.hex(),
                "nonce_prefix": self._prefix.hex(),
                "piece_bytes": PIECE_BYTES,
            }
        )
        self._aead, self._bound = AESGCM(key.for_file(salt)), hashlib.sha256(header).digest()
        self._out, self._digest = out, hashlib.sha256()
        self._held, self._number = bytearray(), 0
        self.size = 0
        self._write(_MAGIC + struct.pack(">I", len(header)) + header)

    def write(self, data: bytes) -> None:
        self._held += data
        # The last piece is known only at the end, so one is always held back.
        while len(self._held) > PIECE_BYTES:
            self._seal(bytes(self._held[:PIECE_BYTES]), is_last=False)
            del self._held[:PIECE_BYTES]

    def finish(self) -> str:
        """Seal the last piece; answers the SHA-256 of the whole file."""
        self._seal(bytes(self._held), is_last=True)
        return self._digest.hexdigest()

    def _seal(self, plain: bytes, *, is_last: bool) -> None:
        self._write(self._aead.encrypt(_nonce(self._prefix, self._number, is_last=is_last), plain, self._bound))
        self._number += 1

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self.size += len(data)


def _nonce(prefix: bytes, number: int, *, is_last: bool) -> bytes:
    if number > _MOST_PIECES:
        raise OverflowError("a back-up has at most four thousand million pieces")
    return prefix + struct.pack(">I", number) + bytes([is_last])


def read_header(file: BinaryIO, name: str) -> tuple[dict[str, Any], bytes]:
    """What a file says of itself, unproven, and what its pieces are bound to. Raises NotABackup."""
    start = file.read(len(_MAGIC) + 4)
    if len(start) < len(_MAGIC) + 4 or not start.startswith(_MAGIC):
        raise NotABackup(name)
    (length,) = struct.unpack(">I", start[len(_MAGIC) :])
    raw = file.read(length) if length <= _MOST_HEADER_BYTES else b""
    try:
        header = orjson.loads(raw)
        is_ours = header["version"] == _VERSION and header["piece_bytes"] == PIECE_BYTES
        is_ours = is_ours and len(bytes.fromhex(header["nonce_prefix"])) == _PREFIX_BYTES and bool(bytes.fromhex(header["salt"]))
    except (ValueError, KeyError, TypeError):
        raise NotABackup(name) from None
    if not is_ours:
        raise NotABackup(name)
    return dict(header), hashlib.sha256(raw).digest()


def unseal(file: BinaryIO, name: str, known: Sequence[Key]) -> Iterator[bytes]:
    """The plain bytes, piece by piece, each proven before it is handed out. Raises NotABackup, WrongKey and Damaged.

    Only who has read to the end knows that nothing is missing.
    """
    header, bound = read_header(file, name)
    key = next((key for key in known if key.id == header["key_id"]), None)
    if key is None:
        raise WrongKey(str(header["key_id"])[:16], str(header["key_source"])[:40])
    aead, prefix = AESGCM(key.for_file(bytes.fromhex(header["salt"]))), bytes.fromhex(header["nonce_prefix"])
    number, piece = 0, file.read(PIECE_BYTES + _TAG_BYTES)
    while True:
        following = file.read(PIECE_BYTES + _TAG_BYTES)
        plain = _opened(aead, _nonce(prefix, number, is_last=not following), piece, bound)
        if plain is None:
            is_cut = not following and _opened(aead, _nonce(prefix, number, is_last=False), piece, bound) is not None
            raise Damaged("its end is missing" if is_cut else f"it was changed, cut off or damaged in its piece {number + 1}")
        yield plain
        if not following:
            return
        number, piece = number + 1, following


def _opened(aead: AESGCM, nonce: bytes, piece: bytes, bound: bytes) -> bytes | None:
    try:
        return aead.decrypt(nonce, piece, bound)
    except (InvalidTag, ValueError):
        return None
