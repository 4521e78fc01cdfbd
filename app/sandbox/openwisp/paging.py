"""Lists by page number, with everything that is awkward about them (protocols/openwisp.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import Request

from app.sandbox.openwisp.errors import OpenWispError
from app.sandbox.openwisp.switches import Switches

PAGE_SIZE, MAX_PAGE_SIZE = 10, 100
GEOJSON_PAGE_SIZE = 1000
Item = TypeVar("Item")


def page_of(
    request: Request, switches: Switches, items: list[Item], shape: Callable[[Item], dict[str, Any]], *, fixed_size: int | None = None
) -> dict[str, Any]:
    """One page with `count`, `next`, `previous` and `results`; `fixed_size` for lists whose size cannot be asked for.

    Raises OpenWispError: 404 past the end.
    """
    if switches.mode.answer == "empty":
        items = []
    size = fixed_size or _size(request.query_params.get("page_size"))
    last = max(1, -(-len(items) // size))
    number = _number(request.query_params.get("page"), last)
    shown = items[(number - 1) * size : number * size]
    return {
        "count": len(items),
        "next": _link(request, switches, number + 1) if number < last else None,
        "previous": _link(request, switches, number - 1) if number > 1 else None,
        "results": [shape(item) for item in switches.survivors(shown)],
    }


def _size(text: str | None) -> int:
    # What is no positive number counts as not given; what is too much is capped without a word.
    wanted = int(text) if text and text.isascii() and text.isdigit() else 0
    return min(wanted or PAGE_SIZE, MAX_PAGE_SIZE)


def _number(text: str | None, last: int) -> int:
    if text == "last":
        return last
    number = int(text) if text and text.isascii() and text.isdigit() else 0 if text else 1
    if not 1 <= number <= last:
        raise OpenWispError(404, {"detail": "Invalid page."})
    return number


def _link(request: Request, switches: Switches, number: int) -> str:
    # Absolute, and built from the host that the last proxy asked for: often one that nobody else can reach.
    origin = switches.mode.next_host or str(request.base_url).rstrip("/")
    query = {name: value for name, value in request.query_params.items() if name != "page"}
    if number > 1:
        query["page"] = str(number)
    return f"{origin}{request.url.path}" + (f"?{urlencode(sorted(query.items()))}" if query else "")
