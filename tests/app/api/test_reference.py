"""The page of the API's description comes from here in all its parts."""

from __future__ import annotations

import re

import httpx
import pytest

from app.main import plain_app


@pytest.fixture
async def docs(servers: None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=plain_app(("api",))), base_url="http://test")


async def test_the_page_takes_everything_from_here_and_runs_nothing_inline(docs: httpx.AsyncClient) -> None:
    page = await docs.get("/api/docs")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(address.startswith(("/api/", "data:,")) for address in addresses)
    assert re.search(r"<script(?![^>]* src=)", page.text) is None
    for address in addresses:
        if address.startswith("/api/docs/"):
            part = await docs.get(address)
            assert part.status_code == 200
            assert part.headers["content-type"].startswith(("text/javascript", "text/css"))
            assert "immutable" in part.headers["cache-control"]


@pytest.mark.parametrize("name", ["reference.py", "redoc.standalone.js", "..%2freference.py", "%2e%2e%2freference.py"])
async def test_no_other_file_is_served(docs: httpx.AsyncClient, name: str) -> None:
    assert (await docs.get(f"/api/docs/{name}")).status_code == 404
