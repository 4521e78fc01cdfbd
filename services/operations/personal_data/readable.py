"""The document of a customer's own data as a page: for reading on a screen and on paper, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from html import escape
from typing import IO, Any

from sqlmodel import Session

from services.accounts.models import Customer
from services.apps import own_data

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#16221d;background:#fff;max-width:1100px;margin:0 auto;padding:24px 16px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 6px}p{margin:4px 0;color:#4d5a54}
.rows{overflow-x:auto}table{border-collapse:collapse;font-size:13px;min-width:40%}
th,td{text-align:left;vertical-align:top;padding:5px 10px;border-bottom:1px solid #d9e0dc;max-width:420px;overflow-wrap:anywhere}
th{font-weight:600;white-space:nowrap}li{font-size:13px}
@media print{body{padding:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}.rows{overflow:visible}}
"""
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What INET keeps of you</title><style>{style}</style></head><body>
<h1>What INET keeps of you</h1>
<p>Made on {at}. It is yours: keep it where nobody else reads it.</p>
"""
_BUTUTS = "_bututs"


def write(session: Session, customer: Customer, out: IO[bytes], *, now: datetime) -> None:
    """Write the page to `out`, row by row, so that its size is bounded by nobody's memory."""
    for piece in _pieces(session, customer, now):
        out.write(piece.encode())


def _pieces(session: Session, customer: Customer, now: datetime) -> Iterator[str]:
    yield _HEAD.format(style=_STYLE, at=_shown(now))
    yield "<h2>You</h2><table>"
    for name, value in own_data.profile_of(customer).items():
        yield f"<tr><th>{_title(name)}</th><td>{_shown(value)}</td></tr>"
    yield "</table>"
    for name, rows in own_data.parts_of(session, customer):
        yield f"<h2>{_title(name)}</h2>"
        yield from _table(rows)
    yield "<h2>What is left out, and why</h2><ul>"
    for table, why in own_data.LEFT_OUT.items():
        yield f"<li>{_title(table)}: {escape(why)}</li>"
    yield "</ul></body></html>\n"


def _table(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    first = next(rows, None)
    if first is None:
        yield "<p>Nothing.</p>"
        return
    yield '<div class="rows"><table><tr>' + "".join(f"<th>{_title(name)}</th>" for name in first) + "</tr>"
    yield _row(first)
    for row in rows:
        yield _row(row)
    yield "</table></div>"


def _row(row: Mapping[str, Any]) -> str:
    return "<tr>" + "".join(f"<td>{_shown(value, name)}</td>" for name, value in row.items()) + "</tr>"


def _title(name: str) -> str:
    words = name.removesuffix(_BUTUTS).removesuffix("_at").replace("_", " ")
    return escape(words[:1].upper() + words[1:])


def _shown(value: Any, name: str = "") -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%d %b %Y %H:%M:%S UTC")
    if isinstance(value, date):
        return value.strftime("%d %b %Y")
    if name.endswith(_BUTUTS) and isinstance(value, int):
        return f"D {value / 100:,.2f}"
    if isinstance(value, Enum):
        return escape(str(value.value).replace("_", " "))
    if isinstance(value, Mapping):
        return "; ".join(f"{_title(str(key))}: {_shown(one)}" for key, one in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(one) for one in value) or "–"
    return escape(str(value))
