"""How the portal's pages are made and sent: texts, words for time and data, templates, headers, static files.

A page is one template. A browser gets the whole page; the portal's own script gets only the page's `main` (`X-Portal: fragment`),
so what a customer reads is written once and nothing is sent twice over a slow network.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.headers import PORTAL_POLICY
from portal.visitor import DEVICE_HEADER

_HERE = Path(__file__).parent
DEFAULT_LANGUAGE = "en"
_LOCAL_TIME = ZoneInfo("Africa/Banjul")
_NBSP = "\u00a0"

_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": PORTAL_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding, X-Portal",
}

# What most pages do not have: `live` is for portal.js (where to ask, and what is shown now), `refresh` for browsers without it.
_UNLESS_TOLD: dict[str, Any] = {"context_token": "", "is_stale": False, "problem": None, "live": {}, "refresh": None}

Texts = dict[str, Any]


@lru_cache(maxsize=16)
def texts(language: str = DEFAULT_LANGUAGE) -> Texts:
    """Everything the portal says, in one language. Another language is another file beside `en.json` with the same keys."""
    found: Texts = json.loads((_HERE / "texts" / f"{language}.json").read_text(encoding="utf-8"))
    return found


def language_for(wanted: str | None) -> str:
    """That language if the portal speaks it, else its own."""
    is_known = wanted is not None and wanted.isalpha() and (_HERE / "texts" / f"{wanted}.json").is_file()
    return wanted if is_known and wanted is not None else DEFAULT_LANGUAGE


def dalasi(bututs: int) -> str:
    """`D 25`, and `D 25.50` where bututs are left over."""
    whole, rest = divmod(bututs, 100)
    return f"D{_NBSP}{whole:,}" + (f".{rest:02}" if rest else "")


def in_words(seconds: int, units: Texts) -> str:
    """The two largest units, rounded down: `1 day 3 hours`. portal.js counts down in the same words."""
    days, rest = divmod(max(0, seconds), 86400)
    parts = [("day", days), ("hour", rest // 3600), ("minute", rest % 3600 // 60)]
    while parts and parts[0][1] == 0:
        parts.pop(0)
    said = [f"{n}{_NBSP}{units[name][n != 1]}" for name, n in parts[:2] if n]
    return " ".join(said) or str(units["under_a_minute"])


def data_size(quantity: int | None, units: Texts) -> str:
    """`500 MB`, `1.5 GB` (1 MB = 1024 KB, as the router counts), rounded down; None means no limit."""
    if quantity is None:
        return str(units["unlimited"])
    size, name = (1 << 30, "GB") if quantity >= 1 << 30 else (1 << 20, "MB")
    tenths = quantity * 10 // size
    return f"{tenths // 10}.{tenths % 10}{_NBSP}{name}" if tenths % 10 and tenths < 100 else f"{tenths // 10}{_NBSP}{name}"


def speed(kbps: int) -> str:
    """`512 kbit/s`, `4 Mbit/s`: rates are sold in round numbers of either kind, 4096 as well as 4000."""
    return f"{kbps}{_NBSP}kbit/s" if kbps < 1000 else f"{round(kbps / (1000 if kbps % 1024 else 1024), 1):g}{_NBSP}Mbit/s"


def clock_time(at: datetime, now: datetime) -> str:
    """`18:40` today, `24 Nov 18:40` on another day, in The Gambia's time."""
    local = at.astimezone(_LOCAL_TIME)
    is_today = local.date() == now.astimezone(_LOCAL_TIME).date()
    return f"{local:%H:%M}" if is_today else f"{local.day}{_NBSP}{local:%b %H:%M}"


def counted(n: int, forms: list[str]) -> str:
    return forms[n != 1].format(n=n)


def link(path: str, *, context_token: str, **query: str) -> str:
    """An address of ours that carries on which client of which hotspot asks: nothing else remembers it."""
    query |= {"c": context_token} if context_token else {}
    return f"{path}?{urlencode(query)}" if query else path


def qr_code(url: str) -> str:
    """An inline SVG without style or script. Dark on light in both colour schemes: scanners expect it."""
    return str(segno.make(url, error="m", micro=False).svg_inline(border=3, omitsize=True, svgclass="qr", lineclass=None, light="#fff"))


@dataclass(frozen=True)
class _Asset:
    url: str
    media_type: str
    body: bytes
    packed: bytes


_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_ASSET_URL = re.compile(r"(\w+)\.[0-9a-f]{12}(\.\w+)")


@lru_cache(maxsize=1)
def _assets() -> dict[str, _Asset]:
    found = {}
    for path in sorted((_HERE / "static").iterdir()):
        if path.suffix in _MEDIA_TYPES:
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            url = f"/portal/static/{path.stem}.{digest}{path.suffix}"
            found[path.name] = _Asset(url, _MEDIA_TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0))
    return found


def asset_response(request: Request, name: str) -> Response | None:
    """A static file under its hashed name, kept by browsers for a year; None for a name that is none of ours."""
    match = _ASSET_URL.fullmatch(name)
    asset = _assets().get("".join(match.groups())) if match else None
    if asset is None:
        return None
    # A page from before a deployment asks under the old hash: it gets the new file, but must not keep it under that name.
    keep = "public, max-age=31536000, immutable" if asset.url.endswith("/" + name) else "no-store"
    headers = {"Cache-Control": keep, "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
    return _packed(request, asset.body, asset.packed, 200, {**headers, "Content-Type": asset.media_type})


def _packed(request: Request, body: bytes, packed: bytes, status: int, headers: dict[str, str]) -> Response:
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, status, {**headers, "Content-Encoding": "gzip"})
    return Response(body, status, headers)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(dalasi=dalasi, in_words=in_words, data_size=data_size, speed=speed, clock_time=clock_time, counted=counted)
    made.globals.update(asset=lambda name: _assets()[name].url, qr_code=qr_code)
    return made


def is_fragment(request: Request) -> bool:
    """The portal's own script asks: it wants the page's `main` only, and is told where to go in a header."""
    return request.headers.get("x-portal") == "fragment"


def page(request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """Render a page with everything its template names, plus the texts as `t`."""
    told = {"t": texts(), "is_fragment": is_fragment(request), **_UNLESS_TOLD, **values}
    told["link"] = partial(link, context_token=str(told["context_token"]))
    body = _templates().get_template(f"{template}.html").render(told).encode()
    sent = {**_PAGE_HEADERS, **(headers or {}), "Content-Type": "text/html; charset=utf-8"}
    return _packed(request, body, gzip.compress(body, 6, mtime=0), status, sent)


def go(request: Request, url: str, *, device_token: str | None = None) -> Response:
    """After a form: on to another page, so that a reload repeats nothing. A script also gets the device's token to keep."""
    if not is_fragment(request):
        return RedirectResponse(url, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    headers = {**_PAGE_HEADERS, "X-Go": url} | ({DEVICE_HEADER: device_token} if device_token else {})
    return Response(b"", 200, headers, media_type="text/html")
