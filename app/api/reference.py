"""`/api/docs`: Swagger's page over the OpenAPI document, all of it served from here, under a policy without inline script or style.

Script and style come as files of the fastapi-offline package, whose own code is not used: its page starts with an inline script.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from app.access import public
from app.errors import NotFound

router = APIRouter(
    prefix="/api/docs", include_in_schema=False, dependencies=[public("describes the public and token-guarded API; it holds no data")]
)
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_PLACES = {
    "swagger-ui-bundle.js": ("fastapi_offline", "static/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("fastapi_offline", "static/swagger-ui.css", "text/css"),
    "reference.js": ("app.api", "reference.js", "text/javascript"),
    "reference.css": ("app.api", "reference.css", "text/css"),
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>INET Portal: the JSON API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{swagger-ui.css}">
<link rel="stylesheet" href="{reference.css}">
</head>
<body>
<div id="reference" data-document="{document}"></div>
<noscript>This page needs JavaScript; the document itself is at <a href="{document}">{document}</a>.</noscript>
<script src="{swagger-ui-bundle.js}"></script>
<script src="{reference.js}"></script>
</body>
</html>
"""


@lru_cache(maxsize=len(_PLACES))
def _content(name: str) -> bytes:
    package, path, _ = _PLACES[name]
    return files(package).joinpath(path).read_bytes()


@lru_cache(maxsize=1)
def _addresses() -> dict[str, str]:
    """Each file's address with the hash of what it holds, so that a browser keeps it for ever and still gets a newer one."""
    return {name: f"{router.prefix}/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}" for name in _PLACES}


@router.get("", response_class=HTMLResponse)
def page(request: Request) -> HTMLResponse:
    """The page; its script asks for the document."""
    text = _PAGE.replace("{document}", request.app.openapi_url)
    for name, address in _addresses().items():
        text = text.replace(f"{{{name}}}", address)
    return HTMLResponse(text, headers={"Cache-Control": "no-cache"})


@router.get("/{name}")
def file(name: str) -> Response:
    """One of the four files that the page needs, and no other."""
    if name not in _PLACES:
        raise NotFound
    return Response(_content(name), media_type=_PLACES[name][2], headers=_FOREVER)
