"""The up-time report of the console: by access point or by site, in pages and as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col

from app.clock import isoformat
from app.db import Begin
from services import csv_export
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import AccessPoint, Health, Site
from services.network.uptime import Uptime, uptime_by_access_point, uptime_by_site

By = Literal["access_point", "site"]
_BATCH = 500


@dataclass(frozen=True)
class Range:
    """Half-open [start, end)."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class UptimeRow:
    """One access point (with its site's name and its state now) or one site, and how it fared."""

    id: int
    name: str
    site: str | None
    health: Health | None
    uptime: Uptime


def report(session: Session, *, actor: Principal, by: By, span: Range, part: Slice, search: str = "", now: datetime) -> Listing[UptimeRow]:
    """One page, by name. `search` is looked for anywhere in names of access points and sites. Raises Forbidden."""
    actor.require(Permission.NETWORK_READ)
    query = _query(by, search)
    found = fetch(session, query, part, sorts={"name": _order(by)}, default_sort="name")
    total, is_estimate = count(session, query.with_only_columns(_order(by)[-1]), part=part)
    return Listing(tuple(_rows(session, by, found, span, now=now)), total, is_estimate)


def csv_lines(
    begin: Begin, *, actor: Principal, by: By, span: Range, search: str = "", now: datetime, batch: int = _BATCH
) -> Iterator[str]:
    """The whole report as lines of a CSV file, made `batch` rows at a time as they are asked for. Raises Forbidden at once."""
    actor.require(Permission.NETWORK_READ)
    return _lines(begin, by, span, search, now, batch)


def _lines(begin: Begin, by: By, span: Range, search: str, now: datetime, batch: int) -> Iterator[str]:
    whose = ["Access point", "Site"] if by == "access_point" else ["Site"]
    head = [*whose, "From", "Until", "Up-time percent", *(f"{state.value.capitalize()} seconds" for state in Health)]
    yield csv_export.BOM + csv_export.line(head)
    after: tuple[str, int] | None = None
    while True:
        with begin() as session:
            query = _query(by, search).order_by(*_order(by)).limit(batch)
            if after is not None:
                query = query.where(sa.tuple_(*_order(by)) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1], sa.BigInteger)))
            rows = list(_rows(session, by, session.execute(query).all(), span, now=now))
        yield from (_line(by, row, span) for row in rows)
        if len(rows) < batch:
            return
        after = (rows[-1].name, rows[-1].id)


def _line(by: By, row: UptimeRow, span: Range) -> str:
    share = row.uptime.share
    whose = [row.name, row.site] if by == "access_point" else [row.name]
    percent = None if share is None else f"{share * 100:.4f}"
    return csv_export.line(
        [*whose, isoformat(span.start), isoformat(span.end), percent, *(getattr(row.uptime, state.value) for state in Health)]
    )


def _order(by: By) -> Sequence[Any]:
    return (col(AccessPoint.name), col(AccessPoint.id)) if by == "access_point" else (col(Site.name), col(Site.id))


def _query(by: By, search: str) -> sa.Select[Any]:
    text = search.strip()
    if by == "site":
        query = pick(Site.id, Site.name, sa.null(), sa.null())
        return query.where(col(Site.name).icontains(text, autoescape=True)) if text else query
    query = pick(AccessPoint.id, AccessPoint.name, Site.name, AccessPoint.health).outerjoin(Site, col(Site.id) == AccessPoint.site_id)
    if not text:
        return query
    return query.where(sa.or_(*(column.icontains(text, autoescape=True) for column in (col(AccessPoint.name), col(Site.name)))))


def _rows(session: Session, by: By, found: Sequence[Any], span: Range, *, now: datetime) -> Iterator[UptimeRow]:
    measure = uptime_by_access_point if by == "access_point" else uptime_by_site
    uptimes = measure(session, [row[0] for row in found], start=span.start, end=span.end, now=now)
    for row in found:
        yield UptimeRow(row[0], row[1], row[2], row[3], uptimes[row[0]])
