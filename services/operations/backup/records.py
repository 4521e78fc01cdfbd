"""What is inside a back-up: records one after the other, so that it is written and read without ever holding it.

A record is a kind (1 byte), a length (4 bytes) and that many bytes: first the manifest, then the dump in parts, then each file (what it is
called, its parts, its hash), and at last the sums. Parts of files are deflated where that makes them smaller; the dump compresses itself.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from services.operations.backup.errors import Damaged

PART_BYTES = 256 * 1024
_HEAD = struct.Struct(">BI")
_MOST_BYTES = 16 * 1024 * 1024


class Kind(IntEnum):
    MANIFEST = 1
    DUMP = 2
    FILE = 3
    PLAIN = 4
    DEFLATED = 5
    FILE_END = 6
    END = 7


@dataclass(frozen=True)
class Record:
    kind: Kind
    data: bytes

    @property
    def facts(self) -> dict[str, Any]:
        return dict(orjson.loads(self.data))

    @property
    def content(self) -> bytes:
        """A part of a file as it was."""
        return zlib.decompress(self.data) if self.kind is Kind.DEFLATED else self.data


def put(write: Callable[[bytes], None], kind: Kind, data: bytes) -> None:
    write(_HEAD.pack(kind, len(data)))
    write(data)


def put_facts(write: Callable[[bytes], None], kind: Kind, facts: dict[str, Any]) -> None:
    put(write, kind, orjson.dumps(facts))


def put_part(write: Callable[[bytes], None], data: bytes) -> None:
    smaller = zlib.compress(data, 1)
    put(write, *((Kind.DEFLATED, smaller) if len(smaller) < len(data) else (Kind.PLAIN, data)))


def read(plain: Iterator[bytes]) -> Iterator[Record]:
    """The records of a stream. Raises Damaged where they do not end with Kind.END and the stream with them."""
    held = bytearray()

    def take(count: int) -> bytes:
        while len(held) < count:
            held.extend(next(plain, b"") or _ended())
        taken = bytes(held[:count])
        del held[:count]
        return taken

    while True:
        kind, length = _HEAD.unpack(take(_HEAD.size))
        if kind not in Kind._value2member_map_ or length > _MOST_BYTES:
            raise Damaged("it holds something unknown")
        record = Record(Kind(kind), take(length))
        yield record
        if record.kind is Kind.END:
            if held or next(plain, b""):
                raise Damaged("something follows its end")
            return


def _ended() -> bytes:
    raise Damaged("its end is missing")
