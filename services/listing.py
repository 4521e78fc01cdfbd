"""One page of a list, cut in the database: sorted by an index, counted only as far as a person would page.

Counting millions of rows costs seconds and tells nobody anything, so a total is exact up to `COUNT_CAP` and beyond that either
PostgreSQL's own estimate (a whole table) or simply "more than that" (a filtered one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlmodel import Session

COUNT_CAP = 10_000
# PostgreSQL's estimate of a table is a little behind. Where even half of it were past the cap, no row is counted.
_SURELY_MANY = 2 * COUNT_CAP
MAX_LIMIT = 100
# What is walked from end to end, for a file, is fetched in larger portions than a person looks at.
MAX_WALK = 500
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
class Walk(After):
    """An After that hears the keys of the rows it got, so that a list is walked from end to end whatever its rows show of themselves."""

    keys: list[tuple[object, ...]] = field(default_factory=list, compare=False)


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
            ordered = ordered.where(_behind(columns, part.key, descending=part.descending))
        if isinstance(part, Walk):
            return _walked(session, ordered, part, columns)
        return session.execute(ordered.limit(min(max(part.limit, 1), MAX_LIMIT) + 1)).all()
    offset = min(max(part.offset, 0), COUNT_CAP)
    return session.execute(ordered.offset(offset).limit(min(max(part.limit, 1), MAX_LIMIT))).all()


def _walked(session: Session, ordered: sa.Select[Any], part: Walk, columns: Sequence[sa.ColumnElement[Any]]) -> Sequence[Any]:
    shown = len(ordered.column_descriptions)
    keyed = ordered.add_columns(*columns).limit(min(max(part.limit, 1), MAX_WALK) + 1)
    found = session.execute(keyed).freeze()
    part.keys[:] = [tuple(row) for row in found().columns(*range(shown, shown + len(columns))).all()]
    return found().columns(*range(shown)).all()


def _behind(columns: Sequence[sa.ColumnElement[Any]], key: tuple[object, ...], *, descending: bool) -> sa.ColumnElement[bool]:
    """What follows `key`. Only a sort's first column may be empty; PostgreSQL puts empty ones last, or first if descending."""
    first, others = columns[0], columns[1:]
    if key[0] is None:
        among = sa.and_(first.is_(None), _range(others, key[1:], descending=descending))
        return sa.or_(among, first.is_not(None)) if descending else among
    behind = _range(columns, key, descending=descending)
    return behind if descending or not _may_be_empty(first) else sa.or_(behind, first.is_(None))


def _range(columns: Sequence[sa.ColumnElement[Any]], key: Sequence[object], *, descending: bool) -> sa.ColumnElement[bool]:
    """One comparison of whole rows is one range of the sort's index."""
    here = sa.tuple_(*columns)
    there = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(key, columns, strict=True)))
    return here < there if descending else here > there


def _may_be_empty(column: sa.ColumnElement[Any]) -> bool:
    return bool(getattr(getattr(column, "expression", column), "nullable", False))


def count(session: Session, query: sa.Select[Any], *, whole_table: str | None = None, part: Slice | None = None) -> tuple[int, bool]:
    """How many rows `query` (of one column) has, and whether that is an estimate. `whole_table` names the table if nothing is filtered.

    For an `After` nothing is counted, and the answer is an estimate of 0.
    """
    if isinstance(part, After):
        return 0, True
    estimate = _estimate(session, whole_table) if whole_table else 0
    if estimate > _SURELY_MANY:
        return estimate, True
    bounded = query.order_by(None).limit(COUNT_CAP + 1).subquery()
    counted = session.execute(sa.select(sa.func.count()).select_from(bounded)).scalar_one()
    if counted <= COUNT_CAP:
        return counted, False
    return max(estimate, COUNT_CAP), True


def _estimate(session: Session, table: str) -> int:
    """How many rows PostgreSQL takes a table to have; -1 if it never looked."""
    known = sa.text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)")
    return int(session.execute(known, {"name": table}).scalar_one())
