"""Cursor paging: `?limit=&cursor=` -> `{"items": [...], "next_cursor": ...}` (contract.md).

A cursor names the last row that was seen, sealed, so that it says nothing and cannot be made up. Rows that come meanwhile neither repeat
nor hide others. It belongs to its list and filters; for any other it is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from app.clock import isoformat
from app.errors import InvalidInput
from app.keys import BadSeal, seal_json, unseal_json
from services.listing import MAX_LIMIT, After

_PURPOSE = "api-cursor"
_PAGE_ITSELF = ("limit", "cursor")
Row = TypeVar("Row")
Item = TypeVar("Item", bound=BaseModel)


class BadCursor(InvalidInput):
    code, title = "bad_cursor", "The cursor is not of this list"
    message = "Send a cursor only with the list and the filters that gave it; begin again without one."


class Page(BaseModel, Generic[Item]):
    """A part of a list. `next_cursor` is null at its end."""

    items: list[Item]
    next_cursor: str | None = Field(description="Send it as `cursor` to get what follows", examples=[None])


@dataclass(frozen=True)
class Paging:
    """What part of which list was asked for. `key` is None for its beginning."""

    list: str
    limit: int
    key: tuple[datetime | int | str, ...] | None

    def part(self, sort: str = "", *, descending: bool = True) -> After:
        return After(limit=self.limit, sort=sort, descending=descending, key=self.key)

    def page(self, rows: Sequence[Row], show: Callable[[Row], Item], key: Callable[[Row], tuple[datetime | int | str, ...]]) -> Page[Item]:
        """Of rows that may be one more than the limit: the page, with the cursor that leads on."""
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        return Page(items=[show(row) for row in shown], next_cursor=self._cursor(key(shown[-1])) if more else None)

    def _cursor(self, key: tuple[datetime | int | str, ...]) -> str:
        values = [{"at": isoformat(value)} if isinstance(value, datetime) else value for value in key]
        return seal_json(_PURPOSE, {"list": self.list, "key": values})


def _paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most")] = 25,
    cursor: Annotated[str | None, Query(max_length=600, description="The `next_cursor` of the page before")] = None,
) -> Paging:
    filters = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _PAGE_ITSELF)
    name = hashlib.sha256(repr((request.url.path, filters)).encode()).hexdigest()[:16]
    return Paging(name, limit, None if cursor is None else _key_in(cursor, name))


def _key_in(cursor: str, name: str) -> tuple[datetime | int | str, ...]:
    try:
        held = unseal_json(_PURPOSE, cursor)
    except BadSeal:
        raise BadCursor(field="cursor") from None
    values = held["key"]
    if held["list"] != name or not isinstance(values, list):
        raise BadCursor(field="cursor")
    return tuple(datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value for value in values)


Wanted = Annotated[Paging, Depends(_paging)]
