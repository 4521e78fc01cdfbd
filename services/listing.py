"""One page of a list, cut in the database: sorted by an index, counted only as far as a person would page.

Counting millions of rows costs seconds and tells nobody anything, so a total is exact up to `COUNT_CAP` and beyond that either
PostgreSQL's own estimate (a whole table) or simply "more than that" (a filtered one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlmodel import Session

COUNT_CAP = 10_000
MAX_LIMIT = 100
Row = TypeVar("Row")


@dataclass(frozen=True)
class Slice:
    """Which rows: `sort` is one of the list's own sort names; an unknown one means the list's default."""

    offset: int = 0
    limit: int = 25
    sort: str = ""
    descending: bool = True


@dataclass(frozen=True)
class After(Slice):
    """The rows that follow `key`, the last row's values of the sort's columns; without one, those that begin the list.

    Rows that come or go meanwhile neither repeat nor hide others. One row more than `limit` is fetched, so that the caller knows whether
    more follow; nothing is counted.
    """

    key: tuple[object, ...] | None = None


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """`total` is exact unless `is_estimate`; rows past `COUNT_CAP` are reached by narrowing the filters, not by paging."""

    rows: tuple[Row, ...]
    total: int
    is_estimate: bool = False


def pick(*columns: Any) -> sa.Select[Any]:
    """`SELECT` of columns and whole rows together; SQLAlchemy's own signatures do not know SQLModel's attributes."""
    return sa.select(*columns)


def fetch(
    session: Session,
    query: sa.Select[Any],
    part: Slice,
    *,
    sorts: Mapping[str, Sequence[sa.ColumnElement[Any]]],
    default_sort: str,
) -> Sequence[Any]:
    """The rows of one page. Every entry of `sorts` is the column list of an index, ending in one that makes the order total."""
    columns = sorts.get(part.sort, sorts[default_sort])
    ordered = query.order_by(*(column.desc() if part.descending else column.asc() for column in columns))
    if isinstance(part, After):
        if part.key is not None:
            # One comparison of whole rows is one range of the sort's index.
            here, there = (
                sa.tuple_(*columns),
                sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(part.key, columns, strict=True))),
            )
            ordered = ordered.where(here < there if part.descending else here > there)
        return session.execute(ordered.limit(min(max(part.limit, 1), MAX_LIMIT) + 1)).all()
    offset = min(max(part.offset, 0), COUNT_CAP)
    return session.execute(ordered.offset(offset).limit(min(max(part.limit, 1), MAX_LIMIT))).all()


def count(session: Session, query: sa.Select[Any], *, whole_table: str | None = None, part: Slice | None = None) -> tuple[int, bool]:
    """How many rows `query` (of one column) has, and whether that is an estimate. `whole_table` names the table if nothing is filtered.

    For an `After` nothing is counted, and the answer is an estimate of 0.
    """
    if isinstance(part, After):
        return 0, True
    bounded = query.order_by(None).limit(COUNT_CAP + 1).subquery()
    counted = session.execute(sa.select(sa.func.count()).select_from(bounded)).scalar_one()
    if counted <= COUNT_CAP:
        return counted, False
    if whole_table is None:
        return COUNT_CAP, True
    estimate = session.execute(
        sa.text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)"), {"name": whole_table}
    ).scalar_one()
    return max(int(estimate), COUNT_CAP), True
