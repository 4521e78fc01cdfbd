"""A chunk of a batch's vouchers, written by binary COPY: a tenth of what the same rows cost one by one.

PostgreSQL's binary format is written here and not by psycopg: most of a row is the same for the whole batch, and is encoded once
(PostgreSQL's documentation, COPY, "Binary Format").
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from sqlmodel import Session

from services.vouchers import codes
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState

# A batch's number may come again after a restore, and PortaBilling still has the accounts of the one that is lost.
_ACCOUNT_CHARACTERS = 8
_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ROWS_AT_ONCE = 500
# The thread that draws lets the one that writes go first this often: Python itself would have it wait 5 ms at each turn, and PostgreSQL
# with it.
_TURN, _PAUSE = 100, 0.0001
# What is each voucher's own, in the order of `draw`.
_OWN = ("code_mac", "code_sealed", "tail_mac", "porta_account_id")


def add_rows(session: Session, batch: VoucherBatch, own: Sequence[bytes], *, now: datetime) -> None:
    """Make one voucher of the batch of each of `own` (`draw`), in `session`'s transaction. They are `active`: it is the batch's state
    that holds them shut.
    """
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
        for start in range(0, len(own), _ROWS_AT_ONCE):
            copy.write(head + (tail + head).join(own[start : start + _ROWS_AT_ONCE]) + tail)
        copy.write(_END)


def draw(batch_id: int, first: int, count: int) -> list[bytes]:
    """What is each voucher's own: a code never seen before and an account's name, encoded. `first` is the number of the first one in
    its batch: names in order are cheaper to index than any others.
    """
    rows: list[bytes] = []
    ends = codes.new_references(count, _ACCOUNT_CHARACTERS)
    for number, (code, end) in enumerate(zip(codes.new_codes(count), ends, strict=True), first):
        rows.append(
            _text(codes.code_mac(code))
            + _text(codes.seal_code(code))
            + _int4(codes.tail_mac(code))
            + _text(f"inet-b{batch_id}-{number:06}-{end.lower()}")
        )
        if number % _TURN == 0:
            time.sleep(_PAUSE)
    return rows


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
