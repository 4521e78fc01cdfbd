"""A chunk of a batch's vouchers, written by binary COPY: a tenth of what the same rows cost one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from sqlmodel import Session

from services.vouchers import codes
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState

_ACCOUNT_CHARACTERS = 10


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    value: Any = None


# What `_made` answers of each.
_OWN = (_Column("code_mac", "text"), _Column("code_sealed", "text"), _Column("tail_mac", "int4"), _Column("porta_account_id", "text"))


def add_rows(session: Session, batch: VoucherBatch, count: int, *, now: datetime) -> None:
    """Make `count` vouchers of the batch, in `session`'s transaction. They are `active`: it is the batch's state that holds them shut."""
    shared = _shared(batch, now)
    varying = (
        _Column("code_mac", "text"),
        _Column("code_sealed", "text"),
        _Column("tail_mac", "int4"),
        _Column("porta_account_id", "text"),
    )
    columns = (*varying, *shared)
    values = tuple(column.value for column in shared)
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(str(Voucher.__tablename__)), sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    )
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.set_types([column.type for column in columns])
        for made in _made(batch, count):
            copy.write_row(made + values)


def _shared(batch: VoucherBatch, now: datetime) -> tuple[_Column, ...]:
    """What all of a batch have alike; columns that are not named are NULL."""
    return (
        _Column("package_version_id", "int8", batch.package_version_id),
        _Column("origin", "text", VoucherOrigin.BATCH.value),
        _Column("batch_id", "int8", batch.id),
        _Column("state", "text", VoucherState.ACTIVE.value),
        _Column("issued_by", "text", batch.made_by),
        _Column("created_at", "timestamptz", now),
        _Column("use_from", "timestamptz", batch.use_from),
        _Column("use_before", "timestamptz", batch.use_before),
        _Column("porta_attempts", "int4", 0),
    )


def _made(batch: VoucherBatch, count: int) -> Iterator[tuple[str, str, int, str]]:
    accounts = codes.new_references(count, _ACCOUNT_CHARACTERS)
    for code, account in zip(codes.new_codes(count), accounts, strict=True):
        yield codes.code_mac(code), codes.seal_code(code), codes.tail_mac(code), f"inet-b{batch.id}-{account.lower()}"
