"""A chunk of a batch's vouchers, written by binary COPY: a tenth of what the same rows cost one by one.

PostgreSQL's binary format is written here and not by psycopg: most of a row is the same for the whole batch, and is encoded once
(PostgreSQL's documentation, COPY, "Binary Format").
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from sqlmodel import Session

from services.vouchers import codes
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState

_ACCOUNT_CHARACTERS = 10
_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ROWS_AT_ONCE = 500
# What is each voucher's own, in the order of `_own`.
_OWN = ("code_mac", "code_sealed", "tail_mac", "porta_account_id")


def add_rows(session: Session, batch: VoucherBatch, count: int, *, now: datetime) -> None:
    """Make `count` vouchers of the batch, in `session`'s transaction. They are `active`: it is the batch's state that holds them shut."""
    shared = _shared(batch, now)
    columns = (*_OWN, *shared)
    head, tail = struct.pack("!h", len(columns)), b"".join(shared.values())
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(str(Voucher.__tablename__)), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(_HEADER)
        own = _own(batch, count)
        while rows := b"".join(head + each + tail for each in itertools.islice(own, _ROWS_AT_ONCE)):
            copy.write(rows)
        copy.write(_END)


def _shared(batch: VoucherBatch, now: datetime) -> dict[str, bytes]:
    """What all of a batch have alike; columns that are not named are NULL."""
    assert batch.id is not None
    return {
        "package_version_id": _int8(batch.package_version_id),
        "origin": _text(VoucherOrigin.BATCH.value),
        "batch_id": _int8(batch.id),
        "state": _text(VoucherState.ACTIVE.value),
        "issued_by": _text(batch.made_by),
        "created_at": _moment(now),
        "use_from": _moment(batch.use_from),
        "use_before": _moment(batch.use_before),
        "porta_attempts": _int4(0),
    }


def _own(batch: VoucherBatch, count: int) -> Iterator[bytes]:
    accounts = codes.new_references(count, _ACCOUNT_CHARACTERS)
    for code, account in zip(codes.new_codes(count), accounts, strict=True):
        yield (
            _text(codes.code_mac(code))
            + _text(codes.seal_code(code))
            + _int4(codes.tail_mac(code))
            + _text(f"inet-b{batch.id}-{account.lower()}")
        )


# Each value is its length in bytes and itself; NULL is the length -1.
_LENGTH, _INT4, _INT8 = struct.Struct("!i").pack, struct.Struct("!ii").pack, struct.Struct("!iq").pack


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _LENGTH(len(encoded)) + encoded


def _int4(value: int) -> bytes:
    return _INT4(4, value)


def _int8(value: int) -> bytes:
    return _INT8(8, value)


def _moment(value: datetime | None) -> bytes:
    """Microseconds since 2000."""
    if value is None:
        return _LENGTH(-1)
    since = value - _EPOCH
    return _int8((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
